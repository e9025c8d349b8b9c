"""The apps in `examples/` synthesize, and show what they say that they show."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import EXAMPLES, WITHOUT_BUNDLING, lay_out, synthesize, templates
from tests.support.stacks import named, of_type, only, statements

APPS = {path.parent.name for path in EXAMPLES.glob("*/app.py")}
CAS = "Custom::JitrCaCertificate"


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The templates of the example that the test names."""
    folder = lay_out(request.param, tmp_path)
    context = json.loads((folder / "cdk.json").read_text())["context"]
    return templates(synthesize(folder, context={**context, **WITHOUT_BUNDLING}))


def shows(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


def test_each_example_is_shown_here_and_in_their_readme() -> None:
    page = (EXAMPLES / "README.md").read_text()

    marks = [mark for test in _tests() for mark in getattr(test, "pytestmark", [])]
    shown = {mark.args[1][0] for mark in marks if mark.args[0] == "example"}
    assert shown == APPS
    assert all(f"]({name}/app.py)" in page for name in APPS)


@pytest.mark.parametrize("name", sorted(APPS))
def test_the_cdk_command_line_finds_the_app(name: str) -> None:
    assert json.loads((EXAMPLES / name / "cdk.json").read_text())["app"] == "python3 app.py"


@shows("minimal")
def test_minimal_is_one_stack_with_one_ca(example: dict[str, dict[str, Any]]) -> None:
    assert list(example) == ["Factory"]
    ca = only(example["Factory"], CAS)["Properties"]
    assert ca["Signer"] == {"Kind": "secret", "secret_id": "iot-jitr/factory-ca-key"}


@shows("rotation")
def test_the_old_ca_registers_nobody_any_more_and_the_new_one_does(
    example: dict[str, dict[str, Any]],
) -> None:
    _, old = named(example["Factory"], CAS, "Old")
    _, new = named(example["Factory"], CAS, "New")

    assert (old["Properties"]["AutoRegistration"], old["Properties"]["OnDelete"]) == ("DISABLE", "deactivate")
    assert new["Properties"]["AutoRegistration"] == "ENABLE"
    assert len(of_type(example["Factory"], "AWS::IoT::TopicRule")) == 2
    assert {"OldNotAfter", "NewNotAfter"} <= set(example["Factory"]["Outputs"])


@shows("regions")
def test_each_account_and_region_has_a_stack_of_its_own_with_the_same_ca(
    example: dict[str, dict[str, Any]],
) -> None:
    cas = [only(template, CAS)["Properties"] for template in example.values()]

    assert len(example) == 3
    assert {ca["Mode"] for ca in cas} == {"SNI_ONLY"}
    assert len({ca["CaCertificatePem"] for ca in cas}) == 1


@shows("private_ca")
def test_the_private_ca_is_active_before_it_is_asked_and_signs_with_one_template_only(
    example: dict[str, dict[str, Any]],
) -> None:
    template = example["Factory"]
    authority = {"Fn::GetAtt": ["Authority", "Arn"]}
    ca = only(template, CAS)
    (issue,) = (
        s for s in statements(template, "CaRegistrationOnEvent") if s["Action"] == "acm-pca:IssueCertificate"
    )

    assert ca["Properties"]["Signer"] == {"Kind": "acm-pca", "certificate_authority_arn": authority}
    assert "CaCertificatePem" not in ca["Properties"]
    assert "Activation" in ca["DependsOn"]
    assert issue["Resource"] == authority
    assert issue["Condition"]["StringEquals"]["acm-pca:TemplateArn"] == {
        "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":acm-pca:::template/EndEntityCertificate/V1"]]
    }


@shows("admission_function")
def test_the_activator_may_ask_the_function_and_nobody_else(example: dict[str, dict[str, Any]]) -> None:
    name, function = named(example["Factory"], "AWS::Lambda::Function", "Expected")
    (ask,) = (
        s for s in statements(example["Factory"], "Activator") if s["Action"] == "lambda:InvokeFunction"
    )

    assert ask["Resource"] == {"Fn::GetAtt": [name, "Arn"]}
    assert function["Properties"]["Handler"] == "expected.handle"


@pytest.mark.parametrize(
    ("names", "answer"),
    [
        (
            ["pump-2026-000123"],
            {"decision": "admit", "thingAttributes": {"model": "pump", "year": "2026"}},
        ),
        (["pump"], {"decision": "refuse", "reason": "the common name is none of our serial numbers"}),
        ([], {"decision": "refuse", "reason": "the common name is none of our serial numbers"}),
        (
            ["pump-2026-000123", "x"],
            {"decision": "refuse", "reason": "the common name is none of our serial numbers"},
        ),
    ],
    ids=["ours", "not ours", "no name", "two names"],
)
def test_the_admission_function_answers_as_it_is_read(names: list[str], answer: dict[str, Any]) -> None:
    from iot_jitr_runtime.admission.facts import read_answer

    path = EXAMPLES / "admission_function" / "function" / "expected.py"
    spec = importlib.util.spec_from_file_location("expected", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    answered = module.handle({"commonNames": names}, None)

    assert answered == answer
    assert read_answer(json.dumps(answered).encode()).admitted is (answer["decision"] == "admit")


def _tests() -> list[Any]:
    return [value for name, value in globals().items() if name.startswith("test_")]
