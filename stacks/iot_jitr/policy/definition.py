"""What devices may do: a JSON template, checked when it is read, so that a bad one never synthesizes."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy.common_name import needs_common_name
from iot_jitr_runtime.policy.document import PolicyDocument, PolicySyntaxError
from iot_jitr_runtime.policy.lint import Finding, Kind, check
from iot_jitr_runtime.policy.vocabulary import THING_NAME, Placeholder

TEMPLATES = Path(__file__).parent / "templates"
"""The templates that come with the project, one file for each kind and each option."""


class DevicePolicyError(JitrError):
    """A device policy template cannot be read."""


class PolicyOption(StrEnum):
    """What a device may do besides using its own topics."""

    SHADOW = "shadow"
    """Use the shadows of the thing its certificate is attached to.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-device-shadows.html"""
    JOBS = "jobs"
    """Receive and report on jobs of the thing its certificate is attached to.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-jobs.html"""


@dataclass(frozen=True)
class DevicePolicy:
    """A checked device policy; make one with `shared` or `per_device`."""

    kind: Kind
    """`shared` or `per_device`."""
    document: PolicyDocument
    """The template, parsed.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html"""
    acknowledged: tuple[Finding, ...]
    """Exceptions from the rules that the template gives a reason for; the synthesis shows them."""

    @classmethod
    def shared(
        cls, template: str | Path | None = None, *, options: Iterable[PolicyOption] = ()
    ) -> "DevicePolicy":
        """One policy for all devices, told apart by policy variables. What AWS recommends, and the default.

        Args:
            template: JSON file with the policy; the project's own by default, which lets a device connect
                with its common name as client id and use topics below `devices/<client id>/`, nothing else.
                https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
            options: Statements of ours to add, none by default. Both need the certificate to have a thing.

        Raises:
            DevicePolicyError: The file is missing or not a policy.
            PolicyRejectedError: It breaks rules that it does not acknowledge.
        """
        return _read(Kind.SHARED, template, options)

    @classmethod
    def per_device(
        cls, template: str | Path | None = None, *, options: Iterable[PolicyOption] = ()
    ) -> "DevicePolicy":
        """A policy of its own for each certificate, rendered from a template when the device is activated.

        Costs one API call more for each activation, at 10 a second (`CreatePolicy`). A changed template holds
        for devices that are activated from then on.

        Args:
            template: JSON file with the placeholders `{{common_name}}`, `{{serial_number}}` and
                `{{thing_name}}`; the project's own by default, which grants what the shared one does.
                https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html
            options: Statements of ours to add, none by default. Both need the certificate to have a thing.

        Raises:
            DevicePolicyError: The file is missing or not a policy.
            PolicyRejectedError: It breaks rules that it does not acknowledge.
        """
        return _read(Kind.PER_DEVICE, template, options)

    @property
    def needs_common_name(self) -> bool:
        """Whether devices are told apart by their common name, so one without a usable one is refused."""
        return needs_common_name(self.document.text())

    @property
    def needs_thing(self) -> bool:
        """Whether it speaks of the device's thing, so it grants less where devices have none."""
        text = self.document.text()
        return f"${{{THING_NAME}}}" in text or self.needs_thing_name

    @property
    def needs_thing_name(self) -> bool:
        """Whether it cannot be rendered without the name of the device's thing."""
        return f"{{{{{Placeholder.THING_NAME}}}}}" in self.document.text()


def _read(kind: Kind, template: str | Path | None, options: Iterable[PolicyOption]) -> DevicePolicy:
    path = TEMPLATES / f"{kind}.json" if template is None else Path(template)
    document = _parse(path)
    for option in sorted(set(options)):
        document = document.with_statements_of(_parse(TEMPLATES / f"{option}.json"))
    return DevicePolicy(kind, document, tuple(check(str(path), document, kind)))


def _parse(path: Path) -> PolicyDocument:
    try:
        return PolicyDocument.parse(path.read_text(encoding="utf-8"))
    except PolicySyntaxError as error:
        raise DevicePolicyError(f"device policy {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise DevicePolicyError(f"device policy {path}: not UTF-8 text: {error}") from error
    except OSError as error:
        raise DevicePolicyError(
            f"device policy {path}: cannot be read ({error.strerror}); give the path of a JSON file, or "
            "leave the template out for the project's own"
        ) from error
