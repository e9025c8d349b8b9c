"""The former logging of the account is restored exactly, also after repeated or interrupted calls."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.account_log import (
    KEY,
    SWITCHED_OFF,
    THEIR_KEY,
    THEIRS,
    UNDER_KEY,
    AccountLog,
    CutOffError,
    is_off,
)

Group = tuple[str | None, int | None] | None
"""Key and retention of the log group; None: there is none."""
Step = tuple[str, int | None]
"""A request, and after how many API calls the function is ended; None: never."""


def assert_restored(
    account: AccountLog, options: dict[str, Any] | None, group: Group, steps: list[Step]
) -> None:
    """After these steps and a deletion, options and log group are as they were."""
    account.reset(options)
    if group is not None:
        account.make_group(*group)
    before = account.log_group()
    requests = {
        "create": lambda: account.logging().create(UNDER_KEY),
        "update": lambda: account.logging().update(UNDER_KEY, replace(UNDER_KEY, retention_days=7)),
        "delete": lambda: account.logging().delete(UNDER_KEY),
    }

    for request, calls_left in [*steps, ("delete", None)]:
        account.calls_left = calls_left
        with suppress(CutOffError):
            requests[request]()

    if options is None or not options["roleArn"]:
        # AWS IoT has no call to take a role away.
        assert account.is_off
    else:
        assert account.options == options
    if is_off(options):
        assert account.log_group() == before


@pytest.mark.parametrize("options", [None, SWITCHED_OFF], ids=["never configured", "switched off"])
@pytest.mark.parametrize(
    "group",
    [None, (None, None), (None, 7), (KEY, 365), (THEIR_KEY, None)],
    ids=["no group", "no key", "retention", "our key", "their key"],
)
@pytest.mark.parametrize("before", [[], [("create", None)]], ids=["new", "created"])
@pytest.mark.parametrize("request_type", ["create", "update", "delete"])
def test_the_former_state_is_restored_after_a_fault_at_any_call(
    account: AccountLog,
    options: dict[str, Any] | None,
    group: Group,
    before: list[Step],
    request_type: str,
) -> None:
    for calls_left in (*range(10), None):
        assert_restored(account, options, group, [*before, (request_type, calls_left)])


OPTIONS = st.one_of(
    st.none(),
    st.builds(
        lambda role, level, disabled: {"roleArn": role, "defaultLogLevel": level, "disableAllLogs": disabled},
        st.sampled_from(["", THEIRS]),
        st.sampled_from(["DEBUG", "INFO", "WARN", "ERROR", "DISABLED"]),
        st.booleans(),
    ),
)
GROUPS = st.none() | st.tuples(st.sampled_from([None, THEIR_KEY, KEY]), st.sampled_from([None, 1, 30, 3653]))
REQUESTS = st.sampled_from(["create", "update", "delete"])
STEPS = st.lists(st.tuples(REQUESTS, st.none() | st.integers(0, 10)), max_size=5)


@settings(max_examples=50, deadline=None)
@given(options=OPTIONS, group=GROUPS, steps=STEPS)
def test_the_former_state_is_restored_after_any_sequence_of_repeated_and_cut_off_calls(
    one_account: AccountLog, options: dict[str, Any] | None, group: Group, steps: list[Step]
) -> None:
    assert_restored(one_account, options, group, steps)
