"""The scenes of the demonstration, with a broker and a pipeline that answer as each test says."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from iot_jitr_cli.connect import Cause, ConnectResult, Device, Ending, Endpoint, Step, TimelineEvent
from iot_jitr_cli.demo import devices
from iot_jitr_cli.demo.model import Mark, Progress
from iot_jitr_cli.demo.script import Script
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import Row, State
from iot_jitr_runtime.outcomes import Reason

pytestmark = pytest.mark.timing

Answers = list[tuple[Step, Cause | None]]
ADMITTED: Answers = [
    (Step.REFUSED, Cause.CLOSED_WITHOUT_CONNACK),
    (Step.CONNECTED, None),
    (Step.PUBLISHED, None),
    (Step.RECEIVED, None),
]
ADMITTED_AT_ONCE = ADMITTED[1:]
REFUSED: Answers = [(Step.REFUSED, Cause.CERTIFICATE_REJECTED)] * 2
CA = DevelopmentCa.create("ours")


@dataclass
class FakePipeline:
    """A pipeline with these records; it decides at once, or never."""

    known: list[str] = field(default_factory=list)
    status: str = "ACTIVE"
    state: State | None = State.ACTIVATED
    reason: Reason | None = None
    crl_takes_effect: bool = True
    revoked: list[str] = field(default_factory=list)
    timeout: float = 0.01

    def marks(self, certificate_ids: Iterable[str]) -> Iterator[tuple[str, Mark, float]]:
        for certificate_id in certificate_ids:
            if certificate_id in self.known:
                for mark in (Mark.REGISTERED, Mark.PENDING, Mark.ACTIVATED):
                    yield certificate_id, mark, time.time()

    def statuses(self) -> dict[str, str]:
        return dict.fromkeys(self.known, self.status) | dict.fromkeys(self.revoked, "REVOKED")

    def row(self, certificate_id: str) -> Row | None:
        if self.state is None:
            return None
        return Row(CertificateId(certificate_id), state=self.state, reason=self.reason, detail="as it says")

    @staticmethod
    def wait_until(condition: Callable[[], Any]) -> Any:
        return wait_until(condition, limit=1.0)

    def register_pending(self, identity: DeviceIdentity) -> None:
        self.known.append(identity.certificate.fingerprint)

    def revoke(self, identity: DeviceIdentity, _reason: object) -> None:
        if self.crl_takes_effect:
            self.revoked.append(identity.certificate.fingerprint)

    def wait_for_index(self, _replaced: None) -> None:
        return


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Decide what the broker answers a device by its client id; without a name, to all others."""

    def decide(others: Answers, **by_name: Answers) -> None:
        def connect(device: Device, on_event: Any, _stop: Any) -> ConnectResult:
            answers = by_name.get(device.client_id.replace("-", "_"), others)
            events = tuple(
                TimelineEvent(step, datetime.now(UTC), 0.0, 1, "", cause)
                for step, cause in [(Step.CONNECTING, None), *answers]
            )
            for event in events:
                on_event(event)
            published = events[-1].step is Step.RECEIVED
            return ConnectResult(device.client_id, Ending.PUBLISHED if published else Ending.REFUSED, events)

        monkeypatch.setattr(devices, "connect", connect)

    return decide


def identities(count: int) -> list[DeviceIdentity]:
    return [CA.issue(DeviceSpec(f"sensor-{number}")) for number in range(count)]


def script(pipeline: FakePipeline) -> Script:
    return Script(Progress(), Endpoint("localhost", 1), pipeline, CA)  # type: ignore[arg-type]


def unmet(played: Script) -> list[str]:
    return [f"{each.claim}: {each.seen}" for each in played.progress.demo.expectations if not each.met]


class TestAdmit:
    @staticmethod
    def play(admitted: int, pipeline: FakePipeline, known: int) -> Script:
        others = identities(admitted)
        pipeline.known += [each.certificate.fingerprint for each in others[:known]]
        played = script(pipeline)
        played._admit(others)
        return played

    def test_devices_that_are_admitted_reach_every_mark(self, broker: Callable[..., None]) -> None:
        broker(ADMITTED)

        played = self.play(3, FakePipeline(), known=3)

        assert unmet(played) == []
        assert len(played.progress.demo.expectations) == 4
        assert [set(device.marks) for device in played.progress.demo.devices] == [set(Mark)] * 3
        assert played.progress.demo.all_published_after is not None

    def test_a_device_that_is_refused_is_reported(self, broker: Callable[..., None]) -> None:
        broker(ADMITTED, sensor_1=REFUSED)

        played = self.play(2, FakePipeline(), known=1)

        assert unmet(played) == [
            "2 of 2 devices connected and published later: 1 of 2",
            "2 of 2 devices have an ACTIVE certificate: 1 of 2",
            "2 of 2 devices were seen at every point on the way: 1 of 2",
        ]
        assert played.progress.demo.all_published_after is None

    def test_a_device_that_is_admitted_at_once_is_reported_too(self, broker: Callable[..., None]) -> None:
        broker(ADMITTED_AT_ONCE)

        assert unmet(self.play(1, FakePipeline(), known=1)) == [
            "1 of 1 devices were refused at their first connect, which registers them: 0 of 1"
        ]


class TestListed:
    @staticmethod
    def play(status: str, state: State, reason: Reason | None) -> Script:
        [listed] = identities(1)
        played = script(FakePipeline([listed.certificate.fingerprint], status, state, reason))
        played.admit([], listed)
        del played.progress.demo.expectations[:4]
        return played

    @pytest.mark.parametrize(
        ("status", "state", "said"),
        [
            ("PENDING_ACTIVATION", State.REFUSED, "as it says"),
            ("REVOKED", State.REVOKED, "revoked by the sweep since, with reason as it says"),
        ],
    )
    def test_a_device_on_the_crl_is_refused(
        self, broker: Callable[..., None], status: str, state: State, said: str
    ) -> None:
        broker(REFUSED)

        played = self.play(status, state, Reason.REVOKED)

        assert unmet(played) == []
        assert len(played.progress.demo.expectations) == 3
        [refused] = played.progress.demo.refused
        assert refused.reason == f"refused in the TLS handshake; the pipeline refuses it: {said}"

    def test_one_that_is_admitted_is_reported(self, broker: Callable[..., None]) -> None:
        broker(ADMITTED)

        assert unmet(self.play("ACTIVE", State.ACTIVATED, None)) == [
            "sensor-0, which is on the CRL, was refused each time: published",
            "the pipeline refused its certificate as 'revoked': no decision",
            "that certificate is registered, and not ACTIVE: ACTIVE",
        ]

    def test_a_refusal_for_another_reason_is_not_taken_for_a_revocation(
        self, broker: Callable[..., None]
    ) -> None:
        broker(REFUSED)

        assert unmet(self.play("PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED)) == [
            "the pipeline refused its certificate as 'revoked': as it says"
        ]


class TestRefuse:
    @staticmethod
    def play(status: str, state: State | None, reason: Reason | None = None) -> Script:
        played = script(FakePipeline([], status, state, reason))
        played.refuse()
        return played

    def test_both_are_refused_each_for_its_reason(self, broker: Callable[..., None]) -> None:
        broker(REFUSED)

        played = self.play("PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED)

        assert unmet(played) == []
        assert [device.reason for device in played.progress.demo.refused] == [
            "refused in the TLS handshake; AWS IoT never registered it",
            "refused in the TLS handshake; registered past the broker, the pipeline refuses it: as it says",
        ]

    def test_one_that_is_admitted_is_reported(self, broker: Callable[..., None]) -> None:
        broker(ADMITTED_AT_ONCE)

        assert unmet(self.play("ACTIVE", State.ACTIVATED)) == [
            "the foreign device was refused each time: published",
            "the expired device was refused each time: published",
            "the pipeline refused its certificate as 'expired': no decision",
            "that certificate never became ACTIVE: ACTIVE",
        ]

    def test_a_pipeline_that_does_not_decide_is_reported(self, broker: Callable[..., None]) -> None:
        broker([(Step.REFUSED, Cause.CLOSED_WITHOUT_CONNACK)])

        played = self.play("PENDING_ACTIVATION", None)

        assert unmet(played) == ["the pipeline refused its certificate as 'expired': no decision"]
        assert (played.progress.demo.refused[0].reason or "").startswith("refused at the connect")


class FakeSession:
    """A session that is closed once its certificate is revoked, where sessions are closed."""

    def __init__(self, pipeline: FakePipeline, *, closes: bool) -> None:
        self.pipeline, self.closes = pipeline, closes

    @property
    def closed_at(self) -> float | None:
        return time.time() if self.is_closed() else None

    def is_closed(self) -> bool:
        return self.closes and bool(self.pipeline.revoked)

    def wait_until_closed(self, _timeout: float) -> bool:
        return self.is_closed()


class TestRevoke:
    @pytest.fixture(autouse=True)
    def _sessions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @contextmanager
        def connected(played: Script, _device: DeviceIdentity) -> Iterator[FakeSession]:
            yield FakeSession(played.pipeline, closes=self.closes)  # type: ignore[arg-type]

        monkeypatch.setattr(Script, "_connected", connected)

    closes = True

    @staticmethod
    def play(*, takes_effect: bool) -> Script:
        revoked, *others = identities(3)
        known = [each.certificate.fingerprint for each in (revoked, *others)]
        played = script(FakePipeline(known, crl_takes_effect=takes_effect))
        played.revoke(revoked, others)
        return played

    def test_an_active_device_is_refused_after_a_new_crl(self, broker: Callable[..., None]) -> None:
        broker(REFUSED)

        played = self.play(takes_effect=True)

        assert unmet(played) == []
        assert len(played.progress.demo.expectations) == 4
        steps = played.progress.demo.revocation
        titles = [
            "sensor-0 revoked",
            "index published",
            "certificate REVOKED",
            "session closed",
            "next connect",
        ]
        assert [step.title for step in steps] == titles
        assert "after the upload" in steps[3].detail
        assert steps[-1].detail == "refused in the TLS handshake"

    def test_a_crl_that_has_no_effect_is_reported(self, broker: Callable[..., None]) -> None:
        broker(ADMITTED_AT_ONCE)

        assert unmet(self.play(takes_effect=False)) == [
            "sensor-0 became REVOKED after the new CRL: ACTIVE",
            "the open session of sensor-0 was closed: it is still open",
            "sensor-0, which had been active, was refused at its next connect: published",
        ]

    def test_a_session_that_stays_open_is_reported(self, broker: Callable[..., None]) -> None:
        broker(REFUSED)
        self.closes = False

        assert unmet(self.play(takes_effect=True)) == [
            "the open session of sensor-0 was closed: it is still open"
        ]


def test_a_device_stops_after_as_many_refusals_as_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(device: Device, on_event: Any, stop: threading.Event) -> ConnectResult:
        events: list[TimelineEvent] = []
        while not stop.wait(0.001):
            cause = Cause.CERTIFICATE_REJECTED
            events.append(TimelineEvent(Step.REFUSED, datetime.now(UTC), 0.0, len(events) + 1, "", cause))
            on_event(events[-1])
        return ConnectResult(device.client_id, Ending.STOPPED, tuple(events))

    monkeypatch.setattr(devices, "connect", connect)
    [identity] = identities(1)
    device = devices.ConnectingDevice(identity, Endpoint("localhost", 1), refusals=3)

    device.start()

    assert device.result().attempts == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_device_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> ConnectResult:
        raise ValueError("broken")

    monkeypatch.setattr(devices, "connect", connect)
    [identity] = identities(1)
    device = devices.ConnectingDevice(identity, Endpoint("localhost", 1))

    device.start()

    with pytest.raises(RuntimeError, match="sensor-0 failed"):
        device.result()
