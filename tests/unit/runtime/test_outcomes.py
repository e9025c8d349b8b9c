import pytest

from iot_jitr_runtime.outcomes import (
    DeferredError,
    Outcome,
    PermanentError,
    Reason,
    RefusedError,
    StaleError,
    Verdict,
)


def test_every_reason_belongs_to_one_outcome() -> None:
    assert {reason.outcome for reason in Reason} == set(Outcome) - {Outcome.ACTIVATED}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StaleError, Outcome.STALE),
        (RefusedError, Outcome.REFUSED),
        (DeferredError, Outcome.DEFERRED),
        (PermanentError, Outcome.DEAD_LETTERED),
    ],
)
def test_a_decision_takes_only_reasons_of_its_outcome(error: type, outcome: Outcome) -> None:
    for reason in Reason:
        if reason.outcome is outcome:
            assert error(reason, "why").verdict == Verdict(reason, "why")
        else:
            with pytest.raises(ValueError, match=reason):
                error(reason)


def test_a_decision_without_detail_is_shown_by_its_reason() -> None:
    assert str(RefusedError(Reason.EXPIRED)) == "expired"
