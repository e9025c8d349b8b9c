"""`jitr doctor` as it is called."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.doctor import command as module
from iot_jitr_cli.doctor.command import doctor
from iot_jitr_cli.doctor.facts.case import Case, Subject
from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.keys import key_pem
from tests.support import doctor_case as dc
from tests.support.doctor_case import DiagnosedDevice
from tests.support.doctor_cloud import Cloud, configuration, stack


@pytest.fixture
def subjects(monkeypatch: pytest.MonkeyPatch) -> list[Subject]:
    """What the command made of its arguments; the device is always in."""
    seen: list[Subject] = []

    def open_case(_session: Any, stack_name: str, subject: Subject) -> Case:
        seen.append(subject)
        return DiagnosedDevice(status=None if stack_name == "empty" else "ACTIVE").case

    monkeypatch.setattr(module, "open_case", open_case)
    monkeypatch.setattr(module, "aws_session", lambda: None)
    return seen


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    chain, key = tmp_path / "chain.pem", tmp_path / "device.key"
    chain.write_text(dc.device().chain_pem)
    key.write_bytes(key_pem(dc.device().key))
    return chain, key


def run(*arguments: object) -> Result:
    return CliRunner().invoke(jitr, ["doctor", *map(str, arguments)])


def test_the_checklist_ends_with_one_cause(subjects: list[Subject], files: tuple[Path, Path]) -> None:
    chain, key = files

    result = run(chain, "--key", key)

    assert result.exit_code == 0, result.output
    assert result.output.startswith("✓  chain file")
    assert result.output.endswith("no problem was found: the device can connect  [already_fine]\n")
    assert subjects[0].certificate_id == dc.device().certificate.fingerprint


def test_a_cause_exits_1(subjects: list[Subject], files: tuple[Path, Path]) -> None:
    result = run(files[0], "--stack", "empty")

    assert result.exit_code == 1
    assert "[never_connected]" in result.output
    assert len(subjects) == 1


def test_json_is_one_document(subjects: list[Subject], files: tuple[Path, Path]) -> None:
    answer = json.loads(run(files[0], "--json").output)

    assert (answer["conclusion"], answer["certificate_id"]) == ("fine", subjects[0].certificate_id)


def test_what_the_caller_knows_reaches_the_checks(subjects: list[Subject], files: tuple[Path, Path]) -> None:
    run(
        files[0],
        "--endpoint",
        "abc-ats.iot.x.amazonaws.com:8883",
        "--no-sni",
        "--client-id",
        "me",
        "--device-time",
        "2026-01-31T12:00",
    )

    (subject,) = subjects
    assert subject.endpoint == "abc-ats.iot.x.amazonaws.com"
    assert subject.sends_sni is False
    assert subject.client_id == "me"
    assert subject.clock is not None
    assert subject.clock.isoformat() == "2026-01-31T12:00:00+00:00"


def test_an_id_is_enough(subjects: list[Subject]) -> None:
    run("--certificate-id", "a" * 64, "--device-time", "2026-01-31T12:00+01:00")

    (subject,) = subjects
    assert (subject.certificate_id, subject.presented) == ("a" * 64, None)
    assert subject.clock is not None
    assert subject.clock.utcoffset() is not None


def test_a_key_that_cannot_be_read_is_left_to_the_checklist(
    subjects: list[Subject], files: tuple[Path, Path]
) -> None:
    files[1].write_text("no key")

    run(files[0], "--key", files[1])

    assert subjects[0].presented is not None
    assert subjects[0].presented.key_file == b"no key"


def test_a_file_without_certificates_is_a_cause_and_needs_no_aws(tmp_path: Path) -> None:
    file = tmp_path / "chain.pem"
    file.write_text("nothing")

    result = run(file)

    assert result.exit_code == 1
    assert "[chain_unreadable]" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the device's chain file, or its certificate's id"),
        (["--certificate-id", "ABC"], "'ABC' is not a certificate id"),
        (
            ["--certificate-id", "a" * 64, "--endpoint", "https://abc-ats.iot.x.amazonaws.com"],
            "expected HOST or HOST:PORT",
        ),
        (["--certificate-id", "a" * 64, "--device-time", "noon"], "'noon' is not a time"),
    ],
)
@pytest.mark.usefixtures("subjects")
def test_wrong_use_is_one_line_and_exits_2(arguments: list[str], message: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_chain_and_id_together_are_wrong_use(subjects: list[Subject], files: tuple[Path, Path]) -> None:
    assert run(files[0], "--certificate-id", "a" * 64).exit_code == 2
    assert subjects == []


def test_the_iam_policy_is_printed_for_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    for _ in range(2):
        cloud.answers("cloudformation", "describe_stacks", stack())
    cloud.answers("lambda", "get_function_configuration", configuration(JITR_REVOCATION_BUCKET="indexes"))
    cloud.answers(
        "sts", "get_caller_identity", {"Account": dc.ACCOUNT, "ResponseMetadata": {"HTTPHeaders": {}}}
    )
    cloud.get_partition_for_region = lambda _region: "aws"  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "aws_session", lambda: cloud)

    result = run("--iam-policy", "--stack", "stack")

    assert result.exit_code == 0, result.output
    assert "arn:aws:s3:::indexes/*" in result.output
    assert json.loads(result.output)["Version"] == "2012-10-17"


def test_the_command_says_that_it_only_reads() -> None:
    assert doctor.help is not None
    assert "Reads only" in doctor.help
