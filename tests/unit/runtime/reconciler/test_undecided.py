"""Which certificates are undecided, and which the ledger does not know."""

from datetime import UTC, datetime, timedelta

import pytest

from iot_jitr_runtime.identifiers import CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.reconciler.listing import Listed, is_undecided, is_unknown

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CERTIFICATE = CertificateId("c" * 64)
QUARTER = timedelta(minutes=15)


def milliseconds(**ago: float) -> int:
    return int((NOW - timedelta(**ago)).timestamp() * 1000)


def listed(status: str = "PENDING_ACTIVATION", **ago: float) -> Listed:
    return Listed(CERTIFICATE, status, NOW - timedelta(**(ago or {"hours": 1})))


def row(**known: object) -> Row:
    return Row(CERTIFICATE, **known)  # type: ignore[arg-type]


def undecided(certificate: Listed, found: Row) -> bool:
    return is_undecided(certificate, found, NOW, QUARTER)


def test_a_pending_certificate_without_a_row_is_undecided() -> None:
    assert undecided(listed(), row())


def test_one_that_is_pending_for_less_than_its_event_may_take_is_not() -> None:
    assert not undecided(listed(minutes=14), row())
    assert undecided(listed(minutes=15), row())


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_one_that_is_not_pending_is_decided(status: str) -> None:
    assert not undecided(listed(status), row())


@pytest.mark.parametrize(
    "state", [State.REFUSED, State.KNOWN, State.ACTIVATED, State.REVOKED, State.SUSPENDED]
)
def test_one_with_a_decision_since_its_registration_is_decided(state: State) -> None:
    assert not undecided(listed(hours=2), row(state=state, decided_at=milliseconds(hours=1)))


@pytest.mark.parametrize("state", [State.REFUSED, State.ACTIVATED, State.REVOKED])
def test_a_decision_about_an_earlier_registration_does_not_count(state: State) -> None:
    assert undecided(listed(hours=1), row(state=state, decided_at=milliseconds(hours=2)))


def test_one_whose_message_comes_back_later_is_waited_for() -> None:
    waiting = row(state=State.DEFERRED, reason=Reason.RATE_LIMITED, look_again_at=milliseconds(hours=-3))

    assert not undecided(listed(hours=5), waiting)


def test_one_whose_turn_has_passed_without_it_is_undecided() -> None:
    missed = row(state=State.DEFERRED, reason=Reason.RATE_LIMITED, look_again_at=milliseconds(minutes=16))

    assert undecided(listed(hours=5), missed)


@pytest.mark.parametrize("state", [State.ACTIVATED, State.KNOWN, State.RETIRED])
def test_a_turn_is_no_decision_about_one_that_was_registered_again(state: State) -> None:
    missed = row(
        state=state,
        reason=Reason.RATE_LIMITED,
        decided_at=milliseconds(hours=4),
        look_again_at=milliseconds(minutes=16),
    )

    assert undecided(listed(hours=5), missed)


def test_one_that_a_worker_is_at_is_waited_for() -> None:
    claimed = row(state=State.ACTIVATING, lease_expires_at=milliseconds(minutes=1))

    assert not undecided(listed(), claimed)


def test_one_whose_worker_died_and_whose_message_is_lost_is_undecided() -> None:
    dead = row(state=State.ACTIVATING, lease_expires_at=milliseconds(minutes=20))

    assert undecided(listed(), dead)


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_one_that_somebody_else_decided_about_is_unknown_until_its_serial_is(status: str) -> None:
    assert is_unknown(listed(status), row())
    assert is_unknown(listed(status), row(state=State.DEFERRED))
    assert not is_unknown(listed(status), row(state=State.KNOWN, serial_number=SerialNumber("a1")))


def test_a_pending_one_is_not_unknown_but_undecided() -> None:
    assert not is_unknown(listed(), row())
