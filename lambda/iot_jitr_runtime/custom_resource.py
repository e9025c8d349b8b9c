"""Shared code of the custom resources' functions: typed properties, and retries while IAM propagates.

CloudFormation turns every scalar property into a string, so each is converted by the type of its field.
"""

from collections.abc import Collection, Mapping
from dataclasses import Field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, get_args, get_type_hints

from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

IAM_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds to wait before each further try while IAM distributes a change; half a minute is enough."""


class MalformedPropertiesError(JitrError):
    """A property of the resource differs from the format of this version of the stack."""


class Properties:
    """Base of a dataclass whose fields are the properties of a custom resource.

    A field is a text, a number or an enumeration, or None: then its property is left out. The metadata of any
    other field names the functions that `write` and `read` its property.
    """

    def to_cloudformation(self) -> dict[str, Any]:
        """The properties for the template."""
        values = {field: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {
            _name(field): field.metadata.get("write", _plain)(value)
            for field, value in values.items()
            if value is not None
        }

    @classmethod
    def from_cloudformation(cls, properties: Mapping[str, Any]) -> Self:
        """Read the properties of an event; properties without a field are ignored.

        Raises:
            MalformedPropertiesError: One is missing or has no allowed value.
        """
        hints = get_type_hints(cls)
        values = {}
        for field in fields(cls):  # type: ignore[arg-type]  # each subclass is a dataclass
            name, hint = _name(field), hints[field.name]
            try:
                if "read" in field.metadata:
                    values[field.name] = field.metadata["read"](properties.get(name))
                elif type(None) in get_args(hint):
                    values[field.name] = properties.get(name)
                else:
                    values[field.name] = hint(properties[name])
            except (KeyError, ValueError, TypeError) as error:
                raise MalformedPropertiesError(
                    f"the resource's property {name} cannot be read ({type(error).__name__}: {error}); stack "
                    "and function must be of the same version"
                ) from error
        return cls(**values)


def retry_while_iam_propagates(events: "BaseEventHooks", calls: str, codes: Collection[str]) -> None:
    """Repeat calls that fail with one of `codes` because a role or a permission is not in force yet.

    A deployment changes IAM and creates the resource a second later. IAM distributes the change to other
    services some seconds after it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency

    Args:
        events: The events of a client, or of a session: then for each client that the session makes later.
        calls: The calls, as an event name of botocore: `needs-retry.<service>.<operation>` or its beginning.
        codes: The error codes.
    """

    def delay(response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any) -> float | None:
        if response is None or attempts > len(IAM_DELAYS):
            return None
        return IAM_DELAYS[attempts - 1] if response[1].get("Error", {}).get("Code") in codes else None

    # botocore uses the return value of this event's handler.
    events.register(calls, delay, unique_id=f"iot-jitr {calls}")  # type: ignore[arg-type]


def _name(field: "Field[Any]") -> str:
    return field.name.title().replace("_", "")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value
