"""The handler as Lambda calls it: environment in, partial batch response and telemetry out."""

import io
import json
import uuid
from dataclasses import replace
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
from iot_jitr_runtime.identifiers import SerialNumber
from iot_jitr_runtime.ledger import Identity
from iot_jitr_runtime.outcomes import Reason, Verdict
from tests.support.account import POLICY, Account
from tests.support.lambda_function import context, lines, started

pytestmark = pytest.mark.timing

MESSAGE = Message("m", "handle", "", 0, 1)


@pytest.fixture
def handle(aws: Account, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> Any:
    variables = {
        environment.LEDGER_TABLE: aws.table,
        environment.ACTIVATION_QUEUE_URL: aws.queue_url,
        environment.DEAD_LETTER_QUEUE_URL: aws.dead_letter_queue_url,
        environment.CAS: json.dumps({aws.ca_id: {"revocation": "none"}}),
        environment.DEVICE_POLICY: json.dumps({"kind": "shared", "name": POLICY, "needs_common_name": True}),
        environment.ACTIVATIONS_PER_SECOND: "1000",
    }
    return started(monkeypatch, "activator", variables, log).handle


def test_a_decision_is_one_log_line_with_all_that_an_operator_asks_for(
    aws: Account, handle: Any, log: io.StringIO
) -> None:
    event = {"Records": [aws.event("0" * 64)]}

    response = handle(event, context("activator"))

    assert response == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    [line] = lines(log.getvalue())
    assert line["outcome"] == "deferred"
    assert line["reason"] == "not_visible_yet"
    assert line["certificate_id"] == "0" * 64
    assert line["function_request_id"] == "request-1"
    assert line["retry_in_seconds"] >= 1
    assert line["level"] == "INFO"
    assert line["correlation_id"] == event["Records"][0]["messageId"]


def test_the_log_line_of_an_activation_names_the_device_and_how_long_it_waited(
    aws: Account, handle: Any, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = {"iot": aws.iot, "dynamodb": aws.dynamodb, "sqs": aws.sqs}
    monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
    certificate = aws.ca.issue(DeviceSpec("device-7")).certificate
    certificate_id = aws.pending(certificate)
    event = aws.event(certificate_id)

    handle({"Records": [event]}, context("activator"))

    [line] = lines(log.getvalue())
    expected = {
        "level": "INFO",
        "outcome": "activated",
        "certificate_id": certificate_id,
        "ca_certificate_id": aws.ca_id,
        "serial_number": certificate.serial_number,
        "common_name": "device-7",
        "correlation_id": event["messageId"],
    }
    assert line.items() >= expected.items(), line
    assert line["seconds_to_active"] >= 0


def test_an_activation_says_how_long_the_device_waited_and_a_defect_comes_with_its_trace(
    aws: Account, log: io.StringIO
) -> None:
    service = f"activator-{uuid.uuid4()}"
    telemetry = Telemetry(
        Logger(service=service, stream=log), EphemeralMetrics(namespace="N", service=service)
    )
    aws.process(aws.event(aws.pending()), aws.event("0" * 64))
    for decision in aws.decisions:
        telemetry.decided(decision)
    defect = Verdict(Reason.INTERNAL_ERROR, defect=ZeroDivisionError("half"))
    telemetry.decided(replace(aws.decisions[1], verdict=defect))

    activated, _, defect = lines(log.getvalue())
    assert (activated["message"], activated["seconds_to_active"]) == ("activated", 0.0)
    assert (activated["ca_certificate_id"], activated["common_name"][:6]) == (aws.ca_id, "device")
    assert (defect["level"], defect["exception_name"]) == ("ERROR", "ZeroDivisionError")


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
    dimensions = {
        d for m in metrics for c in m["_aws"]["CloudWatchMetrics"] for s in c["Dimensions"] for d in s
    }
    assert dimensions == {"service", "reason"}
    assert all(
        "service" in s for m in metrics for c in m["_aws"]["CloudWatchMetrics"] for s in c["Dimensions"]
    )
    assert all(c["Namespace"] == "IotJitr" for m in metrics for c in m["_aws"]["CloudWatchMetrics"])


def test_a_deferral_that_passes_by_itself_does_not_count_as_blocked(log: io.StringIO) -> None:
    metrics = EphemeralMetrics(namespace="N", service="s")
    telemetry = Telemetry(Logger(service=f"activator-{uuid.uuid4()}", stream=log), metrics)

    for reason in (Reason.RATE_LIMITED, Reason.OUT_OF_TIME, Reason.CRL_STALE, Reason.THROTTLED):
        telemetry.decided(Decision(MESSAGE, None, Verdict(reason)))

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
    log: io.StringIO, reason: Reason, level: str
) -> None:
    """A fleet that waits for its slots is a normal state, and tens of thousands of lines long."""
    logger = Logger(service=f"activator-{uuid.uuid4()}", stream=log, level="DEBUG")
    telemetry = Telemetry(logger, EphemeralMetrics(namespace="N", service="s"))

    telemetry.decided(Decision(MESSAGE, None, Verdict(reason)))

    [line] = lines(log.getvalue())
    assert (line["level"], line["reason"]) == (level, reason)


def test_the_counts_by_reason_carry_the_ca_as_a_property(
    aws: Account, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = EphemeralMetrics(namespace="N", service="mine")
    telemetry = Telemetry(Logger(service=f"activator-{uuid.uuid4()}", stream=log), metrics)
    identity = Identity(aws.ca_id, SerialNumber("1"), "device")
    telemetry.decided(Decision(MESSAGE, None, Verdict(Reason.EXPIRED), identity=identity))

    telemetry.flush()

    [entry] = lines(capsys.readouterr().out)
    assert (entry["reason"], entry["service"], entry["ca_certificate_id"]) == ("expired", "mine", aws.ca_id)
    assert entry["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "reason"]]


def test_the_body_of_a_message_is_not_logged_whole(aws: Account, handle: Any, log: io.StringIO) -> None:
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
