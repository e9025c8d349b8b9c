"""Whose registration a CA is, written as tags and read back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.ca_registration.ownership import (
    KEYS,
    Claim,
    Owner,
    Ownership,
    UnreadableOwnershipError,
)
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus
from iot_jitr_runtime.ca_registration.registry import CaState

STATES = st.builds(CaState, st.sampled_from(CaStatus), st.sampled_from(AutoRegistration))
OWNERSHIPS = st.builds(
    Ownership, st.builds(Owner, st.text(), st.text()), st.sampled_from(Claim), st.none() | STATES
)
ADOPTED = Ownership(
    Owner("fleet", "fleet/Ca"), former_state=CaState(CaStatus.INACTIVE, AutoRegistration.DISABLE)
)


@given(OWNERSHIPS, st.dictionaries(st.text().filter(lambda key: key not in KEYS), st.text()))
def test_survives_as_tags_among_others(ownership: Ownership, others: dict[str, str]) -> None:
    assert Ownership.from_tags({**others, **ownership.to_tags()}) == ownership


@given(st.dictionaries(st.text().filter(lambda key: key not in KEYS), st.text()))
def test_a_ca_without_our_tags_belongs_to_nobody(tags: dict[str, str]) -> None:
    assert Ownership.from_tags(tags) is None


@given(OWNERSHIPS)
def test_every_tag_is_one_that_aws_takes(ownership: Ownership) -> None:
    tag_key = re.compile(r"[\w .:/=+\-@]{1,128}")
    assert all(tag_key.fullmatch(key) and not key.startswith("aws:") for key in ownership.to_tags())


@given(OWNERSHIPS)
def test_an_adopted_ca_is_one_that_has_a_state_to_go_back_to(ownership: Ownership) -> None:
    assert ownership.adopted is (ownership.former_state is not None)
    assert ownership.adopted is ("jitr:former-state" in ownership.to_tags())


@pytest.mark.parametrize("key", ["jitr:stack", "jitr:path", "jitr:origin", "jitr:claim", "jitr:former-state"])
def test_incomplete_tags_are_refused(key: str) -> None:
    tags = ADOPTED.to_tags()
    del tags[key]

    with pytest.raises(UnreadableOwnershipError, match="not as they were written"):
        Ownership.from_tags(tags)


@pytest.mark.parametrize(
    ("key", "value"),
    [("jitr:claim", "mine"), ("jitr:former-state", "ON"), ("jitr:former-state", "ACTIVE/MAYBE")],
)
def test_tags_changed_by_hand_are_refused(key: str, value: str) -> None:
    with pytest.raises(UnreadableOwnershipError):
        Ownership.from_tags({**ADOPTED.to_tags(), key: value})


def test_the_owner_is_the_stack_by_name_as_its_arn_changes_when_it_is_deployed_anew() -> None:
    arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/{}/{}"

    first = Owner.of_event(arn.format("fleet", "6c1f0d70"), "fleet/Ca")
    second = Owner.of_event(arn.format("fleet", "ffffffff"), "fleet/Ca")

    assert first == second == Owner("fleet", "fleet/Ca")
    assert str(first) == "stack 'fleet', construct 'fleet/Ca'"
