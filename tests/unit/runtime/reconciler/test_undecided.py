"""Which certificates are undecided."""

from datetime import UTC, datetime, timedelta

import pytest

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.reconciler.listing import CertificateSummary, is_undecided

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CERTIFICATE = CertificateId("c" * 64)
RATE_LIMITED = {"state": State.DEFERRED, "reason": Reason.RATE_LIMITED}


def ago(minutes: int) -> int:
    """A moment in the past, in milliseconds; a negative number gives a moment in the future."""
    return int((NOW - timedelta(minutes=minutes)).timestamp() * 1000)


def listed(status: str = "PENDING_ACTIVATION", minutes: int = 60) -> CertificateSummary:
    return CertificateSummary(CERTIFICATE, status, NOW - timedelta(minutes=minutes))


def row(**known: object) -> Row:
    return Row(CERTIFICATE, **known)  # type: ignore[arg-type]


def undecided(certificate: CertificateSummary, found: Row) -> bool:
    return is_undecided(certificate, found, NOW, timedelta(minutes=15))


@pytest.mark.parametrize(
    ("minutes", "known", "expected"),
    [
        pytest.param(60, {}, True, id="without a row"),
        pytest.param(15, {}, True, id="pending for as long as its event may take"),
        pytest.param(14, {}, False, id="pending for less"),
        pytest.param(300, {**RATE_LIMITED, "valid_until": ago(-180)}, False, id="its message comes back"),
        pytest.param(300, {**RATE_LIMITED, "valid_until": ago(16)}, True, id="its slot has passed"),
        pytest.param(
            60, {"state": State.ACTIVATING, "lease_expires_at": ago(1)}, False, id="a worker has it"
        ),
        pytest.param(
            60, {"state": State.ACTIVATING, "lease_expires_at": ago(20)}, True, id="its worker has crashed"
        ),
    ],
)
def test_a_pending_certificate_is_undecided_when_no_worker_or_message_is_about_to_decide_it(
    minutes: int, known: dict[str, object], *, expected: bool
) -> None:
    assert undecided(listed(minutes=minutes), row(**known)) is expected


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_a_certificate_that_is_not_pending_is_decided(status: str) -> None:
    assert not undecided(listed(status), row())


@pytest.mark.parametrize(
    "state", [State.REFUSED, State.KNOWN, State.ACTIVATED, State.REVOKED, State.SUSPENDED, State.RETIRED]
)
def test_only_a_decision_after_the_registration_counts(state: State) -> None:
    assert not undecided(listed(minutes=120), row(state=state, decided_at=ago(60)))
    assert undecided(listed(minutes=60), row(state=state, decided_at=ago(120)))


@pytest.mark.parametrize("state", [State.ACTIVATED, State.KNOWN, State.RETIRED])
def test_a_missed_slot_does_not_make_a_certificate_decided(state: State) -> None:
    missed = row(state=state, reason=Reason.RATE_LIMITED, decided_at=ago(240), valid_until=ago(16))

    assert undecided(listed(minutes=300), missed)
