"""The two scenes of the demonstration, with devices and records that fare as each test says."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from iot_jitr_cli.connect import Cause, ConnectResult, Device, Ending, Endpoint, Step, TimelineEvent
from iot_jitr_cli.demo import fleet, outsiders
from iot_jitr_cli.demo.arrivals import Arrivals
from iot_jitr_cli.demo.audience import Nobody
from iot_jitr_cli.demo.model import Expectation, Mark, Stage
from iot_jitr_cli.demo.narrator import Narrator
from iot_jitr_cli.demo.outsiders import Outsiders
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import Row, State
from iot_jitr_runtime.outcomes import Reason

Fate = Callable[[Device], list[tuple[Step, Cause | None]]]
GETS_IN: list[tuple[Step, Cause | None]] = [
    (Step.CONNECTING, None),
    (Step.REFUSED, Cause.CLOSED_WITHOUT_CONNACK),
    (Step.CONNECTED, None),
    (Step.PUBLISHED, None),
    (Step.RECEIVED, None),
]
STAYS_OUT: list[tuple[Step, Cause | None]] = [
    (Step.CONNECTING, None),
    (Step.REFUSED, Cause.CERTIFICATE_REJECTED),
]


@dataclass
class FakeRecords:
    """What AWS IoT and the ledger shall have on record."""

    known: list[str] = field(default_factory=list)
    status: str = "ACTIVE"
    row_state: State | None = State.ACTIVATED
    reason: Reason | None = None

    def marks(self, certificate_ids: Iterable[str]) -> Iterator[tuple[str, Mark, float]]:
        for certificate_id in certificate_ids:
            if certificate_id in self.known:
                for mark in (Mark.REGISTERED, Mark.PENDING, Mark.ACTIVATED):
                    yield certificate_id, mark, time.time()

    def statuses(self) -> dict[str, str]:
        return dict.fromkeys(self.known, self.status)

    def rows(self, certificate_ids: Iterable[str]) -> Iterator[Row]:
        for certificate_id in certificate_ids:
            if self.row_state is not None:
                named = CertificateId(certificate_id)
                yield Row(named, state=self.row_state, reason=self.reason, detail="expired on X")


class FakeIot:
    """Takes a planted certificate."""

    def __init__(self, records: FakeRecords) -> None:
        self._records = records

    def register_certificate(self, **_arguments: str) -> dict[str, str]:
        self._records.known.append("planted")
        return {"certificateId": "planted"}

    def update_certificate(self, **_arguments: str) -> None:
        return


class FakeSqs:
    """Takes a message."""

    def send_message(self, **_arguments: str) -> None:
        return


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fate], None]:
    """Decide how devices fare, in place of a broker."""

    def decide(events_of: Fate) -> None:
        def connect(device: Device, on_event: Any, _stop: Any) -> ConnectResult:
            events = tuple(
                TimelineEvent(step, datetime.now(UTC), 0.0, 1, "", cause) for step, cause in events_of(device)
            )
            for event in events:
                on_event(event)
            got_in = events[-1].step is Step.RECEIVED
            return ConnectResult(device.client_id, Ending.PUBLISHED if got_in else Ending.NOT_LET_IN, events)

        monkeypatch.setattr(fleet, "connect", connect)

    return decide


ENDPOINT = Endpoint("localhost", 1)
CA = DevelopmentCa.create("ours")


def identities(count: int) -> list[DeviceIdentity]:
    return [CA.issue(DeviceSpec(f"sensor-{number}")) for number in range(count)]


def unmet(expectations: list[Expectation]) -> list[str]:
    return [f"{each.claim}: {each.seen}" for each in expectations if not each.met]


class TestArrivals:
    def test_all_devices_that_get_in_reach_every_mark(self, fate: Callable[[Fate], None]) -> None:
        fate(lambda _device: GETS_IN)
        fleet_of_three = identities(3)
        records = FakeRecords([each.certificate.fingerprint for each in fleet_of_three])
        stage = Stage()

        expectations = Arrivals(Narrator(stage, Nobody()), ENDPOINT, records).play(fleet_of_three)  # type: ignore[arg-type]

        assert unmet(expectations) == []
        assert len(expectations) == 4
        assert [set(device.marks) for device in stage.devices] == [set(Mark)] * 3
        assert stage.all_in_after is not None

    def test_a_device_that_stays_out_is_told(self, fate: Callable[[Fate], None]) -> None:
        fate(lambda device: STAYS_OUT if device.client_id == "sensor-1" else GETS_IN)
        two = identities(2)
        records = FakeRecords([two[0].certificate.fingerprint])
        stage = Stage()

        expectations = Arrivals(Narrator(stage, Nobody()), ENDPOINT, records).play(two)  # type: ignore[arg-type]

        assert unmet(expectations) == [
            "2 of 2 devices connected and published later: 1 of 2",
            "2 of 2 devices have an ACTIVE certificate: 1 of 2",
            "2 of 2 devices were seen at every point on the way: 1 of 2",
        ]
        assert stage.all_in_after is None

    def test_a_device_that_is_let_in_at_once_is_told_too(self, fate: Callable[[Fate], None]) -> None:
        fate(lambda _device: [GETS_IN[0], *GETS_IN[2:]])
        one = identities(1)
        records = FakeRecords([one[0].certificate.fingerprint])

        expectations = Arrivals(Narrator(Stage(), Nobody()), ENDPOINT, records).play(one)  # type: ignore[arg-type]

        assert unmet(expectations) == [
            "1 of 1 devices were refused at their first connect, which registers them: 0 of 1"
        ]


class TestOutsiders:
    @staticmethod
    def play(records: FakeRecords) -> tuple[Stage, list[Expectation]]:
        stage = Stage()
        scene = Outsiders(Narrator(stage, Nobody()), ENDPOINT, records, CA)  # type: ignore[arg-type]
        return stage, scene.play(FakeIot(records), FakeSqs(), "queue")

    def test_both_stay_out_each_with_its_reason(self, fate: Callable[[Fate], None]) -> None:
        fate(lambda _device: STAYS_OUT)

        stage, expectations = self.play(FakeRecords([], "PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED))

        assert unmet(expectations) == []
        foreign, expired = stage.outsiders
        assert foreign.reason == "refused in the TLS handshake; AWS IoT never registered it"
        assert expired.reason == (
            "refused in the TLS handshake; put past the broker, the pipeline refuses it: expired on X"
        )

    def test_an_outsider_that_gets_in_is_told(self, fate: Callable[[Fate], None]) -> None:
        fate(lambda _device: GETS_IN)

        _, expectations = self.play(FakeRecords([], "ACTIVE", State.ACTIVATED))

        assert unmet(expectations) == [
            "the foreign device was turned away each time: published",
            "the expired device was turned away each time: published",
            "the pipeline refused its certificate as 'expired': no decision",
            "that certificate never became ACTIVE: ACTIVE",
        ]

    def test_a_pipeline_that_does_not_decide_is_not_waited_for_for_ever(
        self, fate: Callable[[Fate], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outsiders, "_DECISION_LIMIT", 0.0)
        fate(lambda _device: [(Step.CONNECTING, None), (Step.REFUSED, Cause.CLOSED_WITHOUT_CONNACK)])

        stage, expectations = self.play(FakeRecords([], "PENDING_ACTIVATION", None))

        assert unmet(expectations) == ["the pipeline refused its certificate as 'expired': no decision"]
        assert (stage.outsiders[0].reason or "").startswith("refused at the connect")
