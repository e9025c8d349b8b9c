"""Each block of code in the documentation is run or, where that takes a deployment, checked against the code.

* `python` is executed, with the names that a reader of the page has: the package's own, a stack, a CA.
* `json` is read by the code that reads it in earnest.
* Commands are parsed by the program they call; those that need no deployment are run, page by page.

`NOT_CHECKED` and `OF_OTHERS` list what is not checked, and why.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import botocore.session
import click
import pytest
import yaml
from aws_cdk import aws_kms as kms
from botocore import xform_name
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from moto import mock_aws

import iot_jitr
from iot_jitr import JitrConfiguration
from iot_jitr.configuration import CONTEXT_KEY
from iot_jitr.encryption import Encryption
from iot_jitr_cli.main import jitr
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_policy.lint import check
from iot_jitr_runtime.account_logging.properties import LOG_GROUP
from iot_jitr_runtime.admission.function import read_answer
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.policy import PolicyKind
from tests.support.ca_certificates import FACTORY, WORKSHOP
from tests.support.outcome_schema import SCHEMA
from tests.support.pages import (
    ROOT,
    Block,
    blocks,
    commands,
    inline_code,
    is_part_of,
    name_of,
    pages,
    text_of,
)
from tests.support.scenarios import KEY
from tests.support.stacks import FACTORY_CA, app_without_bundling, warnings

CHECKED = {"", "console", "json", "python", "sh", "yaml"}
NOT_CHECKED = {
    "c": "parts of programs that are run end to end, and parts for libraries that cannot be installed",
    "cpp": "of a library that cannot be installed, and says so",
    "go": "parts of programs that are run end to end",
    "java": "of libraries that cannot be installed, and says so",
    "js": "parts of programs that are run end to end",
    "mermaid": "a picture, drawn by what shows the page",
    "text": "what a command printed, on a machine and a day",
}
OF_OTHERS = {
    ".": "the shell's own, as are `cd`, `eval`, `export` and `source`",
    "cat": "of every system",
    "git": "the repository's address is not there before it is published",
    "openssl": "of the reader's machine; what it would make is made by `jitr ca sign-verification` besides",
}
"""Programs that pages call besides `jitr`, `make`, `npx cdk` and `aws`."""
SHELL = {".", "cd", "eval", "export", "source"}
MINIMAL = {
    "cas": [
        {
            "name": "Factory",
            "certificate": "ca/ca.pem",
            "signer": {"type": "secret", "secret": "factory-ca-key"},
            "revocation": "none",
        }
    ]
}
FACTS = {"certificateId", "certificatePem", "commonNames"}
SENSOR_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "arn:aws:iot:*:*:client/{{common_name}}",
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a `cdk.json`, with the files that the pages speak of."""
    for name, content in {
        "ca/ca.pem": FACTORY,
        "ca/2020.pem": FACTORY,
        "ca/2026.pem": WORKSHOP,
        "ca/verification.pem": FACTORY,
        "policies/sensor.json": json.dumps(SENSOR_POLICY),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_is_in_a_language_that_is_checked_or_left_out_for_a_reason() -> None:
    assert [str(block) for block in blocks() if block.language not in CHECKED | NOT_CHECKED.keys()] == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_fence_of_a_page_is_parsed(page: Path) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", text_of(page), re.MULTILINE)

    assert len(fences) == 2 * sum(block.page == page for block in blocks())


# python

PROGRAMS = [path.read_text() for path in (ROOT / "examples" / "devices").iterdir()]
"""Shown in parts, and run against the local cloud by tests/e2e/test_device_kit.py."""


def is_run_end_to_end(block: Block) -> bool:
    return any(is_part_of(block.text, program) for program in PROGRAMS)


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Stack")
        yield {
            **{name: getattr(iot_jitr, name) for name in iot_jitr.__all__},
            "app": app,
            "cdk": cdk,
            "self": stack,
            "stack": stack,
            "factory": FACTORY_CA,
            "function": "arn:aws:lambda:eu-central-1:123456789012:function:expected",
        }


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("block", [b for b in blocks("python") if not is_run_end_to_end(b)], ids=str)
def test_python_runs(block: Block, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_CONTEXT_JSON", json.dumps({"aws:cdk:bundling-stacks": []}))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    source = block.text.replace("cas=[…]", "cas=[factory]")

    with mock_aws():
        exec(compile(source, str(block), "exec"), names)


# json


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_read_by_the_code_that_reads_it_in_the_product(block: Block, folder: Path) -> None:
    # An ARN's region and account, and what a reader puts in, are left out on the pages.
    text = block.text.replace(":…:", ":eu-central-1:123456789012:").replace("…", "1")

    for document in objects(text):
        understand(document, folder)


def objects(text: str) -> list[Any]:
    """The JSON values in `text`, one after the other."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    assert found
    return found


def of_an_imported_key() -> Any:
    """The statement that the synthesis says the policy of an imported key must contain."""
    place = cdk.Environment(account="123456789012", region="eu-central-1")
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Stack", stack_name="iot-jitr", env=place)
        Encryption(kms.Key.from_key_arn(stack, "Key", KEY)).allow_logs(stack, LOG_GROUP)
        (text,) = warnings(stack)
    resolved = text.replace("${AWS::Partition}", "aws").replace("${AWS::URLSuffix}", "amazonaws.com")
    statement, _ = json.JSONDecoder().raw_decode(resolved[resolved.index('{"') :])
    return statement


def understand(document: Any, folder: Path) -> None:
    """Read a document by what reads it in earnest: a configuration unless it is something else for sure."""
    match document:
        case {"decision": _}:
            with suppress(RefusedError):
                read_answer(json.dumps(document).encode())
        case {"Principal": {"Service": _}}:
            assert document == of_an_imported_key()
        case {"Statement": _}:
            check("page", PolicyDocument.parse(json.dumps(document)), PolicyKind.SHARED)
        case {"Effect": _}:
            understand({"Version": "2012-10-17", "Statement": [document]}, folder)
        case {"detail-type": _, "detail": detail}:
            Draft202012Validator(SCHEMA).validate(detail)
        case {"context": context}:
            understand(context[CONTEXT_KEY], folder)
        case {"name": _, "revocation": _}:
            JitrConfiguration.parse({"cas": [document]}, folder)
        case {**members} if members.keys() >= FACTS:
            assert members["version"] == 1
        case _:
            JitrConfiguration.parse({**MINIMAL, **document}, folder)


@pytest.mark.parametrize(
    "wrong", [{"activation_per_second": 10}, {"policy": {"kind": "personal"}}, {"Statement": []}]
)
def test_unreadable_json_is_found(wrong: dict[str, Any], folder: Path) -> None:
    with pytest.raises(Exception, match=r"unknown|found|policy"):
        understand(wrong, folder)


# commands

SHELLS = [block for block in blocks("console", "sh", "") if not is_run_end_to_end(block)]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OF_THE_AWS_COMMAND_LINE = {"s3 cp", "s3 ls", "s3 rm", "logs tail"}
"""What it adds to the services' own operations; `s3api` is what it calls those of S3."""
CDK = {"bootstrap", "deploy", "destroy", "diff", "ls", "synth"}


def problem(command: list[str]) -> str | None:
    """Return what is wrong with a command; None for programs that are not checked."""
    match command:
        case ["jitr", *arguments]:
            return problem_of_jitr(arguments)
        case ["make", *targets]:
            unknown = {target for target in targets if "=" not in target} - TARGETS
            return f"no such target: {unknown}" if unknown else None
        case ["npx", "cdk", *rest]:
            return None if rest and rest[0] in CDK else f"no such command of the CDK: {rest}"
        case ["aws", service, operation, *options]:
            return problem_of_aws(service, operation, options)
    return None


def problem_of_jitr(arguments: list[str]) -> str | None:
    command: click.Command = jitr
    context = click.Context(jitr)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        inner = command.get_command(context, name)
        if inner is None:
            return f"no such command: jitr {name}"
        context, command = click.Context(inner, parent=context, info_name=name), inner
    try:
        command.make_context("jitr", arguments)
    except click.exceptions.Exit:
        return None
    except click.ClickException as error:
        return error.format_message()
    return None


def problem_of_aws(service: str, operation: str, options: list[str]) -> str | None:
    if f"{service} {operation}" in OF_THE_AWS_COMMAND_LINE:
        return None
    model = botocore.session.get_session().get_service_model(service.removesuffix("api"))
    known = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in known:
        return f"aws {service} has no {operation}"
    shape = model.operation_model(known[operation]).input_shape
    members = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else {})}
    given = {option for option in options if option.startswith("--")}
    unknown = given - members - {"--query", "--output", "--region", "--profile"}
    return f"aws {service} {operation} has no {unknown}" if unknown else None


@pytest.fixture
def any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept files that do not exist: only the command is checked."""
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _param, _context: Path(value))


@pytest.mark.parametrize("block", blocks("console", "sh"), ids=str)
def test_programs_that_are_not_checked_are_listed(block: Block) -> None:
    ours = {"jitr", "make", "npx", "aws"}
    found = {command[0] for command in commands(block)} if block in SHELLS else set()

    assert found <= ours | OF_OTHERS.keys() | SHELL


@pytest.mark.usefixtures("any_file")
@pytest.mark.parametrize("block", SHELLS, ids=str)
def test_commands_are_correct(block: Block) -> None:
    found = [(" ".join(command), problem(command)) for command in commands(block)]

    assert [each for each in found if each[1]] == []


@pytest.mark.usefixtures("any_file")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("jitr lab op", "no such command: jitr op"),
        ("jitr pki ca", "Missing argument"),
        ("jitr connect chain.pem --keys x", "No such option"),
        ("make tests", "no such target"),
        ("npx cdk undeploy", "no such command of the CDK"),
        ("aws iot describe-endpoints", "aws iot has no describe-endpoints"),
        ("aws iot describe-endpoint --endpoint x", "has no {'--endpoint'}"),
    ],
)
def test_an_incorrect_command_is_found(command: str, said: str) -> None:
    assert said in str(problem(command.split()))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_in_sentences_exist(page: Path) -> None:
    named = [code.split() for code in inline_code(page) if re.match(r"(aws|jitr|make) [a-z]", code)]

    assert [" ".join(words) for words in named if not exists(words)] == []


def exists(words: list[str]) -> bool:
    """Whether the command and its options are there; arguments may be left out."""
    program, *rest = words
    if program != "jitr":
        return problem(words) is None
    command: click.Command = jitr
    while isinstance(command, click.Group) and rest and re.fullmatch(r"[a-z-]+", rest[0]):
        inner = command.get_command(click.Context(command), rest.pop(0))
        if inner is None:
            return False
        command = inner
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
    return {word for word in rest if word.startswith("--")} <= options


CAS = ("ca", "pki", ".jitr/lab/ca")
LOCAL = {("pki",), ("chain",), ("policy",), ("crl", "check")}
"""What needs neither AWS nor the local cloud."""


def runs_here(command: list[str]) -> bool:
    words = tuple(command[1:])
    return command[0] == "jitr" and any(words[: len(each)] == each for each in LOCAL)


@pytest.mark.parametrize(
    "page",
    [p for p in pages() if any(runs_here(c) for b in SHELLS if b.page == p for c in commands(b))],
    ids=name_of,
)
def test_commands_run_in_the_order_of_the_page(page: Path, folder: Path) -> None:
    """What `jitr lab up` and the reader's own work would leave for them lies there already."""
    runner = CliRunner()
    here = [c for block in SHELLS if block.page == page for c in commands(block) if runs_here(c)]
    (folder / "ca" / "ca.pem").unlink()
    beforehand = []
    for ca in (each for each in CAS if ["jitr", "pki", "ca", each] not in here):
        beforehand += [["jitr", "pki", "ca", ca]]
        beforehand += [["jitr", "pki", "device", ca, device] for device in ("my-device", "sensor-7")]

    for command in [*(each for each in beforehand if each not in here), *here]:
        result = runner.invoke(jitr, command[1:], catch_exceptions=False)

        assert result.exit_code == 0, (command, result.output)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_parses(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)
