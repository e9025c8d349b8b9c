"""Builds stacks for tests and reads their templates."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Annotations, Match, Template

from iot_jitr import (
    CaConfiguration,
    IJitrPipeline,
    JitrConfiguration,
    JitrPipeline,
    JitrStack,
    NoRevocation,
    SecretSigner,
)
from iot_jitr_cli.lab.app import adapt
from tests.support.ca_certificates import FACTORY

Statement = dict[str, Any]
Resource = dict[str, Any]

FACTORY_CA = CaConfiguration(
    name="Factory",
    certificate=FACTORY,
    signer=SecretSigner("iot-jitr/factory-ca-key"),
    revocation=NoRevocation(),
)
"""A CA whose key is in Secrets Manager; take `replace` for others."""

HOME = cdk.Environment(account="123456789012", region="eu-central-1")
AWAY = cdk.Environment(account="123456789012", region="us-east-1")

DEFAULTS = JitrConfiguration(cas=(FACTORY_CA,))

_SHIPPED_CONTEXT = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]
FEATURE_FLAGS: dict[str, Any] = {
    name: value for name, value in _SHIPPED_CONTEXT.items() if name.startswith("@aws-cdk")
}
"""The CDK's feature flags as `cdk.json` sets them: the tests read the templates that its users get."""


@contextmanager
def app_without_bundling(feature_flags: Mapping[str, Any] = FEATURE_FLAGS) -> Iterator[cdk.App]:
    """An app with a temporary output folder, and with the source folder itself as the Lambda asset."""
    with TemporaryDirectory() as folder:
        yield cdk.App(outdir=folder, context={**feature_flags, "aws:cdk:bundling-stacks": []})


_synthesized: list[tuple[JitrConfiguration, str]] = []
"""What this process has synthesized already: the same configuration makes the same template."""


def template_of(configuration: JitrConfiguration) -> dict[str, Any]:
    """The template that the shipped stack synthesizes to; a copy of one's own."""
    text = next((text for known, text in _synthesized if known == configuration), None)
    if text is None:
        with app_without_bundling() as app:
            text = json.dumps(template(JitrStack(app, "Jitr", configuration)))
        _synthesized.append((configuration, text))
    return dict(json.loads(text))


def synthesized(*cas: CaConfiguration) -> dict[str, Any]:
    """The template of the shipped stack with these CAs and otherwise the defaults."""
    return template_of(JitrConfiguration(cas=cas))


def local_template_of(configuration: JitrConfiguration) -> dict[str, Any]:
    """The template that the local cloud gets."""
    with app_without_bundling() as app:
        adapt(app)
        return template(JitrStack(app, "Jitr", configuration))


PARTS: dict[str, Any] = {
    "ledger_table_name": "ledger",
    "activation_queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/activation",
    "dead_letter_queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters",
    "service_name": "fleet/Jitr",
}
"""The parts that each pipeline has, for an import."""


def imported(stack: cdk.Stack, **more: Any) -> IJitrPipeline:
    """A pipeline of another app, imported by its parts."""
    return JitrPipeline.from_pipeline_attributes(stack, "Imported", **PARTS, **more)


def template(stack: cdk.Stack) -> dict[str, Any]:
    return Template.from_stack(stack).to_json()


def warnings(stack: cdk.Stack) -> list[str]:
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    return [str(message.entry.data) for message in found]


def infos(stack: cdk.Stack) -> list[str]:
    found = Annotations.from_stack(stack).find_info("*", Match.any_value())
    return [str(message.entry.data) for message in found]


def with_ca(**changes: Any) -> JitrConfiguration:
    """The defaults with the one CA changed."""
    return replace(DEFAULTS, cas=(replace(FACTORY_CA, **changes),))


def of_type(template: dict[str, Any], kind: str) -> dict[str, Resource]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def only(template: dict[str, Any], kind: str) -> Resource:
    (found,) = of_type(template, kind).values()
    return found


def named(template: dict[str, Any], kind: str, part: str) -> tuple[str, Resource]:
    """The one resource of `kind` whose logical id contains `part`, with that id."""
    ((name, resource),) = ((n, r) for n, r in of_type(template, kind).items() if part in n)
    return name, resource


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(template: dict[str, Any], part: str) -> list[Statement]:
    """What the policy whose logical id contains `part` allows."""
    _, policy = named(template, "AWS::IAM::Policy", part)
    return list(policy["Properties"]["PolicyDocument"]["Statement"])


def all_statements(template: dict[str, Any]) -> list[tuple[str, Statement]]:
    return [
        (name, statement)
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def granted(template: dict[str, Any], part: str) -> set[tuple[str, str]]:
    """Each action that the policies whose logical ids contain `part` allow, with the resource."""
    return {
        (action, joined(resource))
        for name, statement in all_statements(template)
        if part in name
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def variables(template: dict[str, Any], part: str) -> dict[str, str]:
    """The environment variables of the function whose logical id contains `part`."""
    _, function = named(template, "AWS::Lambda::Function", part)
    return {name: joined(value) for name, value in function["Properties"]["Environment"]["Variables"].items()}


def setting_of(template: dict[str, Any], name: str, function: str = "Activator") -> Any:
    """A setting of a function in its environment, read from JSON; None where there is none."""
    found = variables(template, function)
    return json.loads(found[name]) if name in found else None


def readable(value: Any) -> Any:
    """A part of a template with intrinsic functions written out and logical ids without path and hash.

    What the shipped stack makes at `Jitr/Queues/Activation` is `${QueuesActivation}`, its ARN
    `${QueuesActivation.Arn}`.
    """
    match value:
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _} if len(value) == 1:
            return re.sub(r"\$\{Jitr(\w+?)(?:Resource)?[0-9A-F]{8}(\.\w+)?\}", r"${\1\2}", joined(value))
        case dict():
            return {key: readable(each) for key, each in value.items()}
        case list():
            return [readable(each) for each in value]
    return value


def joined(value: Any) -> str:
    """A value with its intrinsic functions written out: `${Name}`, `${Name.Attribute}`, joins joined."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return f"${{{argument}}}"
    if function == "Fn::GetAtt":
        return f"${{{'.'.join(argument)}}}"
    separator, parts = argument
    return str(separator).join(map(joined, parts))
