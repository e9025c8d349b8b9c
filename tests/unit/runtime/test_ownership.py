"""Ownership written as tags and read back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.ownership import KEYS, Claim, Owner, Ownership, UnreadableOwnershipError

OWNERSHIPS = st.builds(Ownership, st.builds(Owner, st.text(), st.text()), st.text(), st.sampled_from(Claim))
OTHER_TAGS = st.dictionaries(st.text().filter(lambda key: key not in KEYS), st.text())
OWNED = Ownership(Owner("fleet", "Ca"), "off")


@given(OWNERSHIPS, OTHER_TAGS)
def test_ownership_is_read_from_its_tags_among_others(ownership: Ownership, others: dict[str, str]) -> None:
    assert Ownership.from_tags({**others, **ownership.to_tags()}) == ownership


@given(OTHER_TAGS)
def test_without_these_tags_there_is_no_owner(tags: dict[str, str]) -> None:
    assert Ownership.from_tags(tags) is None


def test_every_tag_is_valid_in_aws() -> None:
    tag_key = re.compile(r"[\w .:/=+\-@]{1,128}")
    assert all(tag_key.fullmatch(key) and not key.startswith("aws:") for key in OWNED.to_tags())


@pytest.mark.parametrize("key", sorted(KEYS))
def test_incomplete_tags_are_refused(key: str) -> None:
    tags = OWNED.to_tags()
    del tags[key]

    with pytest.raises(UnreadableOwnershipError, match=key):
        Ownership.from_tags(tags)


def test_an_unknown_claim_is_refused() -> None:
    with pytest.raises(UnreadableOwnershipError, match="mine"):
        Ownership.from_tags({**OWNED.to_tags(), "jitr:claim": "mine"})


def test_a_redeployed_stack_is_the_same_owner_in_spite_of_its_new_arn() -> None:
    arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/fleet/{}"

    first, second = (
        Owner.of_event({"StackId": arn.format(uuid), "LogicalResourceId": "Ca"}) for uuid in ("6c1f", "ffff")
    )

    assert first == second == Owner("fleet", "Ca")
