"""`jitr doctor` as it is called: what it prints, and wrong use."""

import json

import pytest

from iot_jitr_cli.doctor.command import doctor
from tests.support import doctor_account as da
from tests.support.command_line import run_jitr
from tests.support.doctor_account import DENIED, DiagnosedDevice
from tests.unit.cli.doctor.test_causes import FINE, PENDING, UNSEEN


def test_the_checklist_ends_with_one_cause() -> None:
    result = FINE.run()

    assert result.exit_code == 0, result.err
    assert result.out.startswith("✓  chain file")
    assert result.out.endswith("no problem was found: the device can connect  [already_fine]\n")


def test_each_line_is_marked_and_a_fix_stands_below_its_line() -> None:
    result = UNSEEN.answering(dynamodb_GetItem=DENIED).run()

    assert "✓  validity " in result.out
    assert "·  endpoint " in result.out
    assert "?  decision.common_name" not in result.out
    assert "?  common name " in result.out
    assert "the permission dynamodb:GetItem is missing" in result.out
    assert "✗  certificate registered in AWS IoT " in result.out
    assert "\n   → let the device connect" in result.out


def test_the_conclusion_is_one_cause_with_its_name_and_what_to_do() -> None:
    result = UNSEEN.run()

    *_, cause, fix = result.out.splitlines()
    assert result.exit_code == 1
    assert cause == "the device has never connected to this account and region  [never_connected]"
    assert fix.startswith("→ let the device connect")


def test_an_undetermined_conclusion_names_its_best_guess_and_the_missing_permissions() -> None:
    result = UNSEEN.answering(iot_ListCACertificates=DENIED).run()

    *_, guess, fix, missing = result.out.splitlines()
    assert result.exit_code == 3
    assert guess.startswith("undetermined")
    assert guess.endswith(
        "the most likely cause is: the device has never connected to this account and region"
    )
    assert fix.startswith("→ ")
    assert missing == "missing permissions: iot:ListCACertificates (jitr doctor --iam-policy)"


def test_json_is_one_document_about_the_device() -> None:
    document = PENDING.ask().document

    assert list(document) == [
        "certificate_id",
        "conclusion",
        "cause",
        "headline",
        "fix",
        "phase",
        "missing_permissions",
        "checks",
    ]
    assert document["certificate_id"] == da.device().certificate.fingerprint
    assert document["phase"] == "pending"
    assert list(document["checks"][0]) == ["id", "title", "status", "evidence", "cause", "fix", "permission"]


def test_a_file_without_certificates_is_a_cause_and_needs_no_aws() -> None:
    device = FINE.but(chain="nothing")

    document = device.ask().document

    assert (document["certificate_id"], document["cause"]) == (None, "chain_unreadable")
    assert [check["id"] for check in document["checks"]] == ["chain.readable"]
    assert device.calls == []


def test_a_device_time_without_a_zone_is_utc() -> None:
    for zone, off in (("", "0 seconds"), ("Z", "0 seconds"), ("+01:00", "60 minutes")):
        device = FINE.but(arguments=("--device-time", f"{da.NOW:%Y-%m-%dT%H:%M:%S}{zone}"))
        assert device.ask().check("device.clock")["evidence"] == f"{off} off"


def test_the_clients_id_can_be_given() -> None:
    asked: list[str] = []
    device = FINE.but(arguments=("--client-id", "me")).answering(
        iot_TestAuthorization=lambda parameters: (
            asked.append(parameters["clientId"]) or {"authResults": [{"authDecision": "ALLOWED"}]}
        )
    )

    assert "'me'" in device.ask().check("policy.client_id")["evidence"]
    assert asked == ["me"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the device's chain file, or its certificate's id"),
        (["--certificate-id", "ABC"], "'ABC' is not a certificate id"),
        (["--certificate-id", "a" * 64, "--all"], "or --all"),
        (
            ["--certificate-id", "a" * 64, "--endpoint", "https://abc-ats.iot.x.amazonaws.com"],
            "expected HOST or HOST:PORT",
        ),
        (["--certificate-id", "a" * 64, "--device-time", "noon"], "found 'noon', expected an ISO 8601 time"),
    ],
)
def test_wrong_use_is_one_line_and_exits_2(arguments: list[str], message: str) -> None:
    result = run_jitr("doctor", *arguments)

    assert result.exit_code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_chain_and_id_together_are_wrong_use() -> None:
    device = FINE.but(arguments=("--certificate-id", "a" * 64))

    assert device.run().exit_code == 2
    assert device.calls == []


def test_the_iam_policy_is_printed_for_the_deployment() -> None:
    result = DiagnosedDevice().run("--iam-policy")

    assert result.exit_code == 0, result.err
    assert "arn:aws:s3:::indexes/*" in result.out
    assert json.loads(result.out)["Version"] == "2012-10-17"


def test_the_command_says_that_it_only_reads() -> None:
    assert doctor.help is not None
    assert "Reads only" in doctor.help
