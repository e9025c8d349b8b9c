"""Handles CloudFormation's requests about one CA certificate, through the CDK's provider framework.

The framework turns every exception into a FAILED response with the message as its reason, removes the
response URL from the event, and ignores the deletion of a resource that was never created.
https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.custom_resources-readme.html
"""

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from iot_jitr_runtime.aws_errors import DENIED
from iot_jitr_runtime.ca_registration.lifecycle import CaLifecycle
from iot_jitr_runtime.ca_registration.properties import Attribute, CaProperties
from iot_jitr_runtime.ca_registration.registry import CaRegistry, RegisteredCa
from iot_jitr_runtime.custom_resource import retry_while_iam_propagates
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ownership import Owner

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CLIENT_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 6},
    user_agent_extra="iot-jitr",
)
"""Six attempts with up to half a minute of back-off: a deployment that waits is better than one that
fails."""

_CA_ID = re.compile(r"(0x)?[0-9a-fA-F]{64}")
"""The ids that AWS IoT accepts (API reference, `DescribeCACertificate`)."""

logger = Logger()
_session = boto3.Session()
retry_while_iam_propagates(_session.events, "needs-retry", DENIED)


class CaRegistrationFailedError(Exception):
    """The request failed; CloudFormation shows the message as the reason."""


def handle(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:  # noqa: ARG001 -- Lambda's signature
    """Create, update or delete the CA certificate that `event` is about.

    Raises:
        CaRegistrationFailedError: It failed; the message is one line with nothing secret.
    """
    logger.info(
        "CA registration",
        extra={"request_type": event.get("RequestType"), "physical_id": event.get("PhysicalResourceId")},
    )
    try:
        return respond(event, _session)
    except JitrError as error:
        reason = " ".join(str(error).split())
        logger.warning("CA registration failed", extra={"reason": reason})
        raise CaRegistrationFailedError(reason) from None
    except Exception as error:  # noqa: BLE001 -- CloudFormation must always get an answer
        # Without the message and the cause: they may contain data that was read, for example a private key.
        logger.warning("CA registration failed", extra={"reason": type(error).__name__})
        raise CaRegistrationFailedError(
            f"unexpected {type(error).__name__} in the CA registration function; this is a defect, please "
            "report it"
        ) from None


def respond(event: dict[str, Any], session: boto3.Session) -> dict[str, Any]:
    """The answer to `event`, with clients made from `session`.

    Raises:
        JitrError: The request failed.
    """
    properties = CaProperties.from_cloudformation(event["ResourceProperties"])
    client = partial(session.client, config=CLIENT_CONFIG)
    lifecycle = CaLifecycle(CaRegistry(client("iot")), Owner.of_event(event), client)
    if event["RequestType"] == "Create":
        return _answer(lifecycle.create(properties))
    ca_id = CaCertificateId(event["PhysicalResourceId"])
    if event["RequestType"] == "Update":
        # An earlier version of the stack may have written the old properties: only their tags are read.
        former_tags = frozenset(event["OldResourceProperties"].get("CaTags") or {})
        return _answer(lifecycle.update(ca_id, properties, former_tags))
    # CloudFormation or the framework makes another kind of id for a resource whose creation failed.
    if _CA_ID.fullmatch(ca_id):
        lifecycle.delete(ca_id, properties)
    return {"PhysicalResourceId": ca_id}


def _answer(ca: RegisteredCa) -> dict[str, Any]:
    return {
        "PhysicalResourceId": ca.ca_id,
        "Data": {
            Attribute.CERTIFICATE_ID.value: ca.ca_id,
            Attribute.CERTIFICATE_ARN.value: ca.arn,
            Attribute.STATUS.value: ca.state.status.value,
            Attribute.MODE.value: ca.mode.value,
            Attribute.AUTO_REGISTRATION.value: ca.state.auto_registration.value,
            Attribute.NOT_AFTER.value: f"{ca.certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
        },
    }
