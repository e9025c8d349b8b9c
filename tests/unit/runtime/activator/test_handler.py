"""The handler as Lambda calls it: environment in, partial batch response and telemetry out."""

import io
import uuid
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.activate import Decision
from iot_jitr_runtime.activator.telemetry import Telemetry
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.identifiers import CaCertificateId, SerialNumber
from iot_jitr_runtime.ledger import Identity
from iot_jitr_runtime.outcomes import Reason, Verdict
from tests.support.account import Account
from tests.support.lambda_function import context, lines, started

pytestmark = pytest.mark.timing


@pytest.fixture
def handle(aws: Account, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> Any:
    return started(monkeypatch, "activator", aws.environment, log).handle


def test_a_deferral_is_one_log_line_with_every_field(aws: Account, handle: Any, log: io.StringIO) -> None:
    record = aws.event("0" * 64)

    response = handle({"Records": [record]}, context("activator"))

    assert response == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    [line] = lines(log.getvalue())
    expected = {
        "level": "INFO",
        "message": "deferred",
        "outcome": "deferred",
        "reason": "not_visible_yet",
        "certificate_id": "0" * 64,
        "function_request_id": "request-1",
        "correlation_id": record["messageId"],
    }
    assert line.items() >= expected.items(), line
    assert line["retry_in_seconds"] >= 1


def test_the_log_line_of_an_activation_names_the_device_and_how_long_it_waited(
    aws: Account, handle: Any, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = {"iot": aws.iot, "dynamodb": aws.dynamodb, "sqs": aws.sqs}
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    certificate = aws.ca.issue(DeviceSpec("device-7")).certificate
    certificate_id = aws.pending(certificate)
    record = aws.event(certificate_id)

    handle({"Records": [record]}, context("activator"))

    [line] = lines(log.getvalue())
    expected = {
        "level": "INFO",
        "outcome": "activated",
        "certificate_id": certificate_id,
        "ca_certificate_id": aws.ca_id,
        "serial_number": certificate.serial_number,
        "common_name": "device-7",
        "correlation_id": record["messageId"],
    }
    assert line.items() >= expected.items(), line
    assert line["seconds_to_active"] >= 0


def test_metrics_count_outcomes_and_reasons_and_never_the_ca(
    aws: Account, handle: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    records = [aws.send("poison"), aws.event("0" * 64), aws.event("1" * 64)]

    handle({"Records": records}, context("activator"))

    metrics = [entry for entry in lines(capfd.readouterr().out) if "_aws" in entry]
    outcomes = next(m for m in metrics if "Deferred" in m)
    assert (outcomes["Deferred"], outcomes["DeadLettered"]) == ([1.0, 1.0], [1.0])
    by_reason = {m["reason"]: m["Decisions"] for m in metrics if "Decisions" in m}
    assert by_reason == {"malformed_event": [1.0], "not_visible_yet": [2.0]}
    directives = [each for m in metrics for each in m["_aws"]["CloudWatchMetrics"]]
    dimensions = [set(each) for directive in directives for each in directive["Dimensions"]]
    assert set.union(*dimensions) == {"service", "reason"}
    assert all("service" in each for each in dimensions)
    assert {directive["Namespace"] for directive in directives} == {"IotJitr"}


def test_a_long_message_body_is_truncated_in_the_log(aws: Account, handle: Any, log: io.StringIO) -> None:
    handle({"Records": [aws.send("x" * 5_000)]}, context("activator"))
    assert "malformed_event" in log.getvalue()
    assert "x" * 200 not in log.getvalue()


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_an_environment_of_another_version_fails_at_once(
    handle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(environment.LEDGER_TABLE)
    with pytest.raises(KeyError, match=environment.LEDGER_TABLE):
        handle({"Records": []}, context("activator"))


# telemetry


@pytest.fixture
def metrics() -> EphemeralMetrics:
    return EphemeralMetrics(namespace="N", service="mine")


@pytest.fixture
def telemetry(log: io.StringIO, metrics: EphemeralMetrics) -> Telemetry:
    return Telemetry(Logger(service=f"activator-{uuid.uuid4()}", stream=log, level="DEBUG"), metrics)


def decision(reason: Reason, **values: Any) -> Decision:
    defect = values.pop("defect", None)
    return Decision(Message("m", "handle", "", 0, 1), None, Verdict(reason, defect=defect), **values)


def test_a_defect_is_logged_as_an_error_with_its_exception(telemetry: Telemetry, log: io.StringIO) -> None:
    telemetry.decided(decision(Reason.INTERNAL_ERROR, defect=ZeroDivisionError("half")))

    [line] = lines(log.getvalue())
    assert (line["level"], line["exception_name"]) == ("ERROR", "ZeroDivisionError")


def test_a_temporary_deferral_does_not_count_as_blocked(
    telemetry: Telemetry, metrics: EphemeralMetrics
) -> None:
    for reason in (Reason.RATE_LIMITED, Reason.OUT_OF_TIME, Reason.CRL_STALE, Reason.THROTTLED):
        telemetry.decided(decision(reason))

    counted = {name: metric["Value"] for name, metric in metrics.metric_set.items()}
    assert counted == {"Deferred": [1.0] * 4, "Blocked": [1.0] * 2}


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        (Reason.RATE_LIMITED, "INFO"),
        (Reason.CLAIMED_ELSEWHERE, "INFO"),
        (Reason.NOT_VISIBLE_YET, "INFO"),
        (Reason.OUT_OF_TIME, "INFO"),
        (Reason.THROTTLED, "WARNING"),
        (Reason.CRL_STALE, "WARNING"),
        (Reason.POLICY_MISSING, "WARNING"),
        (Reason.NOT_LISTED, "INFO"),
        (Reason.DUPLICATE, "DEBUG"),
    ],
)
def test_a_deferral_is_a_warning_only_if_it_counts_as_blocked(
    telemetry: Telemetry, log: io.StringIO, reason: Reason, level: str
) -> None:
    """A fleet that waits for its slots is a normal state; it causes tens of thousands of log lines."""
    telemetry.decided(decision(reason))

    [line] = lines(log.getvalue())
    assert (line["level"], line["reason"]) == (level, reason)


def test_the_counts_by_reason_carry_the_ca_as_a_property(
    telemetry: Telemetry, capsys: pytest.CaptureFixture[str]
) -> None:
    ca = CaCertificateId("c" * 64)
    telemetry.decided(decision(Reason.EXPIRED, identity=Identity(ca, SerialNumber("1"), "device")))

    telemetry.flush()

    [entry] = lines(capsys.readouterr().out)
    assert (entry["reason"], entry["service"], entry["ca_certificate_id"]) == ("expired", "mine", ca)
    assert entry["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "reason"]]
