"""Handles CloudFormation's requests about the account's logging, through the CDK's provider framework."""

from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from iot_jitr_runtime.account_logging.lifecycle import AccountLogging
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LOG_GROUP_ATTRIBUTE, LoggingProperties
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ownership import Owner

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_logs import CloudWatchLogsClient

PHYSICAL_ID = "aws-iot-account-logging"
"""An account and region has one log of AWS IoT."""

logger = Logger()


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Create, update or delete; CloudFormation shows the message of the exception that is raised."""
    logger.info("account logging", extra={"request_type": event.get("RequestType")})
    partition, _, region, account = context.invoked_function_arn.split(":")[1:5]
    return respond(
        event,
        boto3.client("iot", config=CLIENT_CONFIG),
        boto3.client("logs", config=CLIENT_CONFIG),
        f"arn:{partition}:logs:{region}:{account}:log-group:{LOG_GROUP}",
    )


def respond(
    event: dict[str, Any], iot: "IoTClient", logs: "CloudWatchLogsClient", log_group_arn: str
) -> dict[str, Any]:
    """The answer to `event`.

    Raises:
        JitrError: The request failed.
    """
    properties = LoggingProperties.from_cloudformation(event["ResourceProperties"])
    logging = AccountLogging(iot, logs, log_group_arn, Owner.of_event(event))
    if event["RequestType"] == "Create":
        logging.create(properties)
    elif event["RequestType"] == "Update":
        logging.update(properties, LoggingProperties.from_cloudformation(event["OldResourceProperties"]))
    else:
        logging.delete(properties)
    return {"PhysicalResourceId": PHYSICAL_ID, "Data": {LOG_GROUP_ATTRIBUTE: LOG_GROUP}}
