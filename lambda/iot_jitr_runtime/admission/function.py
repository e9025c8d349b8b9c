"""Admission by the user's own Lambda function, called for each device.

`docs/admission.md` documents the event that it receives and its answer. The format is a stable interface:
members are added, never renamed or removed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_VERSION = 1
_CONNECT_SECONDS = 2
_LONGEST_TEXT = 300


def client_config(timeout_seconds: int) -> Config:
    """Return the settings of the Lambda client: one attempt, because the queue retries anyway."""
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1},
        user_agent_extra="iot-jitr",
    )


@dataclass(frozen=True)
class AdmissionFunction:
    """Admits the devices that a Lambda function admits.

    Only a valid answer within the time-out is a decision. Anything else defers the device until a retry gets
    a decision.
    """

    lambda_: "LambdaClient"
    """A client with `client_config`."""
    function: str
    """Name or ARN."""

    def admit(self, device: DeviceCertificate) -> Mapping[str, str]:
        """Return the thing attributes that the function has for the device.

        Raises:
            RefusedError: `REFUSED_BY_FUNCTION`.
            DeferredError: `ADMISSION_FAILED`: an error, no answer in time, or an answer that is not valid.
        """
        try:
            response = self.lambda_.invoke(FunctionName=self.function, Payload=json.dumps(facts(device)))
            payload = response["Payload"].read()
        except ReadTimeoutError as error:
            raise _failed("the admission function did not answer in time") from error
        except self.lambda_.exceptions.ResourceNotFoundException as error:
            raise _failed(f"there is no admission function '{self.function}'") from error
        if response.get("FunctionError"):
            raise _failed(f"the admission function failed: {payload[:_LONGEST_TEXT]!r}")
        return read_answer(payload)


def facts(device: DeviceCertificate) -> dict[str, Any]:
    """Return the verified facts about a device's certificate as the function receives them.

    Everything has been read from AWS IoT again and checked: issuer, signature, validity, revocation.
    """
    certificate = device.certificate
    return {
        "version": _VERSION,
        "certificateId": device.certificate_id,
        "certificateArn": device.certificate_arn,
        "caCertificateId": device.ca_certificate_id,
        "serialNumber": certificate.serial_number,
        "subject": certificate.subject,
        "commonNames": certificate.common_names,
        "notBefore": certificate.not_before.isoformat(),
        "notAfter": certificate.not_after.isoformat(),
        "certificatePem": certificate.pem,
    }


def read_answer(payload: bytes) -> Mapping[str, str]:
    """Read what an admission function returned; return the attributes for the thing of an admitted device.

    Anything but a clear answer is an error: no device is admitted or refused by mistake.

    Raises:
        RefusedError: `REFUSED_BY_FUNCTION`: `{"decision": "refuse"}`.
        DeferredError: `ADMISSION_FAILED`: neither that nor `{"decision": "admit"}`, or with members of the
            wrong type.
    """
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise _failed(f"the function did not return JSON: {error}") from error
    decision = answer.get("decision") if isinstance(answer, dict) else None
    if decision not in ("admit", "refuse"):
        raise _failed(
            f"the function returned {_shown(answer)}, expected an object whose 'decision' is "
            "'admit' or 'refuse'"
        )
    reason, attributes = answer.get("reason", ""), answer.get("thingAttributes", {})
    if not isinstance(reason, str):
        raise _failed(f"the function's 'reason' is {_shown(reason)}, expected a string")
    if not isinstance(attributes, dict) or not all(isinstance(each, str) for each in attributes.values()):
        raise _failed(
            f"the function's 'thingAttributes' is {_shown(attributes)}, expected an object of strings"
        )
    if decision == "refuse":
        detail = reason[:_LONGEST_TEXT] or "the admission function gave no reason"
        raise RefusedError(Reason.REFUSED_BY_FUNCTION, detail)
    return attributes


def _shown(value: object) -> str:
    return json.dumps(value)[:80]


def _failed(detail: str) -> DeferredError:
    return DeferredError(Reason.ADMISSION_FAILED, detail)
