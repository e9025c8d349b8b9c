"""`jitr policy check`: what it finds in a policy, and what the policy allows a device and its neighbour."""

import json
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_runtime.certificates import Certificate
from tests.support.command_line import CommandResult, run_jitr
from tests.support.device_certificates import device_certificate

ARN = "arn:aws:iot:eu-central-1:123456789012:"
CN = "${iot:Certificate.Subject.CommonName}"
TEMPLATES = Path("stacks/iot_jitr/policy/templates")


def run(*arguments: object) -> CommandResult:
    return run_jitr("policy", "check", *arguments)


def written(folder: Path, *statements: dict[str, Any]) -> Path:
    path = folder / "policy.json"
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))
    return path


def statement(action: str, resource: str, **more: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": f"{ARN}{resource}", **more}


def access(policy: Path, *arguments: object, whose: str | None = None) -> dict[tuple[str, str], str]:
    """Action and resource → access, for all evaluated resources or those of one owner."""
    found = run(policy, "--json", *arguments).json["access"]
    return {
        (each["action"].removeprefix("iot:"), each["resource"]): each["access"]
        for each in found
        if whose in {None, each["whose"]}
    }


def certificate_file(folder: Path, certificate: Certificate) -> Path:
    path = folder / "device.der"
    path.write_bytes(certificate.der)
    return path


@pytest.fixture
def templates(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / TEMPLATES


@pytest.mark.parametrize("name", ["shared", "per_device"])
def test_our_templates_allow_no_access_to_other_devices(templates: Path, name: str) -> None:
    result = run(templates / f"{name}.json")

    assert result.exit_code == 0
    assert f"a {name} policy that breaks no rule" in result.out
    assert "yes: no access to other devices" in result.out


@pytest.mark.parametrize("option", ["shadow", "jobs"])
def test_the_optional_templates_allow_only_the_thing_of_the_device(templates: Path, option: str) -> None:
    result = run(templates / f"{option}.json", "--thing", "sensor-7")
    own = access(templates / f"{option}.json", "--thing", "sensor-7", whose="own")

    assert result.exit_code == 0
    of_thing = [found for (_, name), found in own.items() if f"things/sensor-7/{option}/sample" in name]
    assert set(of_thing) == {"allowed"}


def test_the_certificate_gives_the_evaluated_names(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Publish", f"topic/f/{CN}/*"))
    certificate = certificate_file(tmp_path, device_certificate("pump-3"))

    result = run(policy, "--as", certificate, "--json")

    assert result.exit_code == 0
    assert result.json["device"] == {
        "client_id": "pump-3",
        "common_name": "pump-3",
        "serial_number": "a1b",
        "thing_name": None,
    }
    found = access(policy, "--as", certificate)
    assert found["Publish", "topic/f/pump-3/sample"] == "allowed"
    assert found["Publish", "topic/f/pump-32/sample"] == "not allowed"


def test_a_policy_without_common_name_is_evaluated_by_serial_number(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Connect", "client/{{serial_number}}"))
    certificate = certificate_file(tmp_path, device_certificate(organization="Acme"))

    found = access(policy, "--as", certificate)

    assert found["Connect", "client/a1b"] == "allowed"
    assert found["Connect", "client/a1b2"] == "not allowed"


HOLES = {
    "any client id": ("Connect", "client/*", "client/sample"),
    "the client id that a device chooses": ("Connect", "client/${iot:ClientId}", "client/sensor-72"),
    "a wildcard right after the name": (
        "Publish",
        f"topic/devices/{CN}*",
        "topic/devices/sensor-72/sample",
    ),
    "every topic": ("Receive", "topic/*", "topic/devices/sensor-72/sample"),
    "every filter": ("Subscribe", "topicfilter/*", "topicfilter/#"),
    "a filter over all devices": (
        "Subscribe",
        "topicfilter/devices/+/sample",
        "topicfilter/devices/+/sample",
    ),
    "every shadow": ("Publish", "topic/$aws/things/*", "topic/$aws/things/sensor-72/shadow/update"),
    "topics of another form": ("Publish", f"topic/f/{CN}*/up", "topic/f/sensor-72sample/up"),
}


@pytest.mark.parametrize(("action", "grant", "hole"), HOLES.values(), ids=HOLES)
def test_access_to_a_neighbour_is_shown(tmp_path: Path, action: str, grant: str, hole: str) -> None:
    policy = written(tmp_path, statement(f"iot:{action}", grant))

    assert access(policy, whose="neighbour")[action, hole] == "allowed"


def test_a_policy_bound_to_the_common_name_allows_no_access_to_a_neighbour(tmp_path: Path) -> None:
    grants = [
        ("Connect", "client/{}"),
        ("Publish", "topic/devices/{}/*"),
        ("Subscribe", "topicfilter/devices/{}/*"),
    ]
    policy = written(tmp_path, *(statement(f"iot:{action}", name.format(CN)) for action, name in grants))

    assert set(access(policy, whose="neighbour").values()) == {"not allowed"}
    assert {each for each, found in access(policy).items() if found == "allowed"} == {
        ("Connect", "client/sensor-7"),
        ("Publish", "topic/devices/sensor-7/sample"),
        ("Subscribe", "topicfilter/devices/sensor-7/#"),
        ("Subscribe", "topicfilter/devices/sensor-7/sample"),
    }


def test_a_resource_that_names_no_device_is_shown_as_shared_by_all(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Receive", "topic/broadcast"))

    assert access(policy, whose="everyone") == {("Receive", "topic/broadcast"): "allowed"}


def test_a_variable_of_a_thing_is_evaluated_only_for_a_device_with_a_thing(tmp_path: Path) -> None:
    policy = written(
        tmp_path, statement("iot:Publish", "topic/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*")
    )
    jobs = ("Publish", "topic/$aws/things/s7/jobs/sample")

    assert jobs not in access(policy)
    assert access(policy, "--thing", "s7")[jobs] == "allowed"


@pytest.mark.parametrize(
    ("changes", "resource", "evaluated"),
    [
        ({"Effect": "Deny"}, "topic/f/x", False),
        ({"Resource": "f-x"}, "topic/f-x", False),
        ({"Resource": f"{ARN}topic/a/${{*}}/?"}, "topic/a/*/x", True),
    ],
    ids=["a denial", "no ARN", "an escaped wildcard is an ordinary character"],
)
def test_each_allowed_resource_is_evaluated(
    tmp_path: Path, changes: dict[str, str], resource: str, *, evaluated: bool
) -> None:
    policy = written(tmp_path, statement("iot:Publish", "topic/f/x") | changes)

    assert (("Publish", resource) in access(policy)) is evaluated


def test_access_to_other_devices_is_found_with_its_line(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Publish", f"topic/devices/{CN}*"))

    result = run(policy)

    assert result.exit_code == 1
    assert "line 7:" in result.out
    assert "[reaches-neighbours]" in result.out
    assert "(2 of 8 checks)" in result.out


def test_an_acknowledged_exception_is_shown_with_its_reason_and_passes(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Connect", "client/*", acknowledge="gateways"))

    result = run(policy)

    assert result.exit_code == 0
    assert "acknowledged: gateways" in result.out
    assert "yes: its access to other devices is acknowledged" in result.out


def test_a_certificate_that_would_be_refused_is_reported_with_the_reason(tmp_path: Path) -> None:
    policy = written(tmp_path, statement("iot:Publish", f"topic/{CN}/*"))
    certificate = certificate_file(tmp_path, device_certificate("a/b"))

    result = run(policy, "--as", certificate)

    assert result.exit_code == 1
    assert "would be refused" in result.out
    assert "'/'" in result.out


def test_an_empty_common_name_is_refused_or_is_wrong_use_where_the_policy_does_not_need_it(
    tmp_path: Path,
) -> None:
    certificate = certificate_file(tmp_path, device_certificate(""))

    needed = run(written(tmp_path, statement("iot:Publish", f"topic/{CN}/*")), "--as", certificate)
    unused = run(
        written(tmp_path, statement("iot:Publish", "topic/{{serial_number}}/*")), "--as", certificate
    )

    assert needed.exit_code == 1
    assert "would be refused: the common name has 0 characters" in needed.out
    assert unused.exit_code == 2
    assert unused.err.startswith("error: --as: the common name of the certificate is empty")
    assert unused.err.count("\n") == 1


def test_an_empty_name_of_a_thing_is_wrong_use(templates: Path) -> None:
    answer = run(templates / "shadow.json", "--thing", "")

    assert answer.exit_code == 2
    assert "--thing: found an empty name" in answer.err


def test_text_that_is_not_a_policy_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"Version": "2012-10-17",\n "Statement": [\n}')

    result = run(path)
    as_json = run(path, "--json").json

    assert result.exit_code == 1
    assert "line 3: not JSON" in result.out
    assert as_json["syntax_error"]["line"] == 3
    assert as_json["ok"] is False


def test_an_unknown_placeholder_is_a_finding(tmp_path: Path) -> None:
    result = run(written(tmp_path, statement("iot:Publish", "topic/{{subject}}/x")))

    assert result.exit_code == 1
    assert "unknown placeholder '{{subject}}'" in result.out


def test_denied_and_undecided_access_are_distinguished(tmp_path: Path) -> None:
    policy = written(
        tmp_path,
        statement("iot:Publish", f"topic/devices/{CN}/*")
        | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        statement("iot:Receive", f"topic/devices/{CN}/*"),
        statement("iot:Receive", "topic/*") | {"Effect": "Deny", "Sid": "NoMail"},
    )

    result = run(policy)

    assert "(depends)" in result.out
    assert "NoMail (denied)" in result.out


def test_a_file_that_is_not_text_is_wrong_use(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_bytes(b"\xff\xfe\x00")

    result = run(path)

    assert result.exit_code == 2
    assert run(tmp_path / "missing.json").exit_code == 2
