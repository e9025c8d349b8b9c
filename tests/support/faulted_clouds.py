"""Two pipelines in one local cloud, after all faults: the machinery of `tests/e2e/test_faults.py`.

`first` has a CA that publishes CRLs, `second` one that has none. All faults happen in one run, side by side
where they do not disturb each other, because most of the time is waiting.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from iot_jitr_cli.lab.project import default_configuration
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import TIME_LIMIT, deployed_cloud
from tests.support.crl_upload import REFRESH, CrlUpload
from tests.support.doctor_cloud_faults import rule_changed
from tests.support.fault_pipeline import Case, Pipeline
from tests.support.fault_proxy import INTERNAL_FAILURE, S3_UNAVAILABLE, Request, answering, broken

TRIES = 3
"""How often each message is tried, on average, before a service is back."""
ALL_DECIDED_LIMIT = 300.0
"""Seconds after which not every message is decided: on an idle machine it takes as long as its retries."""
PENDING = timedelta(minutes=1)
"""How long a certificate is left to its event before the reconciler looks at it: the shortest one."""
SECOND_SECRET = "iot-jitr/second/ca-key"


@dataclass
class Outage:
    """The observations while a service was unavailable."""

    case: Case
    struck: int
    statuses: set[str]
    reasons: set[Reason | None]


@dataclass
class Aftermath:
    """The state after all faults."""

    cases: dict[str, tuple[Pipeline, Case]]
    outages: dict[str, Outage]
    killed: list[int]
    drained: dict[str, bool]
    letters: dict[str, list[dict[str, Any]]]
    decisions: dict[str, list[dict[str, Any]]]
    """What was logged, by message."""


class Run:
    """The faults, one method each."""

    def __init__(self, first: Pipeline, pool: ThreadPoolExecutor) -> None:
        self.first = first
        self.pool = pool
        self.cases: dict[str, tuple[Pipeline, Case]] = {}
        self.outages: dict[str, Outage] = {}
        self.killed: list[int] = []
        self.crl = CrlUpload(first)
        names = ("killed", "s3", "api", "redelivered", "poisoned", "clocks", "mixed")
        for name in names:
            case = first.case(name, Validity.days(30))
            self.cases[name] = (first, case)
        self.stranger = first.ca.issue(DeviceSpec("registered-by-somebody-else"))
        self.revoked_stranger = first.ca.issue(DeviceSpec("and-revoked-since"))
        self.crl.revoke(*[bad for _, case in self.cases.values() for bad in case.bad], self.revoked_stranger)

    def visit(self, pipeline: Pipeline, case: Case) -> None:
        """The connecting device of the case reconnects until it is admitted."""
        pipeline.credentials(case.visitor)
        case.visit = self.pool.submit(pipeline.connect, case.visitor, ALL_DECIDED_LIMIT)

    def kill_a_worker_during_a_batch(self) -> None:
        """The process of the function is killed while it attaches a policy."""
        pipeline, case = self.cases["killed"]
        victim = case.good[1].certificate.fingerprint
        done = threading.Event()

        def kill(request: Request) -> None:
            if done.is_set() or not request.operation.startswith("PUT /target-policies"):
                return
            if worker := self._process_at(request.port):
                worker.kill()
                self.killed.append(worker.pid)
                done.set()
            broken(request)

        with pipeline.proxy.fault("iot", kill, mentions=[victim]):
            pipeline.send_all(case)
            assert done.wait(TIME_LIMIT)
        self.visit(pipeline, case)

    def _process_at(self, port: int) -> psutil.Process | None:
        """The process of the local cloud that calls from this port; None if it has given up waiting."""
        cloud = psutil.Process(self.first.lab.ministack.process.pid)
        for process in cloud.children(recursive=True):
            if any(each.laddr.port == port for each in process.net_connections("tcp")):
                return process
        return None

    @contextmanager
    def outage(
        self, name: str, service: str, strike: Callable[[Request], Any], *, only_for_these: bool = False
    ) -> Iterator[None]:
        """A service is unavailable, for all or for the devices of the case; they connect and are retried."""
        pipeline, case = self.cases[name]
        identities = (*case.good, *case.bad, case.visitor) if only_for_these else ()
        about = [identity.certificate.fingerprint for identity in identities]
        with pipeline.proxy.fault(service, strike, about) as fault:
            # An activator still uses a copy of an index that it confirmed within the refresh interval.
            began = datetime.now(UTC)
            assert wait_until(lambda: datetime.now(UTC) > began + REFRESH, limit=TIME_LIMIT, interval=0.05)
            pipeline.send_all(case)
            self.visit(pipeline, case)
            yield
            waiting = [identity.certificate.fingerprint for identity in (*case.good, *case.bad)]

            def reasons() -> set[Reason | None]:
                rows = [pipeline.row(certificate) for certificate in waiting]
                return {row.reason if row else None for row in rows}

            def all_were_tried_again() -> bool:
                # Without the ledger no reason is recorded.
                recorded = service == "dynamodb" or None not in reasons()
                return recorded and fault.struck > TRIES * len(case.messages)

            assert wait_until(all_were_tried_again, limit=ALL_DECIDED_LIMIT, interval=0.2)
            self.outages[name] = Outage(case, fault.struck, pipeline.statuses(waiting), reasons())

    def aftermath(self) -> Aftermath:
        """Wait until every message is decided."""
        for _, case in self.cases.values():
            if case.visit:
                assert case.visit.result().ending == "published"
        pipelines = {"first": self.first, "second": self.cases["ledger"][0]}
        drained = {
            name: wait_until(
                lambda pipeline=pipeline: pipeline.waiting(Output.ACTIVATION_QUEUE_URL) == 0,
                limit=ALL_DECIDED_LIMIT,
                interval=0.2,
            )
            for name, pipeline in pipelines.items()
        }
        letters = {name: pipeline.peek_dead_letters() for name, pipeline in pipelines.items()}
        decisions: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for pipeline in pipelines.values():
            sent = [case.messages for owner, case in self.cases.values() if owner is pipeline]
            pipeline.collect_logs(set().union(*sent))
            for decision in pipeline.decisions():
                decisions[decision["correlation_id"]].append(decision)
        return Aftermath(self.cases, self.outages, self.killed, drained, letters, decisions)

    def send_one_bad_batch(self) -> None:
        pipeline, case = self.cases["poisoned"]
        pipeline.send_all(case, "poison", '{"certificateId": 1}')
        self.visit(pipeline, case)

    def send_events_with_wrong_times(self) -> None:
        """Events with a time some minutes in the past or in the future."""
        pipeline, case = self.cases["clocks"]
        for identity, minutes in zip((*case.good, *case.bad), (-10, 10, 10), strict=True):
            event = pipeline.event(pipeline.plant(identity), timedelta(minutes=minutes))
            case.messages += pipeline.send_batch([event])

    def mix_events(self, second: Pipeline) -> None:
        """Each pipeline receives its own events and those of the other one."""
        (first, case), (_, theirs) = self.cases["mixed"], self.cases["mixed in second"]
        ours = [first.event(first.plant(identity)) for identity in (*case.good, *case.bad)]
        others = [second.event(second.plant(identity)) for identity in (*theirs.good, *theirs.bad)]
        case.messages += first.send_batch([*ours, others[0]])
        theirs.messages += second.send_batch([*others, ours[0]])

    def redeliver(self) -> None:
        """The queue delivers a message again while a worker still processes it."""
        pipeline, case = self.cases["redelivered"]
        slow = case.good[0].certificate.fingerprint
        deliveries = 0
        again = threading.Event()

        def count(request: Request) -> None:
            nonlocal deliveries
            # So each worker begins with the message that it received.
            deliveries += request.operation == "BatchGetItem"
            if deliveries > 1:
                again.set()

        def wait(request: Request) -> None:
            if request.operation.startswith("PUT /target-policies"):
                again.wait(TIME_LIMIT)

        pipeline.hide_messages_for(1)
        faults = pipeline.proxy.fault("iot", wait, [slow]), pipeline.proxy.fault("dynamodb", count, [slow])
        with faults[0], faults[1]:
            pipeline.send_all(case)
            pipeline.wait_for_state(slow, State.ACTIVATED)
        pipeline.hide_messages_for(30)


@dataclass
class Clouds:
    """Both pipelines after all faults, with the observations made before."""

    first: Pipeline
    second: Pipeline
    aftermath: Aftermath
    missed: DeviceIdentity
    """It came while the rule was disabled, and has not come back."""
    stranger: DeviceIdentity
    revoked_stranger: DeviceIdentity


@contextmanager
def faulted_clouds(folder: Path) -> Iterator[Clouds]:
    """Deploy both pipelines and let every fault happen."""
    settings = {
        "revocation": {"refresh": f"{REFRESH.seconds} seconds"},
        "reconciler": {"pending_after": f"{PENDING // timedelta(minutes=1)} minutes"},
        "log_level": "DEBUG",
    }
    with ExitStack() as stack:
        cloud = stack.enter_context(deployed_cloud(folder, settings, revocation={"type": "bucket"}))
        first = Pipeline(cloud.lab, cloud.ca, folder / "devices", own_outputs=dict(cloud.outputs))
        stack.enter_context(first.behind_proxy())
        run = Run(first, stack.enter_context(ThreadPoolExecutor(max_workers=8)))
        run.crl.publish()
        # The minimum that AWS allows, the function's time-out: then the messages of a killed worker return.
        first.hide_messages_for(30)
        missed = first.ca.issue(DeviceSpec("came-while-the-rule-was-disabled"))
        with rule_changed(first, lambda rule: rule.update(ruleDisabled=True)):
            first.connect_refused(missed)
        run.kill_a_worker_during_a_batch()
        second = _side_by_side(run, folder / "second", stack)
        yield Clouds(first, second, run.aftermath(), missed, run.stranger, run.revoked_stranger)


def _side_by_side(run: Run, folder: Path, stack: ExitStack) -> Pipeline:
    with ExitStack() as ledger_outage:
        with ExitStack() as outages:
            outages.enter_context(run.outage("s3", "s3", answering(S3_UNAVAILABLE)))
            # S3 is unavailable for all other callers at that time.
            internal_failure = answering(INTERNAL_FAILURE)
            outages.enter_context(run.outage("api", "iot", internal_failure, only_for_these=True))
            second = _deploy_second(run.first, folder)
            stack.enter_context(second.behind_proxy())
            run.cases["ledger"] = (second, second.case("ledger"))
            run.cases["mixed in second"] = (second, second.case("mixed-in-second"))
            ledger_outage.enter_context(run.outage("ledger", "dynamodb", broken))
        run.redeliver()
        run.send_one_bad_batch()
        run.send_events_with_wrong_times()
    run.mix_events(second)
    return second


def _deploy_second(first: Pipeline, folder: Path) -> Pipeline:
    ca = DevelopmentCa.create("second CA")
    certificate_file, _ = ca.save(folder)
    first.lab.put_secret(SECOND_SECRET, key_pem(ca.key).decode())
    configuration = default_configuration(
        certificate_file, {"signer": {"type": "secret", "secret": SECOND_SECRET}}
    )
    deployment = first.lab.deploy({**configuration, "stack_name": "second", "log_level": "DEBUG"})
    return Pipeline(first.lab, ca, folder / "devices", own_outputs=dict(deployment.outputs))
