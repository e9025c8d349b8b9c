"""Who gets in, and as whom: the keys `admission`, `things` and `on_refusal`."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr.admission import DEFAULT_TIMEOUT_SECONDS, FUNCTION_ARN, LONGEST_TIMEOUT_SECONDS, Admission
from iot_jitr.things import LONGEST_GRACE_PERIOD, ThingRegistration, ThingRegistrationError
from iot_jitr.validation import ConfigurationError, shown
from iot_jitr_runtime.activator.on_refusal import RefusalStatusError, check_statuses
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.things.settings import DEFAULT_GRACE_PERIOD, DEFAULT_NAME, Attachment, Renewal

if TYPE_CHECKING:
    from iot_jitr.configuration.reader import Section

_TEMPLATE = "a text, in which {{common_name}} and other fields of the certificate may stand"


class _AdmissionKind(StrEnum):
    NONE = "none"
    ALLOW_LIST = "allow_list"
    FUNCTION = "function"


class _Attachment(StrEnum):
    EXCLUSIVE = "exclusive"
    NON_EXCLUSIVE = "non_exclusive"


def read_admission(root: "Section") -> Admission | None:
    """Read the key `admission`; None where every device is expected.

    Raises:
        ConfigurationError: A value is wrong or missing.
    """
    section = root.section("admission")
    kind = section.choice("kind", _AdmissionKind.NONE)
    admission = _READERS[kind](section)
    section.finish()
    return admission


def _read_allow_list(section: "Section") -> Admission:
    return Admission.allow_list(section.choice("key", KeyKind.CA_SERIAL))


def _read_function(section: "Section") -> Admission:
    function = section.text("function", pattern=FUNCTION_ARN, allowed="the ARN of a Lambda function")
    timeout = section.number("timeout_seconds", DEFAULT_TIMEOUT_SECONDS, low=1, high=LONGEST_TIMEOUT_SECONDS)
    return Admission.function(function, timeout_seconds=timeout)


def _read_none(_section: "Section") -> None:
    return None


_READERS: Mapping[_AdmissionKind, "Callable[[Section], Admission | None]"] = {
    _AdmissionKind.NONE: _read_none,
    _AdmissionKind.ALLOW_LIST: _read_allow_list,
    _AdmissionKind.FUNCTION: _read_function,
}


def read_things(root: "Section") -> ThingRegistration | None:
    """Read the key `things`; None where it is absent: devices get no things.

    Raises:
        ConfigurationError: A value is wrong, or AWS IoT would not take it.
    """
    if root.get("things") is None:
        return None
    section = root.section("things")
    attachment = section.choice("attachment", _Attachment.EXCLUSIVE)
    hours = section.number(
        "grace_period_hours",
        int(DEFAULT_GRACE_PERIOD.total_seconds()) // 3600,
        low=0,
        high=LONGEST_GRACE_PERIOD.days * 24,
    )
    try:
        things = ThingRegistration(
            name=section.text("name", DEFAULT_NAME, allowed=_TEMPLATE),
            type=section.text("type", None, allowed=_TEMPLATE),
            groups=_read_groups(section),
            attributes=_read_texts(section, "attributes"),
            attachment=Attachment[attachment.name],
            renewal=section.choice("renewal", Renewal.REFUSE),
            grace_period=timedelta(hours=hours),
        )
    except ThingRegistrationError as error:
        raise ConfigurationError(section.path, shown(root.get("things")), str(error)) from error
    section.finish()
    return things


def read_on_refusal(root: "Section") -> Mapping[str, str]:
    """Read the key `on_refusal`: reason → status; empty where it is absent.

    Raises:
        ConfigurationError: Not a refusal's reason, not a status, or a status for a reason that can pass.
    """
    statuses = _read_texts(root, "on_refusal")
    try:
        check_statuses(statuses)
    except RefusalStatusError as error:
        raise ConfigurationError(root.key("on_refusal"), shown(statuses), str(error)) from error
    return statuses


def _read_groups(section: "Section") -> tuple[str, ...]:
    value = section.get("groups")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise section.wrong("groups", "a list of names of thing groups")
    return tuple(value)


def _read_texts(section: "Section", name: str) -> dict[str, str]:
    value = section.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise section.wrong(name, "an object of texts")
    return dict(value)
