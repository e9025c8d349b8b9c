"""The scenes of the demonstration, with devices and records that fare as each test says."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from iot_jitr_cli.connect import Cause, ConnectResult, Device, Ending, Endpoint, Step, TimelineEvent
from iot_jitr_cli.demo import crl, fleet, listed, outsiders, put_out
from iot_jitr_cli.demo.arrivals import Arrivals
from iot_jitr_cli.demo.audience import Nobody
from iot_jitr_cli.demo.crl import CaCrl, IndexNotPublishedError
from iot_jitr_cli.demo.listed import Listed
from iot_jitr_cli.demo.model import Expectation, Mark, Stage
from iot_jitr_cli.demo.narrator import Narrator
from iot_jitr_cli.demo.outsiders import Outsiders
from iot_jitr_cli.demo.put_out import PutOut
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.revocation_list import RevocationList
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger.rows import Row, State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.store import IndexMissingError

pytestmark = pytest.mark.timing

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
    revoked: list[str] = field(default_factory=list)

    def marks(self, certificate_ids: Iterable[str]) -> Iterator[tuple[str, Mark, float]]:
        for certificate_id in certificate_ids:
            if certificate_id in self.known:
                for mark in (Mark.REGISTERED, Mark.PENDING, Mark.ACTIVATED):
                    yield certificate_id, mark, time.time()

    def statuses(self) -> dict[str, str]:
        return dict.fromkeys(self.known, self.status) | dict.fromkeys(self.revoked, "REVOKED")

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

    def test_both_try_until_each_was_refused_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refusals = Counter[str]()

        def connect(device: Device, on_event: Any, stop: threading.Event) -> ConnectResult:
            events: list[TimelineEvent] = []
            while not stop.wait(0.01):
                refusals[device.client_id] += 1
                cause = Cause.CERTIFICATE_REJECTED
                events.append(TimelineEvent(Step.REFUSED, datetime.now(UTC), 0.0, len(events) + 1, "", cause))
                on_event(events[-1])
            return ConnectResult(device.client_id, Ending.STOPPED, tuple(events))

        monkeypatch.setattr(fleet, "connect", connect)

        _, expectations = self.play(FakeRecords([], "PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED))

        assert unmet(expectations) == []
        assert min(refusals["foreign"], refusals["expired"]) == 2

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


class TestListed:
    @staticmethod
    def play(records: FakeRecords) -> tuple[Stage, list[Expectation]]:
        stage = Stage()
        [identity] = identities(1)
        records.known.append(identity.certificate.fingerprint)
        with Listed(Narrator(stage, Nobody()), ENDPOINT, records, identity) as scene:  # type: ignore[arg-type]
            return stage, scene.judged()

    @pytest.mark.parametrize(
        ("status", "state", "said"),
        [
            ("PENDING_ACTIVATION", State.REFUSED, "expired on X"),
            ("REVOKED", State.REVOKED, "revoked by the sweep since, with reason expired on X"),
        ],
    )
    def test_a_device_on_the_crl_stays_out(
        self, fate: Callable[[Fate], None], status: str, state: State, said: str
    ) -> None:
        fate(lambda _device: STAYS_OUT)

        stage, expectations = self.play(FakeRecords([], status, state, Reason.REVOKED))

        assert unmet(expectations) == []
        assert len(expectations) == 3
        [outsider] = stage.outsiders
        assert outsider.reason == f"refused in the TLS handshake; the pipeline refuses it: {said}"

    def test_one_that_gets_in_all_the_same_is_told(
        self, fate: Callable[[Fate], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listed, "_DECISION_LIMIT", 0.0)
        fate(lambda _device: GETS_IN)

        _, expectations = self.play(FakeRecords([], "ACTIVE", State.ACTIVATED))

        assert unmet(expectations) == [
            "sensor-0, which is on the CRL, was turned away each time: published",
            "the pipeline refused its certificate as 'revoked': no decision",
            "that certificate is registered, and not ACTIVE: ACTIVE",
        ]

    def test_a_refusal_for_another_reason_is_not_taken_for_a_revocation(
        self, fate: Callable[[Fate], None]
    ) -> None:
        fate(lambda _device: STAYS_OUT)

        _, expectations = self.play(FakeRecords([], "PENDING_ACTIVATION", State.REFUSED, Reason.EXPIRED))

        assert unmet(expectations) == ["the pipeline refused its certificate as 'revoked': expired on X"]


class FakeCrl:
    """A CRL that takes effect, or does not, when it is uploaded."""

    def __init__(self, records: FakeRecords, leaver: DeviceIdentity | None) -> None:
        self._records = records
        self._takes_effect_on = leaver
        self.revoked: list[DeviceIdentity] = []

    def revoke(self, identity: DeviceIdentity, _reason: object) -> None:
        self.revoked.append(identity)

    def upload(self) -> None:
        return

    def wait_until_in_force(self) -> None:
        if self._takes_effect_on in self.revoked:
            self._records.revoked.append(self.revoked[0].certificate.fingerprint)


class TestPutOut:
    @staticmethod
    def play(*, takes_effect: bool) -> tuple[Stage, list[Expectation]]:
        leaver, *others = identities(3)
        records = FakeRecords([each.certificate.fingerprint for each in (leaver, *others)])
        ca_crl = FakeCrl(records, leaver if takes_effect else None)
        stage = Stage()
        scene = PutOut(Narrator(stage, Nobody()), ENDPOINT, records, ca_crl)  # type: ignore[arg-type]
        return stage, scene.play(leaver, others)

    def test_a_device_that_is_in_is_out_after_a_new_crl(self, fate: Callable[[Fate], None]) -> None:
        fate(lambda _device: STAYS_OUT)

        stage, expectations = self.play(takes_effect=True)

        assert unmet(expectations) == []
        assert len(expectations) == 3
        assert [step.title for step in stage.revocation] == [
            "sensor-0 revoked",
            "index published",
            "certificate REVOKED",
            "next connect",
        ]
        assert stage.revocation[-1].detail == "refused in the TLS handshake"

    def test_a_crl_that_has_no_effect_is_told(
        self, fate: Callable[[Fate], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(put_out, "_SWEEP_LIMIT", 0.0)
        fate(lambda _device: GETS_IN)

        _, expectations = self.play(takes_effect=False)

        assert unmet(expectations) == [
            "sensor-0 became REVOKED after the new CRL: ACTIVE",
            "sensor-0, which had been in, was refused at its next connect: published",
        ]


class FakeStore:
    """Has an index from the `after`-th question on."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.asked = 0

    def current(self, _ca: CaCertificateId) -> Any:
        self.asked += 1
        if self.asked <= self._after:
            raise IndexMissingError("none yet")
        return SimpleNamespace(version="1")


class FakeS3:
    """Keeps what is uploaded."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - boto3's names
        self.objects[Bucket, Key] = Body


class TestCaCrl:
    @staticmethod
    def made(store: FakeStore, s3: FakeS3) -> CaCrl:
        ca_id = CaCertificateId("ca")
        return CaCrl(RevocationList(CA), s3, "s3://bucket/crl/Lab/", store, ca_id)  # type: ignore[arg-type]

    def test_it_is_uploaded_below_the_prefix_and_waited_for(self) -> None:
        store, s3 = FakeStore(after=3), FakeS3()
        ca_crl = self.made(store, s3)
        [identity] = identities(1)

        ca_crl.revoke(identity, x509.ReasonFlags.key_compromise)
        ca_crl.upload()
        ca_crl.wait_until_in_force()

        uploaded = Crl.load(s3.objects["bucket", "crl/Lab/ca.crl"]).parsed
        assert [entry.serial_number for entry in uploaded] == [identity.certificate.x509.serial_number]
        assert store.asked == 4

    def test_an_upload_of_which_nothing_comes_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crl, "_LIMIT", 0.0)
        ca_crl = self.made(FakeStore(after=99), FakeS3())
        ca_crl.upload()

        with pytest.raises(IndexNotPublishedError, match=r"ministack\.log"):
            ca_crl.wait_until_in_force()
