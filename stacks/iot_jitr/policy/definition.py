"""The device policy: a JSON template, which is checked when it is read, at synthesis."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, cast

from aws_cdk import aws_iam as iam

from iot_jitr.allowed import Allowed, file, list_of, one_of, shown
from iot_jitr.policy.late import with_wildcards
from iot_jitr.validation import ConfigurationError, options
from iot_jitr_policy.document import PolicyDocument, PolicySyntaxError
from iot_jitr_policy.lint import Finding, check
from iot_jitr_policy.vocabulary import THING_NAME, VERSION
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import Placeholder, PolicyKind

TEMPLATES = Path(__file__).parent / "templates"
"""The templates that come with the project, one file for each kind and each option."""


class DevicePolicyError(JitrError):
    """A device policy template cannot be read."""


class PolicyOption(StrEnum):
    """A permission of a device besides the use of its own topics."""

    SHADOW = "shadow"
    """Use the shadows of the thing its certificate is attached to.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-device-shadows.html"""
    JOBS = "jobs"
    """Receive and report on jobs of the thing its certificate is attached to.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-jobs.html"""


def _read_template(value: Any, folder: Path) -> Path | dict[str, Any]:
    return cast("Path", _FILE.read(value, folder)) if isinstance(value, str | Path) else _read_object(value)


def _read_object(value: Any, _: Path = Path()) -> dict[str, Any]:
    """Return a copy of a policy or a statement; `json` refuses a value that JSON cannot represent."""
    match value:
        case iam.PolicyDocument():
            value = value.to_json()
        case iam.PolicyStatement():
            value = value.to_statement_json()
    return dict(json.loads(json.dumps({**value})))


_FILE = file("the path of a JSON file with the device policy, or the policy as an object")
_STATEMENT = Allowed("a statement of a device policy, an object", _read_object, schema={"type": "object"})
_TEMPLATE = Allowed(_FILE.words, _read_template, schema={"type": ["string", "object"]})
Document = Mapping[str, Any] | iam.PolicyDocument
ExtraStatement = Mapping[str, Any] | iam.PolicyStatement


@options
class DevicePolicy:
    """What activated devices may do: one policy for all of them, or one made from a template for each.

    Make one with `shared`, `per_device`, `from_file` or `from_document`.

    Raises:
        ConfigurationError: A value is not possible.
        DevicePolicyError: The template cannot be read, or is not a policy.
        PolicyRejectedError: It breaks rules that it does not acknowledge.
    """

    kind: Annotated[PolicyKind | str, one_of(PolicyKind)] = PolicyKind.SHARED
    """`shared`: one policy with policy variables, which AWS recommends. `per_device`: a policy of its own
    for each certificate, made when the device is activated; each activation needs one more API call, which
    has a quota of 10 a second (`CreatePolicy`). A changed template of this kind applies only to devices that
    are activated after the change.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html"""
    template: Annotated[str | Path | Mapping[str, Any] | iam.PolicyDocument | None, _TEMPLATE] = field(
        default=None, hash=False
    )
    """The policy: the path of a JSON file, or an object; in Python see `from_file` and `from_document`.
    None: the project's own policy: a device may connect with its common name as client id and use topics
    below `devices/<client id>/`, nothing else. With `per_device` the placeholders `{{common_name}}`,
    `{{serial_number}}` and `{{thing_name}}` are possible.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html"""
    options: Annotated[
        Iterable[PolicyOption | str], list_of(one_of(PolicyOption), f"a list of {', '.join(PolicyOption)}")
    ] = ()
    """Statements of the project to add: `shadow`, `jobs`; none by default. Both need a thing for the
    certificate."""
    extra_statements: Annotated[
        Iterable[ExtraStatement], list_of(_STATEMENT, "a list of statements of a device policy")
    ] = field(default=(), hash=False)
    """Statements of yours to add, each an object or the CDK's `PolicyStatement`, which may name resources
    of the same app; none by default.
    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html"""

    def __post_init__(self) -> None:
        _ = self.acknowledged  # checks the policy

    @classmethod
    def shared(
        cls,
        *,
        options: Iterable[PolicyOption | str] = (),
        extra_statements: Iterable[ExtraStatement] = (),
    ) -> "DevicePolicy":
        """The project's policy for all devices, with policy variables for what differs: the default.

        Args:
            options: Statements of the project to add, none by default.
            extra_statements: Statements of yours to add, none by default.
                https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
        """
        return cls(PolicyKind.SHARED, None, options, extra_statements)

    @classmethod
    def per_device(
        cls,
        *,
        options: Iterable[PolicyOption | str] = (),
        extra_statements: Iterable[ExtraStatement] = (),
    ) -> "DevicePolicy":
        """The project's policy, one for each certificate, made when the device is activated.

        Args:
            options: Statements of the project to add, none by default.
            extra_statements: Statements of yours to add, none by default.
                https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html
        """
        return cls(PolicyKind.PER_DEVICE, None, options, extra_statements)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        kind: PolicyKind | str = PolicyKind.SHARED,
        options: Iterable[PolicyOption | str] = (),
        extra_statements: Iterable[ExtraStatement] = (),
    ) -> "DevicePolicy":
        """A policy of yours, from a JSON file.

        Args:
            path: The file, relative to the current folder.
                https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
            kind: One policy for all devices, `shared`, or one for each, `per_device`.
            options: Statements of the project to add, none by default.
            extra_statements: Statements of yours to add, none by default.
                https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
        """
        return cls(kind, path, options, extra_statements)

    @classmethod
    def from_document(
        cls,
        document: Document,
        *,
        kind: PolicyKind | str = PolicyKind.SHARED,
        options: Iterable[PolicyOption | str] = (),
        extra_statements: Iterable[ExtraStatement] = (),
    ) -> "DevicePolicy":
        """A policy of yours as an object or the CDK's `PolicyDocument`, which may name resources of the app.

        Args:
            document: The policy. The rules treat a value that is known only at deployment as a wildcard.
                https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html
            kind: One policy for all devices, `shared`, or one for each, `per_device`.
            options: Statements of the project to add, none by default.
            extra_statements: Statements of yours to add, none by default.
                https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
        """
        if not isinstance(document, Mapping | iam.PolicyDocument):
            raise ConfigurationError(
                "DevicePolicy.from_document.document",
                shown(document),
                "a policy, an object or PolicyDocument",
            )
        return cls(kind, document, options, extra_statements)

    @cached_property
    def document(self) -> PolicyDocument:
        """The policy with its options and extra statements, parsed."""
        template = TEMPLATES / f"{self.kind}.json" if self.template is None else self.template
        document = _parse(template)
        for option in sorted({PolicyOption(each) for each in self.options}):
            document = document.with_statements_of(_parse(TEMPLATES / f"{option}.json"))
        if extra := [*self.extra_statements]:
            added = _parsed("extra_statements", json.dumps({"Version": VERSION, "Statement": extra}))
            document = document.with_statements_of(added)
        return document

    @cached_property
    def acknowledged(self) -> tuple[Finding, ...]:
        """The rule exceptions that the template acknowledges with a reason; the synthesis shows them."""
        name = str(self.template) if isinstance(self.template, Path) else "template"
        return tuple(check(name, with_wildcards(self.document), PolicyKind(self.kind)))

    @property
    def needs_thing(self) -> bool:
        """Whether it refers to the device's thing, so that it grants less to devices without a thing."""
        text = self.document.text()
        return f"${{{THING_NAME}}}" in text or self.needs_thing_name

    @property
    def needs_thing_name(self) -> bool:
        """Whether it cannot be rendered without the name of the device's thing."""
        return f"{{{{{Placeholder.THING_NAME}}}}}" in self.document.text()


def _parse(template: object) -> PolicyDocument:
    if isinstance(template, Mapping):
        return _parsed("device policy", json.dumps(template))
    path = Path(str(template))
    try:
        return _parsed(f"device policy {path}", path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise DevicePolicyError(f"device policy {path}: not UTF-8 text: {error}") from error
    except OSError as error:
        raise DevicePolicyError(
            f"device policy {path}: cannot be read ({error.strerror}); give the path of a JSON file, or "
            "leave the template out for the project's own"
        ) from error


def _parsed(name: str, text: str) -> PolicyDocument:
    try:
        return PolicyDocument.parse(text)
    except PolicySyntaxError as error:
        raise DevicePolicyError(f"{name}: {error}") from error
