"""Renders the policy of one certificate: the template's three placeholders are replaced by verified values.

Values are refused rather than escaped: only characters without a meaning in JSON, policies and topics are
accepted, and the document is written by `json.dumps`. So a field of a certificate cannot end its string, and
cannot add a wildcard, a policy variable or a placeholder.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder
from iot_jitr_runtime.policy.common_name import check_common_name
from iot_jitr_runtime.things.patterns import REGISTRY_NAME, REGISTRY_NAME_IN_WORDS


def render(template: Mapping[str, Any], certificate: Certificate, thing_name: str | None) -> str:
    """Return the policy of one device as AWS takes it.

    Args:
        template: The policy with placeholders, a parsed JSON document that `lint` has accepted.
        certificate: The device's verified certificate.
        thing_name: Name of the certificate's thing, None where devices have none.

    Raises:
        RefusedError: `INVALID_COMMON_NAME` or `INVALID_THING_NAME`, where the template needs it.
    """
    values = {
        Placeholder.COMMON_NAME: lambda: check_common_name(certificate),
        Placeholder.SERIAL_NUMBER: lambda: str(certificate.serial_number),
        Placeholder.THING_NAME: lambda: _checked_thing_name(thing_name),
    }
    return json.dumps(filled(template, values), separators=(",", ":"))


def filled(value: Any, values: Mapping[Placeholder, Callable[[], str]]) -> Any:
    """Return a parsed JSON value with its placeholders replaced; values are computed where they are used."""
    if isinstance(value, Mapping):
        return {key: filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, values) for each in value]
    if isinstance(value, str):
        # One pass: an inserted value is not searched for placeholders.
        return PLACEHOLDER.sub(lambda match: values[Placeholder(match[1])](), value)
    return value


def _checked_thing_name(name: str | None) -> str:
    if name is None:
        raise RefusedError(Reason.INVALID_THING_NAME, "the policy names the device's thing, and it has none")
    if not REGISTRY_NAME.fullmatch(name):
        raise RefusedError(Reason.INVALID_THING_NAME, f"{name[:140]!r} is not {REGISTRY_NAME_IN_WORDS}")
    return name
