import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.main import jitr
from iot_jitr_runtime.certificates import Certificate
from tests.support.device_certificates import device_certificate

ARN = "arn:aws:iot:eu-central-1:123456789012:"
CN = "${iot:Certificate.Subject.CommonName}"
TEMPLATES = Path("stacks/iot_jitr/policy/templates")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(jitr, ["policy", "check", *map(str, arguments)])


def written(folder: Path, *statements: dict[str, Any]) -> Path:
    path = folder / "policy.json"
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))
    return path


def statement(action: str, resource: str, **more: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": f"{ARN}{resource}", **more}


def certificate_file(folder: Path, certificate: Certificate) -> Path:
    path = folder / "device.der"
    path.write_bytes(certificate.der)
    return path


@pytest.fixture
def templates(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / TEMPLATES


@pytest.mark.parametrize("name", ["shared", "per_device"])
def test_our_own_templates_let_a_device_use_its_topics_and_nothing_of_its_neighbours(
    templates: Path, name: str
) -> None:
    result = run(templates / f"{name}.json")

    assert result.exit_code == 0
    assert f"a {name} policy that breaks no rule" in result.output
    assert "yes: no access to other devices" in result.output


@pytest.mark.parametrize("option", ["shadow", "jobs"])
def test_the_options_reach_the_devices_own_thing_only(templates: Path, option: str) -> None:
    result = run(templates / f"{option}.json", "--thing", "sensor-7", "--json")

    answer = json.loads(result.output)
    assert result.exit_code == 0
    own = [each for each in answer["access"] if f"things/sensor-7/{option}/sample" in each["resource"]]
    assert {each["access"] for each in own} == {"allowed"}


def test_the_certificate_gives_the_evaluated_names(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Publish", f"topic/f/{CN}/*"))
    certificate = certificate_file(tmp_path, device_certificate("pump-3"))

    result = run(policy, "--as", certificate, "--json")

    answer = json.loads(result.output)
    assert result.exit_code == 0
    assert answer["device"] == {"common_name": "pump-3", "serial_number": "a1b", "thing_name": None}
    access = {each["resource"]: each["access"] for each in answer["access"]}
    assert access["topic/f/pump-3/sample"] == "allowed"
    assert access["topic/f/pump-32/sample"] == "not allowed"


def test_a_policy_without_common_name_is_evaluated_by_serial_number(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Connect", "client/{{serial_number}}"))
    certificate = certificate_file(tmp_path, device_certificate(organization="Acme"))

    answer = json.loads(run(policy, "--as", certificate, "--json").output)

    access = {
        each["resource"]: each["access"] for each in answer["access"] if each["action"] == "iot:Connect"
    }
    assert access == {"client/a1b": "allowed", "client/a1b2": "not allowed"}


def test_access_to_other_devices_is_found_with_its_line(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Publish", f"topic/devices/{CN}*"))

    result = run(policy)

    assert result.exit_code == 1
    assert "line 7:" in result.output
    assert "[reaches-neighbours]" in result.output
    assert "(2 of 8 checks)" in result.output


def test_an_acknowledged_exception_is_shown_with_its_reason_and_passes(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Connect", "client/*", acknowledge="gateways"))

    result = run(policy)

    assert result.exit_code == 0
    assert "acknowledged: gateways" in result.output
    assert "yes: its access to other devices is acknowledged" in result.output


def test_a_certificate_that_would_be_refused_says_so(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Publish", f"topic/{CN}/*"))
    certificate = certificate_file(tmp_path, device_certificate("a/b"))

    result = run(policy, "--as", certificate)

    assert result.exit_code == 1
    assert "would be refused" in result.output
    assert "'/'" in result.output


def test_what_is_no_policy_is_answered_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"Version": "2012-10-17",\n "Statement": [\n}')

    result = run(path)
    as_json = json.loads(run(path, "--json").output)

    assert result.exit_code == 1
    assert "line 3: not JSON" in result.output
    assert as_json["syntax_error"]["line"] == 3
    assert as_json["ok"] is False


def test_an_unknown_placeholder_is_a_finding_not_a_crash(tmp_path: Path) -> None:
    result = run(written(tmp_path, statement("iot:Publish", "topic/{{subject}}/x")))

    assert result.exit_code == 1
    assert "unknown placeholder '{{subject}}'" in result.output


def test_denied_and_undecided_access_are_distinguished(tmp_path: Path) -> None:
    policy = written(
        tmp_path,
        statement("iot:Publish", f"topic/devices/{CN}/*")
        | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        statement("iot:Receive", f"topic/devices/{CN}/*"),
        statement("iot:Receive", "topic/*") | {"Effect": "Deny", "Sid": "NoMail"},
    )

    result = run(policy)

    assert "(depends)" in result.output
    assert "NoMail (denied)" in result.output


def test_a_file_that_is_no_text_is_wrong_use(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(b"\xff\xfe\x00")

    result = run(path)

    assert result.exit_code == 2
    assert run(tmp_path / "missing.json").exit_code == 2
