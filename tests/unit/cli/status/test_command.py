"""`jitr status` in a described account: what is read of each part, what it prints, how it exits."""

import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.response import StreamingBody
from rich.console import Console

from iot_jitr_cli.status import command
from tests.support import doctor_account as da
from tests.support.crls import KEY_COMPROMISE, CrlSpec, Entry
from tests.support.doctor_account import NOW, DiagnosedDevice, ledger_row
from tests.support.sdk_session import DENIED, GONE, Refusal

pytestmark = pytest.mark.timing
HEALTHY = DiagnosedDevice()


def status(account: DiagnosedDevice, *arguments: object) -> dict[str, Any]:
    """What `jitr status --json` prints."""
    result = account.jitr("status", "--stack", "stack", "--json", *arguments)
    assert result.out, result.err
    return dict(result.json)


# each part


def test_queues_are_counted_with_the_age_of_the_oldest_message() -> None:
    account = HEALTHY.but(
        waiting=4, dead_letters=[{}, {}, {}], figures={"ApproximateAgeOfOldestMessage": 9.0}
    )

    assert status(account)["queues"] == {
        "waiting": 4,
        "in_flight": 0,
        "delayed": 0,
        "oldest_seconds": 9.0,
        "dead_letters": 3,
    }
    assert status(HEALTHY)["queues"]["oldest_seconds"] is None
    assert status(account.responding(cloudwatch_GetMetricData=DENIED))["queues"]["oldest_seconds"] is None


def test_a_ca_is_shown_with_its_devices_in_service() -> None:
    (ca,) = status(HEALTHY.but(devices=42, ca={"autoRegistrationStatus": "DISABLE"}))["cas"]

    certificate = da.ca().certificate
    assert ca == {
        "name": "Factory",
        "certificate_id": da.CA_ID,
        "status": "ACTIVE",
        "auto_registration": "DISABLE",
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "devices": 42,
    }


def test_crls_are_read_from_the_revocation_index() -> None:
    entries = [Entry(number, KEY_COMPROMISE) for number in range(1, 4)]
    account = HEALTHY.but(has_crl=True, crl=CrlSpec(entries, this_update=NOW, number=7))

    (crl,) = status(account)["crls"]

    assert (crl["ca"], crl["number"], crl["entries"]) == ("Factory", 7, 3)
    assert crl["this_update"] == NOW.isoformat()
    assert status(HEALTHY)["crls"] == []
    assert status(account.responding(lambda_GetFunctionConfiguration=GONE))["crls"] == []


def test_only_active_alarms_of_this_stack_are_shown() -> None:
    alarms = [
        {"AlarmName": "stack-DeadLetters0A1B-1X2Y", "AlarmDescription": "Dead letters"},
        {"AlarmName": "stack-Refused0A1B-1X2Y"},
        {"AlarmName": "stack-two-DeadLetters0A1B-1X2Y"},
        {"AlarmName": "stack-mine"},
    ]

    assert status(HEALTHY.but(alarms=alarms))["alarms"] == ["Dead letters", "stack-Refused0A1B-1X2Y"]


def test_the_last_error_is_shown_by_its_log_group() -> None:
    account = HEALTHY.but(log=((1, "[ERROR] x"),), outputs={"SweepLogGroup": "/log/sweep"})

    document = status(account)

    assert document["log_groups"] == ["/log/activator", "/log/sweep"]
    assert document["errors"] == {"/log/activator": "[ERROR] x", "/log/sweep": "[ERROR] x"}
    assert status(HEALTHY)["errors"] == {}


def test_decisions_are_counted_by_outcome_and_reason_and_the_rate_is_that_of_five_minutes() -> None:
    account = HEALTHY.but(figures={"Activated": 600.0, "Refused": 3.0, "expired": 3.0, "revoked": 0.0})

    assert status(account)["decisions"] == {
        "hours": 24,
        "outcomes": {"Activated": 600, "Refused": 3},
        "reasons": {"expired": 3},
        "activated_per_second": 2.0,
    }
    quiet = status(HEALTHY)["decisions"]
    assert (quiet["outcomes"], quiet["reasons"], quiet["activated_per_second"]) == ({}, {}, 0)


@pytest.mark.parametrize(
    ("account", "quota"),
    [
        (HEALTHY, 10.0),
        (HEALTHY.but(environment={"JITR_ACTIVATIONS_PER_SECOND": ""}), None),
        (HEALTHY.responding(lambda_GetFunctionConfiguration=GONE), None),
        (HEALTHY.responding(lambda_GetFunctionConfiguration=DENIED), None),
    ],
)
def test_the_rate_is_read_from_the_activator(account: DiagnosedDevice, quota: float | None) -> None:
    assert status(account)["quota_per_second"] == quota


def test_the_ledger_is_read_up_to_a_limit_and_marked_incomplete() -> None:
    activated = [ledger_row(n, state="activated") for n in range(1000)]
    refused = [ledger_row(n, state="refused", reason="expired") for n in range(1000, 1600)]
    account = HEALTHY.but(fleet=[*activated, *refused])

    found = status(account, "--rows", 1500)["ledger"]

    assert found["states"] == {"activated": 1000, "refused: expired": 500}
    assert (found["rows"], found["complete"]) == (1500, False)
    assert status(account)["ledger"]["complete"] is True
    assert status(account, "--rows", 0)["ledger"]["rows"] == 0


def test_certificates_are_counted_by_ca_and_group_and_other_items_are_not() -> None:
    account = HEALTHY.but(
        fleet=[
            {"certificateId": {"S": "#fleet#ca#0"}, "devices": {"N": "3"}},
            {"certificateId": {"S": "#task"}, "state": {"S": "failed"}},
            ledger_row(0, leaseExpiresAt=5),
            ledger_row(1, state="activated", inFleet=True, caCertificateId="a", reason="expired"),
            ledger_row(2, state="known", inFleet=True, caCertificateId="a"),
            ledger_row(3, state="deferred", reason="crl_stale", caCertificateId="a"),
            ledger_row(4, state="suspended", caCertificateId="b"),
            ledger_row(5, state="activated", caCertificateId="b"),
            ledger_row(6, state="of a newer version", caCertificateId="b"),
            ledger_row(7, state="refused", reason="bad_signature"),
        ]
    )

    found = status(account)["ledger"]

    assert found["by_ca"] == {
        "a": {"in_service": 2, "waiting": 1},
        "b": {"revoked": 1, "other": 2},
        "": {"refused": 1},
    }
    assert (found["states"]["activated"], found["states"]["unknown"], found["rows"]) == (2, 1, 10)
    assert [each["cause"] for each in found["clusters"]] == ["crl_stale", "not_signed_by_ca"]
    assert all(each["title"] and each["fix"] and each["example"] for each in found["clusters"])


def test_causes_are_in_the_order_of_their_devices_and_an_example_has_what_was_read_of_it() -> None:
    account = HEALTHY.but(
        fleet=[
            ledger_row(1, state="refused", reason="expired", decidedAt=7, commonName="one"),
            *(ledger_row(number, state="deferred", reason="crl_stale") for number in (2, 3)),
        ]
    )

    first, second = status(account)["ledger"]["clusters"]

    assert (first["cause"], first["certificates"]) == ("crl_stale", 2)
    assert second["example"] == {
        "certificate_id": ledger_row(1)["certificateId"]["S"],
        "state": "refused",
        "reason": "expired",
        "ca_certificate_id": None,
        "serial_number": None,
        "common_name": "one",
        "in_service": False,
        "first_seen_at": 0,
        "decided_at": 7,
    }


# what cannot be read


def damaged(_: Any) -> dict[str, Any]:
    data = b"no index"
    return {
        "Body": StreamingBody(io.BytesIO(data), len(data)),
        "Metadata": {"sha256": hashlib.sha256(data).hexdigest(), "index-version": "1"},
        "ETag": "etag",
        "LastModified": NOW,
    }


def unprocessed(parameters: Any) -> dict[str, Any]:
    """What DynamoDB returns while it throttles a table."""
    return {"Responses": {}, "UnprocessedKeys": parameters["RequestItems"]}


@pytest.mark.parametrize(
    ("account", "part", "why", "permission"),
    [
        (HEALTHY.but(waiting=None), "queues", "a queue of the stack is missing", None),
        (HEALTHY.responding(sqs_GetQueueAttributes=DENIED), "queues", "", "sqs:GetQueueAttributes"),
        (HEALTHY.responding(dynamodb_Scan=DENIED), "ledger", "", "dynamodb:Scan"),
        (HEALTHY.but(ca=None), "cas", "is not registered any more", None),
        (HEALTHY.responding(iot_DescribeCACertificate=DENIED), "cas", "", "iot:DescribeCACertificate"),
        (
            HEALTHY.responding(iot_DescribeCACertificate=Refusal("InternalFailureException")),
            "cas",
            "InternalFailureException",
            None,
        ),
        (HEALTHY.responding(dynamodb_BatchGetItem=DENIED), "cas", "", "dynamodb:BatchGetItem"),
        (HEALTHY.responding(dynamodb_BatchGetItem=unprocessed), "cas", "left keys unprocessed", None),
        (HEALTHY.but(has_crl=True), "crls", "CA 'Factory'", None),
        (
            HEALTHY.but(has_crl=True).responding(s3_GetObject=damaged),
            "crls",
            "CA 'Factory': the revocation index is damaged",
            None,
        ),
        (HEALTHY.but(has_crl=True).responding(s3_GetObject=DENIED), "crls", "", "s3:GetObject"),
        (HEALTHY.responding(cloudwatch_DescribeAlarms=DENIED), "alarms", "", "cloudwatch:DescribeAlarms"),
        (HEALTHY.responding(logs_FilterLogEvents=DENIED), "errors", "", "logs:FilterLogEvents"),
        (HEALTHY.responding(cloudwatch_GetMetricData=DENIED), "decisions", "", "cloudwatch:GetMetricData"),
        (HEALTHY.but(outputs={"MetricsNamespace": None}), "decisions", "deploy it again", None),
    ],
)
def test_an_unreadable_part_does_not_affect_the_others(
    account: DiagnosedDevice, part: str, why: str, permission: str | None
) -> None:
    document = status(account)

    assert why in document[part]["why"]
    assert document[part]["permission"] == permission
    assert [name for name, value in document.items() if isinstance(value, dict) and "why" in value] == [part]


def test_status_of_a_missing_stack_is_an_error() -> None:
    missing = Refusal("ValidationError", "Stack x does not exist")
    result = HEALTHY.responding(cloudformation_DescribeStacks=missing).jitr("status", "--stack", "x")

    assert result.exit_code == 3
    assert "there is no stack 'x'" in result.err


# the command


@pytest.mark.parametrize(
    ("account", "exit_code"),
    [
        (HEALTHY, 0),
        (HEALTHY.but(alarms=[{"AlarmName": "iot-jitr-A-1"}]), 1),
        (HEALTHY.responding(dynamodb_Scan=DENIED), 3),
        # A local cloud has no quotas, and only the page compares with them.
        (HEALTHY.responding(servicequotas_ListServiceQuotas=GONE), 0),
    ],
)
@pytest.mark.parametrize("page", [False, True], ids=["", "page"])
def test_status_exits_1_for_an_alarm_and_3_for_an_unreadable_part(
    tmp_path: Path, account: DiagnosedDevice, exit_code: int, *, page: bool
) -> None:
    result = account.jitr("status", *(["--html", tmp_path / "page"] if page else []))

    assert result.exit_code == exit_code, result.err


def test_the_page_exits_3_where_the_last_day_cannot_be_read(tmp_path: Path) -> None:
    def only_the_day(parameters: Any) -> Any:
        (first, *_) = parameters["MetricDataQueries"]
        return (
            DENIED if first["MetricStat"]["Period"] == 900 else HEALTHY._cloudwatch_getmetricdata(parameters)
        )

    account = HEALTHY.responding(cloudwatch_GetMetricData=only_the_day)

    assert account.jitr("status").exit_code == 0
    assert account.jitr("status", "--html", tmp_path / "page").exit_code == 3


@pytest.mark.parametrize("more", [[], ["--json"], ["--html", "page"]])
def test_a_live_view_requires_a_terminal(more: list[str]) -> None:
    result = HEALTHY.jitr("status", "--watch", *more)

    assert result.exit_code == 2
    assert "--watch is for a terminal" in result.err


def test_the_live_view_shows_what_has_changed_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account, screen, shown, pauses = HEALTHY.but(waiting=1), io.StringIO(), [], []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        shown.append([number for number in (1, 2, 3, 4) if f" {number} waiting" in screen.getvalue()])
        account.waiting = len(pauses) + 1
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "out", Console(force_terminal=True, file=screen, width=120))
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=pause))
    result = account.jitr("status", "--watch", "--every", "2")

    assert result.exit_code == 130
    assert pauses == [2, 2, 2]
    assert shown == [[1], [1, 2], [1, 2, 3]]


@pytest.mark.parametrize(
    ("rows", "printed"),
    [((), "7 certificates\n"), (("--rows", "5"), "5 certificates, not all: see --rows\n")],
)
def test_a_page_is_readable_by_its_owner_only(tmp_path: Path, rows: tuple[str, ...], printed: str) -> None:
    file = tmp_path / "fleet.html"
    account = HEALTHY.but(fleet=[ledger_row(number, state="activated", inFleet=True) for number in range(7)])

    result = account.jitr("status", "--html", file, *rows)

    assert result.exit_code == 0, result.err
    assert result.out == f"{file}: {printed}"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("<!doctype html>")


def test_the_page_can_be_reported_as_json(tmp_path: Path) -> None:
    result = HEALTHY.jitr("status", "--html", tmp_path / "page", "--json")

    assert result.json == {"file": str(tmp_path / "page"), "certificates": 0, "complete": True}


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_the_printed_iam_policy_names_the_resources_of_the_deployment(command: str) -> None:
    document = json.loads(HEALTHY.jitr(command, "--iam-policy", "--stack", "stack").out)

    assert f"arn:aws:dynamodb:{da.REGION}:{da.ACCOUNT}:table/ledger" in str(document)
    assert "arn:aws:s3:::indexes/*" in str(document)


def test_the_printed_policy_allows_exactly_the_calls_that_are_made(tmp_path: Path) -> None:
    account = HEALTHY.but(has_crl=True, crl=CrlSpec(this_update=NOW, number=7))

    result = account.jitr("status", "--html", tmp_path / "page")

    assert result.exit_code == 0, result.err
    made = set(account.calls)
    policy = account.jitr("status", "--iam-policy").json
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    # Needed so that S3 reports a missing index as missing.
    assert made == allowed - {"s3:ListBucket"}
