"""A whole run as Lambda makes it: environment in; rows, messages, log lines and metrics out."""

import io
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from iot_jitr_runtime import environment
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger.lease import Lease, LeaseLostError
from iot_jitr_runtime.ledger.tasks import Task, TaskResult
from iot_jitr_runtime.policy.deletion import delete_scheduled_policy
from iot_jitr_runtime.rate_limiter import NoSlotError
from iot_jitr_runtime.reconciler.passes import Passes, PassKind, PassStatistics
from iot_jitr_runtime.reconciler.run import ReconciliationFailedError, Run
from iot_jitr_runtime.things.retirement import Retirement
from tests.support.account import Account
from tests.support.clock import Clock
from tests.support.lambda_function import context, lines, started

pytestmark = pytest.mark.timing

Handle = Callable[..., None]
PER_DEVICE = {"kind": "per_device", "prefix": "jitr-", "template": {}, "needs_common_name": True}


@pytest.fixture
def module(aws: Account, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> Any:
    own = {environment.PENDING_AFTER_SECONDS: "0", environment.FULL_LISTING_SECONDS: "604800"}
    return started(monkeypatch, "reconciler", aws.environment | own, log)


def queued(aws: Account) -> list[str]:
    return [json.loads(body)["certificateId"] for body in aws.queued()]


def test_a_run_queues_undecided_certificates_and_backfills_unknown_ones(
    aws: Account, module: Any, log: io.StringIO
) -> None:
    lost, foreign = aws.pending(), aws.pending()
    aws.iot.update_certificate(certificateId=foreign, newStatus="ACTIVE")

    module.handle({}, context("reconciler"))

    row = aws.row(foreign)
    assert row.serial_number is not None
    assert set(queued(aws)) == {lost}
    newest, full = lines(log.getvalue())
    assert (newest["pass"], newest["requeued"], newest["backfilled"]) == ("newest", 1, {"known": 1})
    assert (full["pass"], full["ended"], full["ca_certificate_id"]) == ("full", True, aws.ca_id)


def test_a_run_measures_pending_age_and_days_to_ca_expiry(
    aws: Account, module: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.pending()

    module.handle({}, context("reconciler"))

    metrics = lines(capsys.readouterr().out)
    [expiry] = [line for line in metrics if "CaDaysToExpiry" in line]
    [own] = [line for line in metrics if "PendingAge" in line]
    assert expiry["ca"] == aws.ca_id
    assert 3640 < expiry["CaDaysToExpiry"][0] < 3660
    assert own["PendingAge"][0] >= 0
    assert sum(own["Requeued"]) == 2


def test_an_error_of_one_step_does_not_stop_the_others(
    aws: Account, module: Any, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = aws.pending()

    run = Passes.run

    def fail(of: Passes, ca: CaCertificateId, kind: PassKind, *others: Any) -> PassStatistics | None:
        if kind is PassKind.NEWEST:
            raise RuntimeError("no newest today")
        return run(of, ca, kind, *others)

    monkeypatch.setattr(Passes, "run", fail)

    with pytest.raises(ReconciliationFailedError, match=f"newest certificates of CA {aws.ca_id}"):
        module.handle({}, context("reconciler"))

    assert queued(aws) == [lost]
    assert any(line["detail"] == "no newest today" for line in lines(log.getvalue()) if "detail" in line)


def test_without_time_no_step_begins_and_the_run_succeeds(aws: Account, module: Any) -> None:
    aws.pending()

    module.handle({}, context("reconciler", seconds=10))

    assert queued(aws) == []


def test_an_environment_of_another_version_fails_at_once(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(environment.PENDING_AFTER_SECONDS)

    with pytest.raises(KeyError, match=environment.PENDING_AFTER_SECONDS):
        module.handle({}, context("reconciler"))


def test_tasks_are_done_for_renewed_things_and_per_device_policies(
    aws: Account, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del aws
    things = {"thing": {"renewal": "allow"}, "lease_seconds": 35}
    monkeypatch.setenv(environment.THINGS, json.dumps(things))
    monkeypatch.setenv(environment.DEVICE_POLICY, json.dumps(PER_DEVICE))

    arn_prefix = "arn:aws:iot:eu-central-1:123456789012:cert/"
    actions = module._build(arn_prefix).actions

    assert isinstance(actions[Task.RETIRE].__self__, Retirement)
    assert (actions[Task.DELETE_POLICY].func, actions[Task.DELETE_POLICY].args[-1]) == (
        delete_scheduled_policy,
        arn_prefix,
    )
    module.handle({}, context("reconciler"))


def test_without_thing_renewal_there_is_no_scheduled_task(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.THINGS, json.dumps({"thing": {}, "lease_seconds": 35}))

    assert module._build("arn:aws:iot:eu-central-1:123456789012:cert/").actions == {}


def test_a_second_run_beside_the_first_does_nothing(aws: Account, module: Any, log: io.StringIO) -> None:
    aws.pending()
    now = int(time.time() * 1000)
    first = Lease.acquire(aws.ledger.items, "#reconciler", now=now, expires_at=now + 600_000)

    module.handle({}, context("reconciler"))

    assert queued(aws) == []
    assert [line["message"] for line in lines(log.getvalue())] == ["another run is in progress"]
    first.release()
    module.handle({}, context("reconciler"))
    assert len(set(queued(aws))) == 1


def test_a_run_that_fails_releases_its_lease(
    aws: Account, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise LeaseLostError("another worker holds the lease")

    monkeypatch.setattr(Passes, "run", lose)
    with pytest.raises(LeaseLostError):
        module.handle({}, context("reconciler"))
    monkeypatch.undo()

    now = int(time.time() * 1000)
    Lease.acquire(aws.ledger.items, "#reconciler", now=now, expires_at=now + 1)


class Steps:
    """Stands in for passes and tasks; each step takes its time from `takes`, or until its deadline."""

    def __init__(self, clock: Clock, takes: list[float]) -> None:
        self.clock = clock
        self.takes = takes
        self.shares: list[float] = []
        self.ledger = SimpleNamespace(outbox=None, tasks=SimpleNamespace(due=lambda *_, **__: [None]))

    def run(self, _ca: object, _kind: object, _lease: object, deadline: Deadline) -> PassStatistics:
        self.take(deadline)
        return PassStatistics()

    def act(self, _due: object, until: datetime) -> TaskResult:
        self.take(Deadline(until, self.clock))
        raise NoSlotError

    def take(self, deadline: Deadline) -> None:
        share = (deadline.at - self.clock()).total_seconds()
        self.shares.append(share)
        self.clock.pass_time(seconds=min(self.takes.pop(0), share))


@pytest.mark.parametrize(
    ("takes", "shares"),
    [
        ([999, 999, 999, 999, 999], [120, 120, 120, 120, 120]),
        ([20, 20, 500, 999, 999], [120, 145, 186.666667, 186.666667, 186.666667]),
        ([0, 0, 0, 0, 999], [120, 150, 200, 300, 600]),
    ],
    ids=["none leaves time", "new certificates leave time", "the last full pass gets the rest"],
)
def test_each_step_has_its_share_of_the_time(takes: list[float], shares: list[float]) -> None:
    clock = Clock()
    steps: Any = Steps(clock, takes)
    issuers: Any = SimpleNamespace(certificate=lambda _ca: SimpleNamespace(not_after=clock()))
    cas, actions = [CaCertificateId("a"), CaCertificateId("b")], {Task.RETIRE: steps.act}
    run = Run(cas, issuers, steps, actions, Logger("run"), EphemeralMetrics(namespace="n", service="s"))

    run.do(None, Deadline(clock() + timedelta(seconds=600), clock))  # type: ignore[arg-type]

    assert steps.shares == pytest.approx(shares)
