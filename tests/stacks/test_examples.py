"""Each app in `examples/` synthesizes the resources that it is an example of."""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.examples import EXAMPLES, WITHOUT_BUNDLING, lay_out, synthesize, templates
from tests.support.stacks import as_list, joined, named, of_type, only, statements

APPS = {path.parent.name for path in EXAMPLES.glob("*/app.py")}
CAS = "Custom::JitrCaCertificate"
Templates = dict[str, dict[str, Any]]


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Templates:
    """The templates of the example that the test names."""
    folder = lay_out(request.param, tmp_path)
    context = json.loads((folder / "cdk.json").read_text())["context"]
    return templates(synthesize(folder, context={**context, **WITHOUT_BUNDLING}))


def shows(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


def test_each_example_is_tested_here_and_named_in_their_readme() -> None:
    page = (EXAMPLES / "README.md").read_text()

    marks = [mark for test in _tests() for mark in getattr(test, "pytestmark", [])]
    shown = {mark.args[1][0] for mark in marks if mark.args[0] == "example"}
    assert shown == APPS
    assert all(f"]({name}/app.py)" in page for name in APPS)


@pytest.mark.parametrize("name", sorted(APPS))
def test_the_cdk_command_line_finds_the_app(name: str) -> None:
    assert json.loads((EXAMPLES / name / "cdk.json").read_text())["app"] == "python3 app.py"


@shows("minimal")
def test_minimal_is_one_stack_with_one_ca(example: Templates) -> None:
    assert list(example) == ["Factory"]
    ca = only(example["Factory"], CAS)["Properties"]
    assert ca["Signer"] == {"Kind": "secret", "secret_id": "iot-jitr/factory-ca-key"}


@shows("rotation")
def test_only_the_new_ca_registers_devices(example: Templates) -> None:
    _, old = named(example["Factory"], CAS, "Old")
    _, new = named(example["Factory"], CAS, "New")

    assert (old["Properties"]["AutoRegistration"], old["Properties"]["OnDelete"]) == ("DISABLE", "deactivate")
    assert new["Properties"]["AutoRegistration"] == "ENABLE"
    assert len(of_type(example["Factory"], "AWS::IoT::TopicRule")) == 2
    assert {"OldNotAfter", "NewNotAfter"} <= set(example["Factory"]["Outputs"])


@shows("regions")
def test_each_account_and_region_has_a_stack_of_its_own_with_the_same_ca(example: Templates) -> None:
    cas = [only(template, CAS)["Properties"] for template in example.values()]

    assert len(example) == 3
    assert {ca["Mode"] for ca in cas} == {"SNI_ONLY"}
    assert len({ca["CaCertificatePem"] for ca in cas}) == 1


@shows("private_ca")
def test_the_private_ca_is_active_before_it_signs_with_one_template_only(
    example: Templates,
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
def test_the_activator_may_invoke_the_admission_function_only(example: Templates) -> None:
    name, function = named(example["Factory"], "AWS::Lambda::Function", "Expected")
    (invoke,) = (
        s for s in statements(example["Factory"], "Activator") if s["Action"] == "lambda:InvokeFunction"
    )

    assert invoke["Resource"] == {"Fn::GetAtt": [name, "Arn"]}
    assert function["Properties"]["Handler"] == "expected.handle"


@shows("asset_database")
def test_outcomes_are_written_to_a_table_of_another_stack(example: Templates) -> None:
    assert list(example) == ["Assets", "Factory"]
    rule = only(example["Assets"], "AWS::Events::Rule")["Properties"]

    assert rule["EventPattern"]["source"] == ["iot-jitr"]
    assert rule["EventPattern"]["detail"]["pipeline"] == ["Factory/Jitr"]
    assert "activated" in rule["EventPattern"]["detail"]["outcome"]
    assert rule["Targets"][0]["DeadLetterConfig"]
    assert (
        of_type(example["Factory"], "AWS::DynamoDB::Table")
        .keys()
        .isdisjoint(of_type(example["Assets"], "AWS::DynamoDB::Table"))
    )


@shows("refusal_webhook")
def test_refusals_are_posted_to_a_webhook(example: Templates) -> None:
    _, rule = named(example["Factory"], "AWS::Events::Rule", "Refused")
    pattern = rule["Properties"]["EventPattern"]

    assert pattern["detail-type"] == ["Certificate Refused"]
    assert pattern["detail"]["reason"] == ["not_listed", "bad_signature", "expired"]
    assert "iot-jitr/webhook" in str(example["Factory"])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Moto, and the environment of an example's function in it."""
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE": "assets",
        "WEBHOOK_SECRET": "iot-jitr/webhook",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_the_asset_database_keeps_the_latest_of_repeated_and_late_outcomes() -> None:
    module = _loaded("asset_database", "record")
    module.table.meta.client.create_table(
        TableName="assets",
        KeySchema=[{"AttributeName": "commonName", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "commonName", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    for outcome, minute in (("activated", 1), ("revoked", 3), ("activated", 1), ("released", 2)):
        decided_at = f"2026-11-26T20:0{minute}:00.000Z"
        detail = {"commonName": "pump-7", "outcome": outcome, "decidedAt": decided_at}
        module.handle({"detail": detail}, None)

    item = module.table.get_item(Key={"commonName": "pump-7"})["Item"]
    assert item == {"commonName": "pump-7", "outcome": "revoked", "decidedAt": "2026-11-26T20:03:00.000Z"}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"commonName": "pump-7"}, "pump-7 was refused: not_listed (certificate abababababab)"),
        ({}, "a device without a common name was refused: not_listed (certificate abababababab)"),
    ],
    ids=["with a name", "without"],
)
def test_the_webhook_posts_one_line(
    monkeypatch: pytest.MonkeyPatch, name: dict[str, str], expected: str
) -> None:
    posted: list[Any] = []
    module = _loaded("refusal_webhook", "notify")
    monkeypatch.setattr(
        module.urllib.request, "urlopen", lambda request, **_: posted.append(request) or nullcontext()
    )
    boto3.client("secretsmanager").create_secret(Name="iot-jitr/webhook", SecretString="https://hook")

    module.handle({"detail": {"reason": "not_listed", "certificateId": "ab" * 32, **name}}, None)

    [request] = posted
    assert (request.full_url, request.get_method()) == ("https://hook", "POST")
    assert json.loads(request.data) == {"text": expected}


@shows("two_cas")
def test_only_the_two_imported_keys_may_be_used(example: Templates) -> None:
    found = {
        action: each["Resource"]
        for each in statements(example["Factory"], "CaRegistrationOnEvent")
        for action in as_list(each["Action"])
        if action.startswith(("kms:", "secretsmanager:"))
    }

    assert found["secretsmanager:GetSecretValue"].endswith(":secret:factory-ca-key-AbCdEf")
    assert found["kms:Decrypt"].endswith("key/6f1b0c1e-5d7a-4a52-9d5e-0a1b2c3d4e5f")
    assert found["kms:Sign"] == found["kms:GetPublicKey"]
    assert found["kms:Sign"].endswith("key/0a1b2c3d-4e5f-4a52-9d5e-6f1b0c1e5d7a")


@shows("vpc")
def test_each_region_runs_its_functions_in_its_vpc_with_one_security_group(example: Templates) -> None:
    assert len(example) == 2
    for template in example.values():
        functions = [
            each["Properties"]
            for name, each in of_type(template, "AWS::Lambda::Function").items()
            if name.startswith("Jitr")
        ]
        groups = [each["VpcConfig"]["SecurityGroupIds"] for each in functions]
        assert all(each == groups[0] for each in groups)
        assert {json.dumps(each["KmsKeyArn"]) for each in functions} == {
            json.dumps({"Fn::GetAtt": [named(template, "AWS::KMS::Key", "Key")[0], "Arn"]})
        }


@shows("other_team")
def test_another_team_receives_refusals_reads_the_ledger_and_shows_metrics(example: Templates) -> None:
    reads = {
        action
        for each in statements(example["Reports"], "FunctionServiceRole")
        for action in as_list(each["Action"])
    }
    body = only(example["Overview"], "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    (graph,) = json.loads(joined(body))["widgets"]
    shown = graph["properties"]["metrics"]

    rule = only(example["Reports"], "AWS::Events::Rule")["Properties"]

    assert rule["EventPattern"]["detail-type"] == ["Certificate Refused"]
    assert rule["EventPattern"]["detail"] == {"pipeline": ["Fleet/Jitr"]}
    permission = only(example["Reports"], "AWS::Lambda::Permission")["Properties"]
    assert permission["Principal"] == "events.amazonaws.com"
    assert {"dynamodb:GetItem", "dynamodb:Query"} <= reads
    assert not [each for each in reads if not each.startswith("dynamodb:")]
    assert [each[1] for each in shown] == ["Activated", "Refused", "Decisions"]
    assert {each[-1]["region"] for each in shown} == {"eu-central-1"}
    assert len(of_type(example["Fleet"], "AWS::CloudWatch::CompositeAlarm")) == 1


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
def test_the_activator_can_read_the_functions_answer(names: list[str], answer: dict[str, Any]) -> None:
    from iot_jitr_runtime.admission.function import read_answer
    from iot_jitr_runtime.outcomes import RefusedError

    module = _loaded("admission_function", "expected")

    answered = module.handle({"commonNames": names}, None)

    assert answered == answer
    with nullcontext() if answer["decision"] == "admit" else pytest.raises(RefusedError):
        read_answer(json.dumps(answered).encode())


def _loaded(example: str, name: str) -> Any:
    """The module of an example's function."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / example / "function" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tests() -> list[Any]:
    return [value for name, value in globals().items() if name.startswith("test_")]
