"""The account's logging is restored exactly as it was found, and another owner's is never changed."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_jitr_runtime.account_logging.lifecycle import AccountLoggingError, FormerState, Options
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LoggingProperties, Mode
from iot_jitr_runtime.custom_resource import IAM_DELAYS
from tests.support.account_log import (
    GROUP_ARN,
    KEY,
    MANAGE,
    OURS,
    THEIR_KEY,
    THEIR_LOGGING,
    THEIRS,
    UNDER_KEY,
    AccountLog,
    CutOffError,
)

ADOPT = LoggingProperties(Mode.ADOPT)
ON = {"roleArn": OURS, "defaultLogLevel": "ERROR", "disableAllLogs": False}
SWITCHED_OFF = {"roleArn": THEIRS, "defaultLogLevel": "WARN", "disableAllLogs": True}


def off(options: dict[str, Any] | None) -> bool:
    silent = {"disableAllLogs": True, "defaultLogLevel": "DISABLED", "roleArn": ""}
    return options is None or any(options[key] == value for key, value in silent.items())


# manage


def test_logging_that_is_off_is_turned_on_with_our_role_and_retention(account: AccountLog) -> None:
    account.logging().create(MANAGE)

    assert account.options == ON
    assert account.log_group()["retention"] == 30


def test_an_account_that_never_logged_logs_nothing_after_the_deletion(account: AccountLog) -> None:
    account.logging().create(MANAGE)
    account.logging().delete(MANAGE)

    assert off(account.options)
    assert account.options is not None
    assert account.options["roleArn"] == OURS  # AWS IoT has no call to take it away
    assert account.log_group() is None


@pytest.mark.parametrize("retention", [None, 7, 365])
def test_options_that_were_off_and_an_older_log_group_are_restored(
    account: AccountLog, retention: int | None
) -> None:
    account.options = dict(SWITCHED_OFF)
    account.logs.create_log_group(logGroupName=LOG_GROUP, tags={"team": "iot"})
    if retention:
        account.logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=retention)
    before = account.state()

    account.logging().create(MANAGE)
    changed = account.state()
    account.logging().delete(MANAGE)

    assert changed != before
    assert account.state() == before


def test_logging_of_another_owner_is_used_as_it_is(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    account.logging().create(MANAGE)
    account.logging().update(replace(MANAGE, retention_days=90), MANAGE)
    account.logging().delete(MANAGE)

    assert account.options == THEIR_LOGGING
    assert account.settings == []


def test_the_log_group_that_a_metric_filter_needs_is_created_where_it_is_missing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    account.logging().create(MANAGE)

    assert account.log_group()["retention"] is None


def test_options_that_another_owner_sets_later_are_never_turned_off(account: AccountLog) -> None:
    account.logging().create(MANAGE)
    account.options = dict(THEIR_LOGGING)

    account.logging().delete(MANAGE)

    assert account.options == THEIR_LOGGING
    assert account.log_group()["tags"] == {}


def test_a_second_stack_uses_the_first_ones_logging_and_leaves_it_on(account: AccountLog) -> None:
    theirs = replace(MANAGE, role_arn=THEIRS)
    account.logging("first").create(MANAGE)

    account.logging("second").create(theirs)
    account.logging("second").delete(theirs)

    assert account.options == ON
    account.logging("first").delete(MANAGE)
    assert off(account.options)
    assert account.log_group() is None


def test_a_repeated_creation_keeps_the_first_record(account: AccountLog) -> None:
    account.options = dict(SWITCHED_OFF)
    account.logs.create_log_group(logGroupName=LOG_GROUP)
    before = account.state()

    account.logging().create(MANAGE)
    account.logging().create(MANAGE)
    account.logging().delete(MANAGE)
    account.logging().delete(MANAGE)

    assert account.state() == before


def test_an_update_changes_retention_and_role(account: AccountLog) -> None:
    newer = replace(MANAGE, role_arn=f"{OURS}-2", retention_days=90)
    account.logging().create(MANAGE)

    account.logging().update(newer, MANAGE)

    assert account.options == {**ON, "roleArn": f"{OURS}-2"}
    assert account.log_group()["retention"] == 90


def test_a_role_that_aws_iot_does_not_know_yet_is_tried_again(account: AccountLog) -> None:
    account.roles_refused = len(IAM_DELAYS)

    account.logging().create(MANAGE)

    assert account.options == ON


@pytest.mark.parametrize("existed", [True, False])
def test_a_creation_that_fails_leaves_nothing_behind(account: AccountLog, *, existed: bool) -> None:
    account.roles_refused = 1000
    if existed:
        account.make_group()
    before = account.state()

    with pytest.raises(AccountLoggingError, match="role/ours"):
        account.logging().create(UNDER_KEY)

    assert account.state() == before


def test_the_deletion_stops_using_our_role_also_without_a_record(account: AccountLog) -> None:
    account.logging().create(MANAGE)
    account.forget()

    account.logging().delete(MANAGE)

    assert off(account.options)
    assert account.log_group() is not None


def test_a_deletion_that_was_cut_off_after_the_options_restores_the_log_group(
    account: AccountLog,
) -> None:
    account.options = dict(SWITCHED_OFF)
    account.logging().create(MANAGE)
    account.calls_left = 3  # the tags, the options, and their writing
    with pytest.raises(CutOffError):
        account.logging().delete(MANAGE)
    account.calls_left = None

    account.logging().delete(MANAGE)

    assert account.state() == (SWITCHED_OFF, None)


def test_logging_stays_ours_when_the_log_group_is_deleted(account: AccountLog) -> None:
    account.logging().create(MANAGE)
    account.delete_group()

    account.logging().update(replace(MANAGE, retention_days=7), MANAGE)
    changed = account.log_group()
    account.logging().delete(MANAGE)

    assert changed["retention"] == 7
    assert off(account.options)
    assert account.log_group() is None


# adopt


def test_adopt_changes_nothing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)
    account.make_group()
    before = account.state()

    account.logging().create(ADOPT)
    account.logging().delete(ADOPT)

    assert account.state() == before
    assert account.settings == []


@pytest.mark.parametrize("options", [None, SWITCHED_OFF])
def test_adopt_fails_where_there_is_nothing_to_adopt(
    account: AccountLog, options: dict[str, Any] | None
) -> None:
    account.options = options

    with pytest.raises(AccountLoggingError, match=r"'adopt'.*is off.*'manage'"):
        account.logging().create(ADOPT)


def test_a_change_from_manage_to_adopt_restores_the_former_state_first(account: AccountLog) -> None:
    account.logging().create(MANAGE)

    with pytest.raises(AccountLoggingError):
        account.logging().update(ADOPT, MANAGE)

    assert off(account.options)


def test_a_repeated_update_of_adopted_logging_changes_nothing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    account.logging().update(ADOPT, ADOPT)

    assert account.settings == []


# the log group


def test_a_log_group_that_appears_meanwhile_is_tagged(account: AccountLog) -> None:
    # AWS IoT creates it between the look and the creation.
    def appear(**_: Any) -> None:
        account.logs.meta.events.unregister("before-call.cloudwatch-logs.CreateLogGroup", appear)
        account.make_group()

    account.logs.meta.events.register("before-call.cloudwatch-logs.CreateLogGroup", appear)

    account.logging().create(MANAGE)
    account.logging().delete(MANAGE)

    assert account.log_group() is None


def test_a_log_group_whose_name_only_begins_like_it_is_another_one(account: AccountLog) -> None:
    account.logs.create_log_group(logGroupName=f"{LOG_GROUP}-copy")

    account.logging().create(MANAGE)
    account.logging().delete(MANAGE)

    assert account.log_group() is None


@pytest.mark.parametrize(
    ("tag", "value"),
    [("jitr:former-state", "WARN"), ("jitr:former-state", "WARN/off/x/y"), ("jitr:claim", "mine")],
)
def test_a_record_that_was_changed_is_not_used(account: AccountLog, tag: str, value: str) -> None:
    account.make_group()
    account.logging().create(MANAGE)
    account.logs.tag_resource(resourceArn=GROUP_ARN, tags={tag: value})

    account.logging().delete(MANAGE)

    assert off(account.options)
    assert account.log_group() is not None


# always

OPTIONS = st.one_of(
    st.none(),
    st.builds(
        lambda role, level, disabled: {"roleArn": role, "defaultLogLevel": level, "disableAllLogs": disabled},
        st.sampled_from(["", THEIRS]),
        st.sampled_from(["DEBUG", "INFO", "WARN", "ERROR", "DISABLED"]),
        st.booleans(),
    ),
)
GROUPS = st.sampled_from(["missing", None, 1, 30, 3653])
KEYS = st.sampled_from([None, THEIR_KEY, KEY])
CUT_OFF = st.one_of(st.none(), st.integers(0, 10))
"""After how many calls the function is ended; None: never."""
STEPS = st.lists(st.tuples(st.sampled_from(["create", "update", "delete"]), CUT_OFF), max_size=5)


@settings(max_examples=50, deadline=None)
@given(options=OPTIONS, group=GROUPS, key=KEYS, steps=STEPS)
def test_the_former_state_is_restored_after_any_sequence_of_repeated_and_cut_off_calls(
    one_account: AccountLog,
    options: dict[str, Any] | None,
    group: str | int | None,
    key: str | None,
    steps: list[tuple[str, int | None]],
) -> None:
    account = one_account
    account.begin_anew()
    account.options = dict(options) if options is not None else None
    if group != "missing":
        account.make_group(key)
    if isinstance(group, int):
        account.logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=group)
    before = account.state()
    calls = {
        "create": lambda: account.logging().create(UNDER_KEY),
        "update": lambda: account.logging().update(UNDER_KEY, replace(UNDER_KEY, retention_days=7)),
        "delete": lambda: account.logging().delete(UNDER_KEY),
    }

    for step, calls_left in [*steps, ("delete", None)]:
        account.calls_left = calls_left
        with suppress(CutOffError):
            calls[step]()

    if options is None or not options["roleArn"]:
        assert off(account.options)
    else:
        assert account.options == options
    if off(options):
        assert account.log_group() == before[1]


# the record


@pytest.mark.parametrize(
    "state",
    [
        FormerState(Options()),
        FormerState(Options(THEIRS, "INFO", disabled=False)),
        FormerState(Options(THEIRS, "WARN"), has_group=True),
        FormerState(Options(THEIRS, "WARN"), has_group=True, retention_days=90, has_key=True),
    ],
)
def test_the_former_state_can_be_read_from_its_tag(state: FormerState) -> None:
    assert FormerState.from_tag(state.to_tag()) == state
