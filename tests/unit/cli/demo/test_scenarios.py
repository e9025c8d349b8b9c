"""The scenarios of the demonstration, with a broker and a pipeline that each test defines."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from iot_jitr_cli.connect import Cause, ConnectResult, Device, Ending, Endpoint, Step, TimelineEvent
from iot_jitr_cli.console import CliError
from iot_jitr_cli.demo import devices
from iot_jitr_cli.demo import scenarios as module
from iot_jitr_cli.demo.model import Demo, Milestone
from iot_jitr_cli.demo.scenarios import Scenarios
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import Row, State
from iot_jitr_runtime.outcomes import Reason

pytestmark = pytest.mark.timing

Answers = list[tuple[Step, Cause | None]]
ADMITTED_AT_ONCE: Answers = [(Step.CONNECTED, None), (Step.PUBLISHED, None), (Step.RECEIVED, None)]
ADMITTED: Answers = [(Step.REFUSED, Cause.CLOSED_WITHOUT_CONNACK), *ADMITTED_AT_ONCE]
REFUSED: Answers = [(Step.REFUSED, Cause.CERTIFICATE_REJECTED)] * 2
CLOSED: Answers = [(Step.REFUSED, Cause.CLOSED_WITHOUT_CONNACK)]
CA = DevelopmentCa.create("ours")
Play = Callable[..., Scenarios]


@dataclass
class FakePipeline:
    """A pipeline with these records; it decides at once, or never."""

    known: list[str] = field(default_factory=list)
    """The first of the devices (by number) that are registered, later certificate ids."""
    status: str = "ACTIVE"
    state: State | None = State.ACTIVATED
    reason: Reason | None = None
    crl_takes_effect: bool = True
    closes_sessions: bool = True
    revoked: list[str] = field(default_factory=list)
    timeout: float = 0.01

    def marks(self, certificate_ids: Iterable[str]) -> Iterator[tuple[str, Milestone, float]]:
        for certificate_id in certificate_ids:
            if certificate_id in self.known:
                for mark in (Milestone.REGISTERED, Milestone.PENDING, Milestone.ACTIVATED):
                    yield certificate_id, mark, time.time()

    def statuses(self) -> dict[str, str]:
        return dict.fromkeys(self.known, self.status) | dict.fromkeys(self.revoked, "REVOKED")

    def row(self, certificate_id: str) -> Row | None:
        if self.state is None:
            return None
        return Row(CertificateId(certificate_id), state=self.state, reason=self.reason, detail="the detail")

    @staticmethod
    def wait_until(condition: Callable[[], Any]) -> Any:
        return wait_until(condition, limit=1.0)

    wait_for_row = Pipeline.wait_for_row

    def register_pending(self, identity: DeviceIdentity) -> None:
        self.known.append(identity.certificate.fingerprint)

    def revoke(self, identity: DeviceIdentity, _reason: object) -> None:
        if self.crl_takes_effect:
            self.revoked.append(identity.certificate.fingerprint)

    def wait_for_index(self, _replaced: None) -> None:
        return


class FakeSession:
    """A session that is closed once its certificate is revoked, where sessions are closed."""

    def __init__(self, pipeline: FakePipeline) -> None:
        self.pipeline = pipeline

    @property
    def closed_at(self) -> float | None:
        return time.time() if self.is_closed() else None

    def is_closed(self) -> bool:
        return self.pipeline.closes_sessions and bool(self.pipeline.revoked)

    def wait_until_closed(self, _timeout: float) -> bool:
        return self.is_closed()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Play a scenario against a broker that answers a device by its client id."""

    def played(
        scenario: str,
        pipeline: FakePipeline,
        answers: Answers,
        by_name: dict[str, Answers] | None = None,
    ) -> Scenarios:
        def connect(device: Device, on_event: Any, _stop: Any) -> ConnectResult:
            steps = [(Step.CONNECTING, None), *(by_name or {}).get(device.client_id, answers)]
            events = tuple(TimelineEvent(step, datetime.now(UTC), 0.0, 1, "", cause) for step, cause in steps)
            for event in events:
                on_event(event)
            published = events[-1].step is Step.RECEIVED
            return ConnectResult(device.client_id, Ending.PUBLISHED if published else Ending.REFUSED, events)

        @contextmanager
        def open_session(*_: object) -> Iterator[Any]:
            yield FakeSession(pipeline) if answers != CLOSED else None

        monkeypatch.setattr(devices, "connect", connect)
        monkeypatch.setattr(module, "open_session", open_session)
        scenarios = Scenarios(Demo(), Endpoint("localhost", 1), pipeline, CA)  # type: ignore[arg-type]
        first, *others = (CA.issue(DeviceSpec(f"sensor-{number}")) for number in range(3))
        if scenario != "refuse":
            ids = [each.certificate.fingerprint for each in (first, *others)]
            pipeline.known = ids[: len(pipeline.known) or None]
        match scenario:
            case "admit":
                scenarios._admit([first, *others])
            case "listed":
                scenarios.admit([], first)
                # The expectations of the empty fleet.
                del scenarios.demo.expectations[:4]
            case "refuse":
                scenarios.refuse()
            case "revoke":
                scenarios.revoke(first, others)
        return scenarios

    return played


def unmet(played: Scenarios) -> list[str]:
    return [f"{each.claim}: {each.seen}" for each in played.demo.expectations if not each.met]


def test_admitted_devices_have_every_mark(play: Play) -> None:
    played = play("admit", FakePipeline(), ADMITTED)

    demo = played.demo
    assert (unmet(played), len(demo.expectations)) == ([], 4)
    assert [set(device.marks) for device in demo.devices] == [set(Milestone)] * 3
    assert demo.all_published_after is not None


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        ("PENDING_ACTIVATION", State.REFUSED, "the detail"),
        ("REVOKED", State.REVOKED, "revoked by the sweep since, with reason the detail"),
    ],
)
def test_a_device_on_the_crl_is_refused(play: Play, status: str, state: State, text: str) -> None:
    played = play("listed", FakePipeline([], status, state, Reason.REVOKED), REFUSED)

    assert (unmet(played), len(played.demo.expectations)) == ([], 3)
    [refused] = played.demo.refused
    assert refused.reason == f"refused in the TLS handshake; the pipeline refuses it: {text}"


def test_foreign_and_expired_devices_are_refused_with_their_reasons(play: Play) -> None:
    pipeline = FakePipeline([], "PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED)

    played = play("refuse", pipeline, REFUSED)

    assert unmet(played) == []
    assert [device.reason for device in played.demo.refused] == [
        "refused in the TLS handshake; AWS IoT never registered it",
        "refused in the TLS handshake; registered past the broker, the pipeline refuses it: the detail",
    ]


def test_an_active_device_is_refused_after_a_new_crl(play: Play) -> None:
    played = play("revoke", FakePipeline(), REFUSED)

    assert (unmet(played), len(played.demo.expectations)) == ([], 4)
    steps = {step.title: step.detail for step in played.demo.revocation}
    assert [*steps] == [
        "sensor-0 revoked",
        "index published",
        "certificate REVOKED",
        "session closed",
        "next connect",
    ]
    assert "after the upload" in steps["session closed"]
    assert steps["next connect"] == "refused in the TLS handshake"


@pytest.mark.parametrize(
    ("scenario", "pipeline", "answers", "expected"),
    [
        (
            "admit",
            FakePipeline(),
            ADMITTED_AT_ONCE,
            ["3 of 3 devices were refused at their first connect, which registers them: 0 of 3"],
        ),
        (
            "listed",
            FakePipeline([], "ACTIVE", State.ACTIVATED),
            ADMITTED,
            [
                "sensor-0, which is on the CRL, was refused each time: published",
                "the pipeline refused its certificate as 'revoked': no decision",
                "that certificate is registered, and not ACTIVE: ACTIVE",
            ],
        ),
        (
            "listed",
            FakePipeline([], "PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED),
            REFUSED,
            ["the pipeline refused its certificate as 'revoked': the detail"],
        ),
        (
            "refuse",
            FakePipeline([], "ACTIVE", State.ACTIVATED),
            ADMITTED_AT_ONCE,
            [
                "the foreign device was refused each time: published",
                "the expired device was refused each time: published",
                "the pipeline refused its certificate as 'expired': no decision",
                "that certificate never became ACTIVE: ACTIVE",
            ],
        ),
        (
            "refuse",
            FakePipeline([], "PENDING_ACTIVATION", None),
            CLOSED,
            ["the pipeline refused its certificate as 'expired': no decision"],
        ),
        (
            "revoke",
            FakePipeline(crl_takes_effect=False),
            ADMITTED_AT_ONCE,
            [
                "sensor-0 became REVOKED after the new CRL: ACTIVE",
                "the open session of sensor-0 was closed: it is still open",
                "sensor-0, which had been active, was refused at its next connect: published",
            ],
        ),
        (
            "revoke",
            FakePipeline(closes_sessions=False),
            REFUSED,
            ["the open session of sensor-0 was closed: it is still open"],
        ),
    ],
    ids=[
        "admitted at once",
        "listed and admitted",
        "refused for another reason",
        "foreign and expired admitted",
        "no decision",
        "a CRL without effect",
        "a session that stays open",
    ],
)
def test_an_unmet_expectation_is_reported(
    play: Play, scenario: str, pipeline: FakePipeline, answers: Answers, expected: list[str]
) -> None:
    assert unmet(play(scenario, pipeline, answers)) == expected


def test_one_refused_device_among_several_is_reported(play: Play) -> None:
    played = play("admit", FakePipeline(known=["0", "1"]), ADMITTED, {"sensor-2": REFUSED})

    assert unmet(played) == [
        "3 of 3 devices connected and published later: 2 of 3",
        "3 of 3 devices have an ACTIVE certificate: 2 of 3",
        "3 of 3 devices were seen at every point on the way: 2 of 3",
    ]
    assert played.demo.all_published_after is None


def test_an_active_device_that_is_refused_on_reconnect_is_an_error(play: Play) -> None:
    with pytest.raises(CliError, match="sensor-0, which is active, was not admitted again"):
        play("revoke", FakePipeline(), CLOSED)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("fails", [False, True])
def test_a_device_stops_after_its_limit_of_refusals_and_errors_propagate(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    def connect(device: Device, on_event: Any, stop: threading.Event) -> ConnectResult:
        events: list[TimelineEvent] = []
        while not stop.wait(0.001):
            cause = Cause.CERTIFICATE_REJECTED
            events.append(TimelineEvent(Step.REFUSED, datetime.now(UTC), 0.0, len(events) + 1, "", cause))
            on_event(events[-1])
        if fails:
            raise ValueError("broken")
        return ConnectResult(device.client_id, Ending.STOPPED, tuple(events))

    monkeypatch.setattr(devices, "connect", connect)
    device = devices.ConnectingDevice(CA.issue(DeviceSpec("sensor-0")), Endpoint("localhost", 1), refusals=3)

    device.start()

    if fails:
        with pytest.raises(RuntimeError, match="sensor-0 failed"):
            device.result()
    else:
        assert device.result().attempts == 3
