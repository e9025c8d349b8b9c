"""Answers CloudFormation, by way of the CDK's provider framework, about the account's logging."""

from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from iot_jitr_runtime.account_logging.lifecycle import AccountLogging
from iot_jitr_runtime.account_logging.log_group import LogGroup
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LOG_GROUP_ATTRIBUTE, LoggingProperties
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ca_registration.ownership import Owner

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

PHYSICAL_ID = "aws-iot-account-logging"
"""There is one for each account and region."""

logger = Logger()


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Create, update or delete; what is raised is the reason that CloudFormation shows."""
    logger.info("account logging", extra={"request_type": event.get("RequestType")})
    partition, _, region, account = context.invoked_function_arn.split(":")[1:5]
    arn = f"arn:{partition}:logs:{region}:{account}:log-group:{LOG_GROUP}"
    return respond(
        event,
        boto3.client("iot", config=CLIENT_CONFIG),
        LogGroup(boto3.client("logs", config=CLIENT_CONFIG), arn),
    )


def respond(event: dict[str, Any], iot: Any, group: LogGroup) -> dict[str, Any]:
    """The answer to `event`.

    Raises:
        JitrError: It could not be done.
    """
    properties = LoggingProperties.from_cloudformation(event["ResourceProperties"])
    owner = Owner.of_event(event["StackId"], properties.path)
    logging = AccountLogging(iot, group, f"{owner.stack}:{owner.path}"[:256])
    match event["RequestType"]:
        case "Create":
            logging.create(properties)
        case "Update":
            old = LoggingProperties.from_cloudformation(event["OldResourceProperties"])
            logging.update(properties, old)
        case "Delete":
            logging.delete(properties)
    return {"PhysicalResourceId": PHYSICAL_ID, "Data": {LOG_GROUP_ATTRIBUTE: LOG_GROUP}}
