"""The effect of each request on logging and log group; those of another owner are never changed."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from iot_jitr_runtime.account_logging.lifecycle import AccountLoggingError
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LoggingProperties, Mode
from iot_jitr_runtime.custom_resource import IAM_DELAYS
from tests.support.account_log import (
    GROUP_ARN,
    KEY,
    MANAGE,
    ON,
    OURS,
    SWITCHED_OFF,
    THEIR_KEY,
    THEIR_LOGGING,
    THEIRS,
    UNDER_KEY,
    AccountLog,
    CutOffError,
)

ADOPT = LoggingProperties(Mode.ADOPT)
NEWER_KEY = f"{KEY}-2"


# manage


def test_logging_that_is_off_is_turned_on_with_our_role_and_retention(account: AccountLog) -> None:
    account.logging().create(MANAGE)

    assert account.options == ON
    assert account.log_group()["retention"] == 30


def test_logging_of_another_owner_is_used_as_it_is(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    account.logging().create(UNDER_KEY)
    # A metric filter needs the log group.
    created = account.log_group()
    account.logging().update(replace(UNDER_KEY, retention_days=90), UNDER_KEY)
    account.logging().delete(UNDER_KEY)

    assert (created["retention"], created["key"]) == (None, None)
    assert account.options == THEIR_LOGGING
    assert account.settings == []


def test_logging_options_of_another_owner_are_never_turned_off(account: AccountLog) -> None:
    account.logging().create(UNDER_KEY)
    account.options = dict(THEIR_LOGGING)

    account.logging().delete(UNDER_KEY)

    assert account.options == THEIR_LOGGING
    group = account.log_group()
    assert (group["tags"], group["key"]) == ({}, None)


def test_a_second_stack_uses_the_first_ones_logging_and_leaves_it_on(account: AccountLog) -> None:
    theirs = replace(MANAGE, role_arn=THEIRS)
    account.logging("first").create(MANAGE)

    account.logging("second").create(theirs)
    account.logging("second").delete(theirs)

    assert account.options == ON
    account.logging("first").delete(MANAGE)
    assert account.is_off
    assert account.log_group() is None


def test_an_update_changes_role_retention_and_key(account: AccountLog) -> None:
    newer = replace(UNDER_KEY, role_arn=f"{OURS}-2", retention_days=90)
    account.make_group()
    account.logging().create(MANAGE)

    account.logging().update(newer, MANAGE)

    assert account.options == {**ON, "roleArn": f"{OURS}-2"}
    group = account.log_group()
    assert (group["retention"], group["key"]) == (90, KEY)


def test_setting_a_role_is_retried_until_the_role_is_in_force(account: AccountLog) -> None:
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


def test_logging_stays_ours_when_the_log_group_is_deleted(account: AccountLog) -> None:
    account.logging().create(MANAGE)
    account.delete_group()

    account.logging().update(replace(MANAGE, retention_days=7), MANAGE)
    changed = account.log_group()
    account.logging().delete(MANAGE)

    assert changed["retention"] == 7
    assert account.is_off
    assert account.log_group() is None


def test_deletion_stops_the_use_of_our_role_even_without_a_record(account: AccountLog) -> None:
    account.logging().create(MANAGE)
    account.forget()

    account.logging().delete(MANAGE)

    assert account.is_off
    assert account.log_group() is not None


@pytest.mark.parametrize(
    ("tag", "value"),
    [("jitr:former-state", "WARN"), ("jitr:former-state", "WARN/off/x/y"), ("jitr:claim", "mine")],
)
def test_a_record_that_was_changed_is_not_used(account: AccountLog, tag: str, value: str) -> None:
    account.make_group()
    account.logging().create(MANAGE)
    account.logs.tag_resource(resourceArn=GROUP_ARN, tags={tag: value})

    account.logging().delete(MANAGE)

    assert account.is_off
    assert account.log_group() is not None


# adopt


def test_adopt_changes_nothing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)
    account.make_group()
    before = account.state()

    account.logging().create(ADOPT)
    account.logging().update(ADOPT, ADOPT)
    account.logging().delete(ADOPT)

    assert account.state() == before
    assert account.settings == []


def test_adopt_changes_nothing_where_logging_was_turned_off_since(account: AccountLog) -> None:
    """It has no permission to change the options, and the deletion of the stack must succeed."""
    account.options = dict(THEIR_LOGGING)
    account.logging().create(ADOPT)
    account.options = None

    account.logging().delete(ADOPT)

    assert account.settings == []


@pytest.mark.parametrize("options", [None, SWITCHED_OFF])
def test_adopt_fails_where_logging_is_off(account: AccountLog, options: dict[str, Any] | None) -> None:
    account.options = options

    with pytest.raises(AccountLoggingError, match=r"'adopt'.*is off.*'manage'"):
        account.logging().create(ADOPT)


def test_a_change_from_manage_to_adopt_restores_the_former_state_first(account: AccountLog) -> None:
    account.logging().create(MANAGE)

    with pytest.raises(AccountLoggingError):
        account.logging().update(ADOPT, MANAGE)

    assert account.is_off


# the log group and its key


def test_a_log_group_that_is_created_concurrently_is_tagged(account: AccountLog) -> None:
    # AWS IoT creates the log group between our search and our creation.
    def appear(**_: Any) -> None:
        account.logs.meta.events.unregister("before-call.cloudwatch-logs.CreateLogGroup", appear)
        account.make_group()

    account.logs.meta.events.register("before-call.cloudwatch-logs.CreateLogGroup", appear)

    account.logging().create(MANAGE)
    account.logging().delete(MANAGE)

    assert account.log_group() is None


def test_a_log_group_with_a_longer_name_is_not_matched(account: AccountLog) -> None:
    account.logs.create_log_group(logGroupName=f"{LOG_GROUP}-copy")

    account.logging().create(MANAGE)
    account.logging().delete(MANAGE)

    assert account.log_group() is None


@pytest.mark.parametrize("existed", [True, False])
def test_a_log_group_without_a_key_receives_our_key(account: AccountLog, *, existed: bool) -> None:
    if existed:
        account.make_group()

    account.logging().create(UNDER_KEY)

    assert account.log_group()["key"] == KEY


@pytest.mark.parametrize("theirs", [THEIR_KEY, KEY], ids=["another", "the same"])
def test_the_key_of_another_owner_stays(account: AccountLog, theirs: str) -> None:
    newer = replace(UNDER_KEY, encryption_key_arn=NEWER_KEY)
    account.make_group(theirs)
    before = account.log_group()

    account.logging().create(UNDER_KEY)
    account.logging().update(newer, UNDER_KEY)
    while_ours = account.log_group()["key"]
    account.logging().delete(newer)

    assert while_ours == theirs
    assert account.log_group() == before


def test_a_key_that_another_owner_sets_later_stays(account: AccountLog) -> None:
    account.make_group()
    account.logging().create(UNDER_KEY)
    account.logs.associate_kms_key(logGroupName=LOG_GROUP, kmsKeyId=THEIR_KEY)

    account.logging().update(UNDER_KEY, UNDER_KEY)
    account.logging().delete(UNDER_KEY)

    assert account.log_group()["key"] == THEIR_KEY


@pytest.mark.parametrize("wanted", [NEWER_KEY, None])
def test_a_newer_key_replaces_ours_after_an_update_cut_off_at_any_call(
    account: AccountLog, wanted: str | None
) -> None:
    newer = replace(UNDER_KEY, encryption_key_arn=wanted)
    for calls_left in range(9):
        account.reset()
        account.make_group()
        before = account.log_group()
        account.logging().create(UNDER_KEY)
        account.calls_left = calls_left
        with suppress(CutOffError):
            account.logging().update(newer, UNDER_KEY)
        account.calls_left = None

        account.logging().update(newer, UNDER_KEY)
        found = account.log_group()["key"]
        account.logging().delete(newer)

        assert found == wanted
        assert account.log_group() == before
