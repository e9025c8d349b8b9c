"""docs/policy.md, things.md and admission.md say what the code does."""

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_policy.document import PolicyDocument
from iot_jitr_policy.lint import NOT_ACKNOWLEDGEABLE, Rule, lint
from iot_jitr_runtime.activator.on_refusal import CAN_PASS, RefusalStatus, check_statuses
from iot_jitr_runtime.admission.function import facts, read_answer
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.certificate_fields import Field
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.policy import PolicyKind
from tests.support.device_certificates import device_certificate

DOCS = Path(__file__).parents[3] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def first_column(text: str) -> list[str]:
    """The names in backquotes in the first column of the tables."""
    cells = re.findall(r"^\| ([^|]+) \|", text, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def json_blocks(name: str) -> list[Any]:
    blocks = re.findall(r"```json\n(.*?)```", page(name), flags=re.DOTALL)
    return [json.loads(block) for block in blocks if block.count("\n{") == 0]


def test_every_rule_is_described_and_no_other() -> None:
    section = page("policy").split("## The rules")[1].split("\n## ")[0]

    assert sorted(first_column(section)) == sorted(rule.value for rule in Rule)
    assert all(f"`{rule}`" in section.split("cannot be excused")[0] for rule in NOT_ACKNOWLEDGEABLE)


def test_the_acknowledged_policy_on_the_page_passes_with_its_acknowledgement_only() -> None:
    statement = next(block for block in json_blocks("policy") if "acknowledge" in block)
    document = {"Version": "2012-10-17", "Statement": [statement]}

    [finding] = lint(PolicyDocument.parse(json.dumps(document)), PolicyKind.SHARED)

    assert finding.acknowledged == statement["acknowledge"]


def test_every_field_is_described_and_no_other() -> None:
    section = page("things").split("| field |")[1].split("\n\n")[0]

    assert sorted(first_column(section)) == sorted(field.value for field in Field)


def test_every_kind_of_key_is_described_and_no_other() -> None:
    section = page("admission").split("| `key` |")[1].split("\n\n")[0]

    assert sorted(first_column(section)) == sorted(kind.value for kind in KeyKind)


def test_the_request_on_the_page_is_the_request_of_the_function() -> None:
    described = next(block for block in json_blocks("admission") if "certificatePem" in block)
    device = DeviceCertificate(
        CertificateId("a" * 64), "arn", CaCertificateId("c" * 64), device_certificate("sensor-7")
    )

    assert described.keys() == facts(device).keys()


@pytest.mark.parametrize("answer", ["admit", "refuse"])
def test_the_answers_on_the_page_are_valid(answer: str) -> None:
    (line,) = re.findall(rf'^{{ "decision": "{answer}".*$', page("admission"), flags=re.MULTILINE)

    with nullcontext() if answer == "admit" else pytest.raises(RefusedError):
        read_answer(line.encode())


def test_the_refused_names_on_the_page_are_refused() -> None:
    text = page("admission").split("## What becomes of the refused")[1]
    example = next(block for block in json_blocks("admission") if "on_refusal" in block)

    assert check_statuses(example["on_refusal"])
    assert first_column(text) == [status.value for status in RefusalStatus]
    assert all(f"`{reason}`" in text for reason in CAN_PASS)
