"""The event that an admission function receives, and its answer. `docs/admission.md` documents both.

The format is a stable interface: members are added, never renamed or removed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.errors import JitrError

_VERSION = 1
_LONGEST_REASON = 300


class UnreadableAnswerError(JitrError):
    """What the function returned is not an answer."""


@dataclass(frozen=True)
class Answer:
    """What an admission function decided."""

    admitted: bool
    reason: str = ""
    thing_attributes: Mapping[str, str] = field(default_factory=dict)


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


def read_answer(payload: bytes) -> Answer:
    """Read what an admission function returned.

    Anything but a clear answer is an error: no device is admitted or refused by mistake.

    Raises:
        UnreadableAnswerError: Neither `{"decision": "admit"}` nor `{"decision": "refuse"}`, or with members
            of the wrong type.
    """
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise UnreadableAnswerError(f"the function did not return JSON: {error}") from error
    decision = answer.get("decision") if isinstance(answer, dict) else None
    if decision not in ("admit", "refuse"):
        raise UnreadableAnswerError(
            f"the function returned {_shown(answer)}, expected an object whose 'decision' is "
            "'admit' or 'refuse'"
        )
    reason = answer.get("reason", "")
    attributes = answer.get("thingAttributes", {})
    if not isinstance(reason, str):
        raise UnreadableAnswerError(f"the function's 'reason' is {_shown(reason)}, expected a string")
    if not _is_text_map(attributes):
        raise UnreadableAnswerError(
            f"the function's 'thingAttributes' is {_shown(attributes)}, expected an object of strings"
        )
    return Answer(decision == "admit", reason[:_LONGEST_REASON], attributes)


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _shown(value: object) -> str:
    return json.dumps(value)[:80]
