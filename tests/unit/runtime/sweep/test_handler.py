"""The sweep as EventBridge calls it: settings in, a line for each certificate and metrics out."""

import io
import json
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from iot_jitr_runtime import environment
from iot_jitr_runtime.revocation.store import key
from iot_jitr_runtime.sweep.enforce import CLAIM_LASTS
from iot_jitr_runtime.sweep.sessions import SessionResult
from iot_jitr_runtime.sweep.sweep import DEFERRED, DRY_RUN, LIMIT_TRIPPED
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from iot_jitr_runtime.things.registration import Things
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import Fault, injected
from tests.support.lambda_function import context, started
from tests.support.sweep_harness import SweepHarness

pytestmark = pytest.mark.timing


class Invocation:
    """The handler, in the environment that the stack makes."""

    def __init__(self, harness: SweepHarness, monkeypatch: pytest.MonkeyPatch, **sweep: Any) -> None:
        settings = {
            "share": 1,
            "minimum": 1,
            "settle_seconds": 120,
            "dry_run": False,
            "client_id": None,
        } | sweep
        own = {
            environment.REVOCATION_BUCKET: harness.store.bucket,
            environment.CAS: json.dumps({harness.ca: {"revocation": "crl"}, "x": {"revocation": "none"}}),
            environment.SWEEP: json.dumps(settings),
        }
        self.log = io.StringIO()
        self.module = started(monkeypatch, "sweep", harness.aws.environment | own, self.log)
        # The responses of this client name the CA of the certificate, as those of AWS IoT; moto omits it.
        real = self.module.boto3.client

        def client(name: str, **options: Any) -> Any:
            return harness.aws.iot if name == "iot" else real(name, **options)

        monkeypatch.setattr(self.module.boto3, "client", client)
        monkeypatch.setattr(self.module, "iot_data_client", lambda: harness.connections.client)

    def __call__(self) -> list[dict[str, Any]]:
        self.module.handle({}, context("sweep"))
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


Invoke = Callable[..., Invocation]


@pytest.fixture
def invocation(harness: SweepHarness, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    return partial(Invocation, harness, monkeypatch)


def metrics(captured: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in captured.splitlines():
        entry = json.loads(line)
        for declared in entry["_aws"]["CloudWatchMetrics"]:
            for metric in declared["Metrics"]:
                found[metric["Name"]] = entry[metric["Name"]]
    return found


def test_each_certificate_is_one_line_and_counted(
    harness: SweepHarness, invocation: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    revoked, held = harness.activate_devices(2)
    harness.publish({revoked: KEY_COMPROMISE, held: HOLD})

    lines = invocation()()

    by_certificate = {line["certificate_id"]: line for line in lines}
    assert by_certificate[revoked]["message"] == "revoked"
    assert by_certificate[revoked]["revocation_reason"] == "keyCompromise"
    assert by_certificate[revoked]["common_name"] == "device-0"
    assert by_certificate[held]["message"] == "suspended"
    assert metrics(capsys.readouterr().out)["Swept"] == [1, 1]


def test_a_run_without_changes_logs_nothing(
    harness: SweepHarness, invocation: Invoke, capfd: pytest.CaptureFixture[str]
) -> None:
    """It runs every minute."""
    harness.activate_devices()
    called = invocation()
    capfd.readouterr()

    with warnings.catch_warnings(action="error"):
        assert called() == []

    assert capfd.readouterr() == ("", "")


def test_a_release_is_one_line_and_counted(
    harness: SweepHarness, invocation: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish()

    [line] = invocation()()

    assert (line["message"], line["certificate_id"]) == ("released", device)
    assert metrics(capsys.readouterr().out)["Swept"] == [1]


def test_a_release_that_fails_is_a_warning_with_its_reason(
    harness: SweepHarness, invocation: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish()
    called = invocation()
    monkeypatch.setenv(
        environment.DEVICE_POLICY,
        json.dumps({"kind": "shared", "name": "no such policy", "needs_common_name": True}),
    )

    [line] = called()

    assert (line["level"], line["message"], line["reason"]) == ("WARNING", "not_released", "policy_missing")


def test_a_tripped_limit_is_an_error_that_says_what_to_do_and_a_metric(
    harness: SweepHarness, invocation: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = harness.activate_devices(2)
    harness.publish(dict.fromkeys(devices))

    [line] = invocation(share=0.1)()

    assert (line["level"], line["message"]) == ("ERROR", LIMIT_TRIPPED)
    assert (line["devices"], line["fleet"]) == (2, 2)
    assert line["remedy"].endswith(f"jitr crl confirm {harness.ca}")
    assert metrics(capsys.readouterr().out)["RevocationLimitTripped"] == [1]


def test_a_dry_run_is_a_warning_that_names_the_certificates(
    harness: SweepHarness, invocation: Invoke
) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: KEY_COMPROMISE})

    [line] = invocation(dry_run=True)()

    assert (line["level"], line["message"], line["devices"]) == ("WARNING", DRY_RUN, 1)
    assert line["certificates"] == {device: "keyCompromise"}
    assert harness.status(device) == "ACTIVE"


def test_a_certificate_that_cannot_be_changed_now_is_a_warning(
    harness: SweepHarness, invocation: Invoke
) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: None})
    now = harness.clock.milliseconds
    harness.ledger.acquire(device, now=now, expires_at=now + 3_600_000)

    [line] = invocation()()

    assert (line["level"], line["message"], line["reason"]) == ("WARNING", DEFERRED, "claimed_elsewhere")


def test_a_run_that_fails_is_logged_and_fails_the_invocation(
    harness: SweepHarness, invocation: Invoke
) -> None:
    harness.s3.put_object(Bucket=harness.store.bucket, Key=key(harness.ca), Body=b"damaged")
    called = invocation()

    with pytest.raises(called.module.SweepFailedError, match=harness.ca):
        called()
    assert "failed" in called.log.getvalue()


def test_a_lease_on_a_thing_lasts_as_long_as_the_claim_on_its_certificate(
    invocation: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The activator's claims are made for its time-out; the sweep works on after that."""
    settings = {"thing": {}, "lease_seconds": 35}
    monkeypatch.setenv(environment.THINGS, json.dumps(settings))

    _, sweep = invocation().module._sweep()

    assert isinstance(sweep.enforcement.things, Things)
    assert sweep.enforcement.things.lease_lasts >= CLAIM_LASTS


def test_the_environment_says_which_cas_are_swept_and_how(harness: SweepHarness, invocation: Invoke) -> None:
    called = invocation(share=0.2, minimum=7, settle_seconds=95, dry_run=True)

    cas, sweep = called.module._sweep()

    assert cas == [harness.ca], "the other one has no CRL"
    assert sweep.limit == MassRevocationLimit(share=0.2, minimum=7)
    assert (sweep.settle.total_seconds(), sweep.dry_run) == (95, True)
    assert sweep.rate_limiter.per_second == 1000
    assert sweep.enforcement.sessions is None


def test_a_closed_session_is_in_the_line_of_its_certificate_and_counted(
    harness: SweepHarness, invocation: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    closed, away = harness.activate_devices(2)
    harness.connect(closed)
    harness.publish({closed: KEY_COMPROMISE, away: HOLD})

    lines = invocation(client_id="{{common_name}}")()

    sessions = {line["certificate_id"]: line["session"] for line in lines}
    assert sessions == {closed: SessionResult.CLOSED, away: SessionResult.NONE}
    assert metrics(capsys.readouterr().out)["SessionsClosed"] == [1]


def test_a_session_that_cannot_be_closed_is_counted_and_the_run_continues(
    harness: SweepHarness, invocation: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: KEY_COMPROMISE})

    with injected(harness.connections.client, "DeleteConnection", Fault.ACCESS_DENIED):
        [line] = invocation(client_id="{{common_name}}")()

    assert (line["message"], line["session"]) == ("revoked", SessionResult.NOT_CLOSED)
    assert "AccessDenied" in line["session_error"]
    assert metrics(capsys.readouterr().out)["SessionsNotClosed"] == [1]


def test_a_due_repetition_is_made_and_a_failed_one_is_an_error(
    harness: SweepHarness, invocation: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, broken = harness.activate_devices(2)
    harness.publish(dict.fromkeys((sound, broken), KEY_COMPROMISE))
    harness.sweep()
    for each in (sound, broken):
        harness.ledger.tasks.schedule_session_close(each, at=0)
    harness.connect(sound)
    harness.connections.refused = harness.client_ids(broken)
    called = invocation(client_id="{{common_name}}")
    capsys.readouterr()

    lines = {line["certificate_id"]: line for line in called()}

    assert (lines[sound]["message"], lines[sound]["session"]) == ("session_repeated", "closed")
    assert (lines[broken]["level"], lines[broken]["message"]) == ("ERROR", "task_failed")
    found = metrics(capsys.readouterr().out)
    assert (found["SessionsClosed"], found["SessionsNotClosed"]) == ([1], [1])


def test_tasks_that_cannot_be_read_fail_the_invocation(invocation: Invoke) -> None:
    called = invocation(client_id="{{common_name}}")
    called.module._sweep()[1].ledger.items.client.meta.events.register_first(
        "before-send.dynamodb.Query", lambda **_: (_ for _ in ()).throw(ReadTimeoutError(endpoint_url="x"))
    )

    with pytest.raises(called.module.SweepFailedError, match="close_session"):
        called()
