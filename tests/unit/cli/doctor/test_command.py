"""The command `jitr doctor`: its output, and wrong use."""

import pytest

from tests.support import doctor_account as da
from tests.support.command_line import run_jitr
from tests.support.sdk_session import DENIED
from tests.unit.cli.doctor.test_causes import FINE, PENDING, UNSEEN


def test_the_checklist_marks_each_line_with_its_fix_below_and_ends_with_one_cause() -> None:
    result = UNSEEN.responding(dynamodb_GetItem=DENIED).run()

    assert result.out.startswith("✓  chain file")
    assert "·  endpoint " in result.out
    assert "?  common name " in result.out
    assert "the permission dynamodb:GetItem is missing" in result.out
    assert "✗  certificate registered in AWS IoT " in result.out
    assert "\n   → let the device connect" in result.out
    *_, cause, fix, _ = result.out.splitlines()
    assert cause == "the device has never connected to this account and region  [never_connected]"
    assert fix.startswith("→ let the device connect")


def test_a_device_without_a_problem_can_connect() -> None:
    assert FINE.run().out.endswith("no problem was found: the device can connect  [already_fine]\n")


def test_an_undetermined_result_names_the_likely_cause_and_missing_permissions() -> None:
    result = UNSEEN.responding(iot_ListCACertificates=DENIED).run()

    *_, guess, fix, missing = result.out.splitlines()
    assert result.exit_code == 3
    assert guess.startswith("undetermined")
    assert guess.endswith(
        "the most likely cause is: the device has never connected to this account and region"
    )
    assert fix.startswith("→ ")
    assert missing == "missing permissions: iot:ListCACertificates (jitr doctor --iam-policy)"


def test_json_is_one_document_about_the_device() -> None:
    document = PENDING.diagnose().json

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

    document = device.diagnose().json

    assert (document["certificate_id"], document["cause"]) == (None, "chain_unreadable")
    assert [check["id"] for check in document["checks"]] == ["chain.readable"]
    assert device.calls == []


def test_a_device_time_without_a_zone_is_utc() -> None:
    for zone, off in (("", "0 s"), ("Z", "0 s"), ("+01:00", "1 h")):
        device = FINE.but(arguments=("--device-time", f"{da.NOW:%Y-%m-%dT%H:%M:%S}{zone}"))
        assert device.diagnose().check("device.clock")["evidence"] == f"{off} off"


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
