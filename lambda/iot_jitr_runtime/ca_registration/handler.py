"""Answers CloudFormation, by way of the CDK's provider framework, about one CA certificate.

The framework turns whatever is raised here into a FAILED response with the message as its reason, calls with
the response URL removed, and ignores the deletion of what was never created.
https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.custom_resources-readme.html
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from iot_jitr_runtime.ca_registration.lifecycle import CaLifecycle, Former
from iot_jitr_runtime.ca_registration.ownership import Owner
from iot_jitr_runtime.ca_registration.patience import wait_for_permissions
from iot_jitr_runtime.ca_registration.properties import Attribute, CaProperties
from iot_jitr_runtime.ca_registration.registry import CaRegistry, RegisteredCa
from iot_jitr_runtime.ca_registration.signers import signer_for
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CLIENT_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 6},
    user_agent_extra="iot-jitr",
)
"""Six attempts, up to half a minute of back-off: a deployment would rather wait for AWS IoT than fail."""

_CA_ID = re.compile(r"(0x)?[0-9a-fA-F]{64}")
"""The ids that AWS IoT takes (API reference, `DescribeCACertificate`)."""

logger = Logger()
_session = boto3.Session()
wait_for_permissions(_session)


class CaRegistrationFailedError(Exception):
    """What CloudFormation shows as the reason of the failure."""


def handle(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:  # noqa: ARG001 -- Lambda's signature
    """Create, update or delete the CA certificate that `event` is about.

    Raises:
        CaRegistrationFailedError: It failed; the message is the reason, in one line without anything secret.
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
    except Exception as error:  # noqa: BLE001 -- CloudFormation must get an answer, whatever happens
        # Neither its message nor its cause: what was read, a key for instance, may stand in them.
        logger.warning("CA registration failed", extra={"reason": type(error).__name__})
        raise CaRegistrationFailedError(
            f"unexpected {type(error).__name__} in the CA registration function; this is a defect, please "
            "report it"
        ) from None


def respond(event: dict[str, Any], session: boto3.Session) -> dict[str, Any]:
    """The answer to `event`, with clients made from `session`.

    Raises:
        JitrError: It could not be done.
    """
    properties = CaProperties.from_cloudformation(event["ResourceProperties"])
    owner = Owner.of_event(event["StackId"], properties.construct_path)
    lifecycle = CaLifecycle(CaRegistry(session.client("iot", config=CLIENT_CONFIG)), owner)
    signer = signer_for(properties.source, partial(session.client, config=CLIENT_CONFIG))
    if event["RequestType"] == "Create":
        return _answer(lifecycle.create(properties, signer))
    ca_id = CaCertificateId(event["PhysicalResourceId"])
    if event["RequestType"] == "Update":
        former = _former(event["StackId"], properties, event["OldResourceProperties"])
        return _answer(lifecycle.update(ca_id, properties, signer, former))
    # Another id is CloudFormation's or the framework's, for a resource whose creation failed.
    if _CA_ID.fullmatch(ca_id):
        lifecycle.delete(ca_id, properties)
    return {"PhysicalResourceId": ca_id}


def _former(stack_id: str, properties: CaProperties, old: Mapping[str, Any]) -> Former:
    """What an update needs of the old properties, which an earlier version may have written."""
    owner = Owner.of_event(stack_id, old.get("ConstructPath", properties.construct_path))
    return Former(owner, frozenset(old.get("CaTags") or {}))


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
