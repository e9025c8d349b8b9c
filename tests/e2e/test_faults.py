"""Faults, end to end: after each, every admissible device is in, every other one out, no message is lost.

Two pipelines share one local cloud: `first`, whose CA publishes CRLs, and `second`, whose CA has none. A
proxy stands between their activators and the API. All faults happen in one run, the fixture `clouds`, side by
side where they do not get into each other's way, for the waiting takes the time; the tests look at what is
left.
"""

import json
import threading
import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from iot_jitr_cli.connect import ConnectResult
from iot_jitr_cli.lab.process import wait_until
from iot_jitr_cli.lab.project import default_configuration
from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_cli.pki.revocation_list import RevocationList
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Outcome, Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import PATIENCE, Cloud, deployed_cloud
from tests.support.doctor_cloud_faults import rule_changed
from tests.support.fault_proxy import (
    INTERNAL_FAILURE,
    S3_UNAVAILABLE,
    Fault,
    FaultProxy,
    Request,
    answering,
    broken,
)

pytestmark = pytest.mark.timeout(900)
OUTAGE = 60.0
"""Seconds that a service is away: a minute, during which a message is tried five times or so."""
UNTIL_ALL_IS_WELL = 150.0
"""Seconds after it until every message is decided: a message waits as long again at most, see `patience`."""
BRIEFLY = 4.0
SECOND_SECRET = "iot-jitr/second/ca-key"
ENDED = {str(Outcome.ACTIVATED), str(Outcome.STALE), str(Outcome.REFUSED), str(Outcome.DEAD_LETTERED)}


@dataclass
class Case:
    """The devices that meet one fault."""

    good: list[DeviceIdentity]
    bad: list[DeviceIdentity]
    """Revoked or expired: they must stay out."""
    visitor: DeviceIdentity
    """A good one that connects by itself; of the others, only the events come."""
    messages: list[str] = field(default_factory=list)
    visit: "Future[ConnectResult] | None" = None

    @property
    def admissible(self) -> list[str]:
        visitors = [self.visitor] if self.visit else []
        return [identity.certificate.fingerprint for identity in (*self.good, *visitors)]

    @property
    def inadmissible(self) -> list[str]:
        return [identity.certificate.fingerprint for identity in self.bad]


@dataclass
class Pipeline(Cloud):
    """One of two pipelines in the same cloud, with a proxy before its functions' API."""

    own_outputs: dict[str, str] = field(default_factory=dict)
    proxy: FaultProxy = field(init=False)

    @property
    def outputs(self) -> dict[str, str]:
        return self.own_outputs

    @contextmanager
    def behind_proxy(self) -> Iterator[None]:
        with FaultProxy(self.lab.endpoint.url).running() as self.proxy:
            endpoints = {
                f"AWS_ENDPOINT_URL_{service}": self.proxy.url for service in ("IOT", "DYNAMODB", "S3")
            }
            self.tell_activator(**endpoints)
            yield

    def tell_activator(self, **variables: str) -> None:
        name, functions = self.outputs[Output.ACTIVATOR_FUNCTION], self.client("lambda")
        told = self.told_activator()
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": told | variables}
        )

    def told_activator(self) -> dict[str, str]:
        function = self.outputs[Output.ACTIVATOR_FUNCTION]
        settings = self.client("lambda").get_function_configuration(FunctionName=function)
        return dict(settings["Environment"]["Variables"])

    def case(self, name: str, validity: Validity | None = None) -> Case:
        """Two good devices that only send events, one that connects, and one that is expired unless told."""
        good = [self.ca.issue(DeviceSpec(f"{name}-{number}")) for number in range(2)]
        bad = self.ca.issue(DeviceSpec(f"{name}-bad", validity=validity or Validity.expired()))
        return Case(good, [bad], self.ca.issue(DeviceSpec(f"{name}-visitor")))

    def send_all(self, case: Case, *bodies: str) -> None:
        """The events of a case's devices, and other messages, as one batch."""
        events = [self.event(self.plant(identity)) for identity in (*case.good, *case.bad)]
        case.messages += self.send_batch([*events, *bodies])

    def send_batch(self, bodies: list[str]) -> list[str]:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        answer = self.client("sqs").send_message_batch(
            QueueUrl=self.outputs[Output.ACTIVATION_QUEUE_URL], Entries=entries
        )
        return [sent["MessageId"] for sent in answer["Successful"]]

    def event(self, certificate_id: str, clock: timedelta = timedelta(0)) -> str:
        return json.dumps(
            {
                "certificateId": certificate_id,
                "caCertificateId": self.outputs["LabCaCertificateId"],
                "timestamp": int((datetime.now(UTC) + clock).timestamp() * 1000),
                "certificateStatus": "PENDING_ACTIVATION",
                "awsAccountId": "000000000000",
                "certificateRegistrationTimestamp": None,
            }
        )

    def hide_messages_for(self, seconds: int) -> None:
        """How long a message that a worker has is hidden from the others."""
        self.client("sqs").set_queue_attributes(
            QueueUrl=self.outputs[Output.ACTIVATION_QUEUE_URL],
            Attributes={"VisibilityTimeout": str(seconds)},
        )

    def peek_dead_letters(self) -> list[dict[str, Any]]:
        answer = self.client("sqs").receive_message(
            QueueUrl=self.outputs[Output.DEAD_LETTER_QUEUE_URL],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return list(answer.get("Messages", []))

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision that the activator has logged."""
        pages = self.client("logs").get_paginator("filter_log_events")
        found = []
        for page in pages.paginate(logGroupName=self.outputs[Output.ACTIVATOR_LOG_GROUP]):
            for event in page["events"]:
                lines = [line for line in event["message"].splitlines() if '"outcome"' in line]
                found += [json.loads(line[line.index("{") :]) for line in lines]
        return found

    def register_active(self, identity: DeviceIdentity) -> str:
        """What somebody does who registers and activates a certificate by hand."""
        answer = self.client("iot").register_certificate(
            certificatePem=identity.certificate.pem, caCertificatePem=identity.ca.pem, status="ACTIVE"
        )
        return str(answer["certificateId"])

    def reconcile(self) -> None:
        """What its schedule does every hour."""
        functions = self.client("lambda")
        [name] = [
            function["FunctionName"]
            for function in functions.list_functions()["Functions"]
            if function["Handler"] == environment.RECONCILER_HANDLER
            and function["Environment"]["Variables"][environment.LEDGER_TABLE]
            == self.outputs[Output.LEDGER_TABLE]
        ]
        answer = functions.invoke(FunctionName=name, Payload=b"{}", LogType="Tail")
        assert "FunctionError" not in answer, b64decode(answer["LogResult"]).decode()

    def statuses(self, certificates: list[str]) -> set[str]:
        return {self.status(certificate) for certificate in certificates}


@dataclass
class Outage:
    """What was seen while a service was away."""

    case: Case
    struck: int
    statuses: set[str]
    reasons: set[Reason | None]


@dataclass
class Aftermath:
    """What is left of the faults."""

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
        self.revocations = RevocationList(first.ca)
        names = ("killed", "s3", "api", "redelivered", "poisoned", "clocks", "mixed")
        for name in names:
            case = first.case(name, Validity.days(30))
            self.cases[name] = (first, case)
        self.stranger = first.ca.issue(DeviceSpec("registered-by-somebody-else"))
        self.revoked_stranger = first.ca.issue(DeviceSpec("and-revoked-since"))
        for identity in (
            *[bad for _, case in self.cases.values() for bad in case.bad],
            self.revoked_stranger,
        ):
            self.revocations.revoke(identity.certificate.x509.serial_number)

    def publish_crl(self) -> None:
        bucket, _, prefix = self.first.outputs["LabCrlLocation"].removeprefix("s3://").partition("/")
        s3 = self.first.client("s3")
        s3.put_object(Bucket=bucket, Key=f"{prefix}ca.crl", Body=self.revocations.sign())
        ours = self.first.outputs[Output.REVOCATION_BUCKET]
        assert wait_until(
            lambda: bool(s3.list_objects_v2(Bucket=ours, Prefix="index/").get("Contents")),
            limit=PATIENCE,
            interval=0.1,
        )

    def visit(self, pipeline: Pipeline, case: Case) -> None:
        """The case's visitor connects, and again and again, until it is in."""
        pipeline.credentials(case.visitor)
        case.visit = self.pool.submit(pipeline.connect, case.visitor, timeout=OUTAGE + UNTIL_ALL_IS_WELL)

    def kill_a_worker_in_mid_batch(self) -> None:
        """The process that runs the function is gone while it attaches a policy."""
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
            assert done.wait(PATIENCE)
        self.visit(pipeline, case)

    def _process_at(self, port: int) -> psutil.Process | None:
        """The process of the local cloud that calls from this port; None if it has given up waiting."""
        cloud = psutil.Process(self.first.lab.endpoint.process.pid)
        for process in cloud.children(recursive=True):
            if any(each.laddr.port == port for each in process.net_connections("tcp")):
                return process
        return None

    @contextmanager
    def outage(
        self, name: str, service: str, strike: Callable[[Request], Any], *, only_for_these: bool = False
    ) -> Iterator[None]:
        """A service is away for a minute, for all or for the devices of the case, and they come."""
        pipeline, case = self.cases[name]
        identities = (*case.good, *case.bad, case.visitor) if only_for_these else ()
        about = [identity.certificate.fingerprint for identity in identities]
        with pipeline.proxy.fault(service, strike, about) as fault:
            began = time.monotonic()
            pipeline.send_all(case)
            self.visit(pipeline, case)
            yield
            time.sleep(max(0.0, began + OUTAGE - time.monotonic()))
            self.outages[name] = self._seen(pipeline, case, fault)

    def _seen(self, pipeline: Pipeline, case: Case, fault: Fault) -> Outage:
        waiting = [identity.certificate.fingerprint for identity in (*case.good, *case.bad)]
        rows = [pipeline.row(certificate) for certificate in waiting]
        return Outage(
            case, fault.struck, pipeline.statuses(waiting), {row.reason if row else None for row in rows}
        )

    def aftermath(self) -> Aftermath:
        """Wait until all is well again."""
        for _, case in self.cases.values():
            if case.visit:
                assert case.visit.result().ending == "published"
        pipelines = {"first": self.first, "second": self.cases["ledger"][0]}
        drained = {
            name: wait_until(
                lambda pipeline=pipeline: pipeline.waiting(Output.ACTIVATION_QUEUE_URL) == 0,
                limit=UNTIL_ALL_IS_WELL,
                interval=0.2,
            )
            for name, pipeline in pipelines.items()
        }
        letters = {name: pipeline.peek_dead_letters() for name, pipeline in pipelines.items()}
        decisions: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for pipeline in pipelines.values():
            for decision in pipeline.decisions():
                decisions[decision["correlation_id"]].append(decision)
        return Aftermath(self.cases, self.outages, self.killed, drained, letters, decisions)

    def poison_one_batch(self) -> None:
        pipeline, case = self.cases["poisoned"]
        pipeline.send_all(case, "poison", '{"certificateId": 1}')
        self.visit(pipeline, case)

    def set_clocks_wrong(self) -> None:
        """Events that say of themselves that they are from minutes ago, or from minutes ahead."""
        pipeline, case = self.cases["clocks"]
        for identity, minutes in zip((*case.good, *case.bad), (-10, 10, 10), strict=True):
            event = pipeline.event(pipeline.plant(identity), timedelta(minutes=minutes))
            case.messages += pipeline.send_batch([event])

    def mix_events(self, second: Pipeline) -> None:
        """Each pipeline gets its own events and the other's."""
        (first, case), (_, theirs) = self.cases["mixed"], self.cases["mixed in second"]
        ours = [first.event(first.plant(identity)) for identity in (*case.good, *case.bad)]
        others = [second.event(second.plant(identity)) for identity in (*theirs.good, *theirs.bad)]
        case.messages += first.send_batch([*ours, others[0]])
        theirs.messages += second.send_batch([*others, ours[0]])

    def redeliver(self) -> None:
        """The queue delivers a message again while a worker is still at it."""
        pipeline, case = self.cases["redelivered"]
        slow = case.good[0].certificate.fingerprint

        def wait(request: Request) -> None:
            if request.operation.startswith("PUT /target-policies"):
                time.sleep(4)

        pipeline.hide_messages_for(1)
        with pipeline.proxy.fault("iot", wait, mentions=[slow]):
            pipeline.send_all(case)
            pipeline.wait_for_state(slow, State.ACTIVATED)
        pipeline.hide_messages_for(30)


def _deploy_second(first: Pipeline, folder: Path) -> Pipeline:
    ca = DevelopmentCa.create("second CA")
    certificate_file, _ = ca.save(folder)
    first.lab.put_secret(SECOND_SECRET, key_pem(ca.key).decode())
    [its_ca] = default_configuration(certificate_file)["cas"]
    its_ca = {**its_ca, "signer": {"type": "secret", "secret": SECOND_SECRET}}
    deployment = first.lab.deploy({"cas": [its_ca], "stack_name": "second", "log_level": "DEBUG"})
    return Pipeline(first.lab, ca, folder / "devices", own_outputs=dict(deployment.outputs))


@dataclass
class Clouds:
    """Both pipelines after all faults, and what came before."""

    first: Pipeline
    second: Pipeline
    aftermath: Aftermath
    missed: DeviceIdentity
    """It came while the rule was disabled, and has not come back."""
    stranger: DeviceIdentity
    revoked_stranger: DeviceIdentity


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    settings = {
        "revocation": {"refresh_seconds": 1},
        "reconciler": {"pending_minutes": 1},
        "log_level": "DEBUG",
    }
    folder: Path = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        cloud = stack.enter_context(deployed_cloud(folder, settings, revocation={"crl_s3": {}}))
        first = Pipeline(cloud.lab, cloud.ca, folder / "devices", own_outputs=dict(cloud.outputs))
        stack.enter_context(first.behind_proxy())
        run = Run(first, stack.enter_context(ThreadPoolExecutor(max_workers=8)))
        run.publish_crl()
        # As short as AWS lets it be, the function's own time-out: what a killed worker had comes back then.
        first.hide_messages_for(30)
        missed = first.ca.issue(DeviceSpec("came-while-the-rule-was-disabled"))
        with rule_changed(first, lambda rule: rule.update(ruleDisabled=True)):
            assert first.connect(missed, timeout=BRIEFLY).ending == "not_let_in"
        run.kill_a_worker_in_mid_batch()
        second = _side_by_side(run, folder / "second", stack)
        yield Clouds(first, second, run.aftermath(), missed, run.stranger, run.revoked_stranger)


def _side_by_side(run: Run, folder: Path, stack: ExitStack) -> Pipeline:
    with ExitStack() as ledger_outage:
        with ExitStack() as outages:
            outages.enter_context(run.outage("s3", "s3", answering(S3_UNAVAILABLE)))
            # S3 is away for everybody else meanwhile.
            internal_failure = answering(INTERNAL_FAILURE)
            outages.enter_context(run.outage("api", "iot", internal_failure, only_for_these=True))
            second = _deploy_second(run.first, folder)
            stack.enter_context(second.behind_proxy())
            run.cases["ledger"] = (second, second.case("ledger"))
            run.cases["mixed in second"] = (second, second.case("mixed-in-second"))
            ledger_outage.enter_context(run.outage("ledger", "dynamodb", broken))
        run.redeliver()
        run.poison_one_batch()
        run.set_clocks_wrong()
    run.mix_events(second)
    return second


# after each fault


OUT = {
    (State.REFUSED, Reason.REVOKED),
    (State.REFUSED, Reason.EXPIRED),
    (State.REVOKED, Reason.REVOKED),
}
"""How the ledger may say that a device that must not get in did not."""
NAMES = ["killed", "s3", "api", "ledger", "redelivered", "poisoned", "clocks", "mixed", "mixed in second"]


@pytest.mark.parametrize("name", NAMES)
def test_every_admissible_device_is_in_and_every_other_one_is_out(clouds: Clouds, name: str) -> None:
    pipeline, case = clouds.aftermath.cases[name]

    assert pipeline.statuses(case.admissible) == {"ACTIVE"}
    for certificate in case.admissible:
        row = pipeline.row(certificate)
        assert row is not None
        assert (row.state, row.reason, row.claim_expires_at) == (State.ACTIVATED, None, 0)
        assert pipeline.policies_of(certificate) == [pipeline.outputs[Output.DEVICE_POLICY_NAME]]
    # The sweep may have been by since, and made who is on the CRL REVOKED besides.
    assert pipeline.statuses(case.inadmissible) <= {"PENDING_ACTIVATION", "REVOKED"}
    for certificate in case.inadmissible:
        row = pipeline.row(certificate)
        assert row is not None
        assert (row.state, row.reason) in OUT
        assert pipeline.policies_of(certificate) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_message_has_an_outcome(clouds: Clouds, name: str) -> None:
    pipeline, case = clouds.aftermath.cases[name]
    ended = {decision["correlation_id"] for decision in pipeline.decisions() if decision["outcome"] in ENDED}

    assert case.messages
    assert set(case.messages) <= ended


def test_no_message_is_left_and_the_dead_letters_are_the_hopeless_ones(clouds: Clouds) -> None:
    aftermath = clouds.aftermath
    reasons = {
        name: sorted(letter["MessageAttributes"]["reason"]["StringValue"] for letter in letters)
        for name, letters in aftermath.letters.items()
    }

    assert aftermath.drained == {"first": True, "second": True}
    assert reasons == {
        "first": [Reason.FOREIGN_CA, Reason.MALFORMED_EVENT, Reason.MALFORMED_EVENT],
        "second": [Reason.FOREIGN_CA],
    }


# while it lasted


@pytest.mark.parametrize(("name", "reason"), [("s3", Reason.SERVICE_ERROR), ("api", Reason.SERVICE_ERROR)])
def test_while_a_service_is_away_everybody_waits(clouds: Clouds, name: str, reason: Reason) -> None:
    outage = clouds.aftermath.outages[name]

    assert outage.struck > 3 * len(outage.case.messages), "each was tried, and again"
    assert outage.statuses == {"PENDING_ACTIVATION"}
    assert outage.reasons == {reason}


def test_while_the_ledger_is_away_nobody_is_let_in_and_nothing_is_asked_of_aws_iot(clouds: Clouds) -> None:
    outage = clouds.aftermath.outages["ledger"]

    assert outage.struck > 3 * len(outage.case.messages)
    assert outage.statuses == {"PENDING_ACTIVATION"}
    assert outage.reasons == {None}


def test_a_worker_was_killed_and_what_it_had_came_back(clouds: Clouds) -> None:
    _, case = clouds.aftermath.cases["killed"]
    of_the_victim = clouds.aftermath.decisions[case.messages[1]]

    assert len(clouds.aftermath.killed) == 1
    assert of_the_victim
    assert Reason.INTERNAL_ERROR not in {each.get("reason") for each in of_the_victim}


def test_a_message_delivered_twice_activates_once(clouds: Clouds) -> None:
    _, case = clouds.aftermath.cases["redelivered"]
    decided = clouds.aftermath.decisions[case.messages[0]]

    assert len(decided) > 1
    assert [each["outcome"] for each in decided].count("activated") == 1


def test_the_event_of_the_other_pipeline_changes_nothing(clouds: Clouds) -> None:
    for this, other in (("mixed", "mixed in second"), ("mixed in second", "mixed")):
        (pipeline, _), (_, case) = clouds.aftermath.cases[this], clouds.aftermath.cases[other]
        row = pipeline.row(case.good[0].certificate.fingerprint)
        assert row is not None
        assert (row.state, row.serial_number) == (None, None)


# the reconciler


def test_the_reconciler_finds_who_came_while_the_rule_was_disabled(clouds: Clouds) -> None:
    certificate = clouds.missed.certificate.fingerprint
    assert clouds.first.status(certificate) == "PENDING_ACTIVATION"
    assert clouds.first.row(certificate) is None
    too_new = clouds.first.plant(clouds.first.ca.issue(DeviceSpec("its-event-is-on-its-way")))

    clouds.first.reconcile()

    clouds.first.wait_for_state(certificate, State.ACTIVATED)
    assert clouds.first.row(too_new) is None
    assert clouds.first.connect(clouds.missed).ending == "published"


def test_certificates_of_somebody_else_are_entered_and_checked_against_the_crl(clouds: Clouds) -> None:
    both = (clouds.stranger, clouds.revoked_stranger)
    good, bad = (clouds.first.register_active(identity) for identity in both)

    clouds.first.reconcile()

    for identity, certificate in zip(both, (good, bad), strict=True):
        row = clouds.first.row(certificate)
        assert row is not None
        assert row.serial_number == identity.certificate.serial_number
    assert clouds.first.status(good) == "ACTIVE"
    assert clouds.first.status(bad) == "REVOKED"


def test_redrive_brings_in_who_was_missed_and_what_died_once_its_cause_is_fixed(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause: the CA of a device was not one of this deployment, and now is."""
    first, second = clouds.first, clouds.second
    for name, value in first.lab.endpoint.credentials.items():
        monkeypatch.setenv(name, value)
    missed = first.plant(first.ca.issue(DeviceSpec("its-event-was-lost")))
    early = second.plant(second.ca.issue(DeviceSpec("came-before-its-ca")))
    letters = first.waiting(Output.DEAD_LETTER_QUEUE_URL)
    first.send_batch([second.event(early)])
    assert wait_until(
        lambda: first.waiting(Output.DEAD_LETTER_QUEUE_URL) == letters + 1, limit=PATIENCE, interval=0.1
    )
    cas = json.loads(first.told_activator()[environment.CAS])
    cas[second.outputs["LabCaCertificateId"]] = {"revocation": "none"}
    first.tell_activator(**{environment.CAS: json.dumps(cas)})

    # A minute later: for so long the decision that killed the letter answers for its certificate.
    first.look_again(early, after=0)

    result = CliRunner().invoke(jitr, ["redrive", "--pending-minutes", "0", "--json"])

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["dead_letters"] == letters + 1
    first.wait_for_state(missed, State.ACTIVATED)
    first.wait_for_state(early, State.ACTIVATED)
    assert first.policies_of(early) == [first.outputs[Output.DEVICE_POLICY_NAME]]
    first.wait_until_drained()
    hopeless = {letter["MessageAttributes"]["reason"]["StringValue"] for letter in first.peek_dead_letters()}
    assert hopeless == {Reason.MALFORMED_EVENT}
