"""The encryption key of AWS IoT's own log: set where there is none, removed again, and never another's."""

from contextlib import suppress
from dataclasses import replace

import pytest

from iot_jitr_runtime.account_logging.properties import LOG_GROUP
from tests.support.account_log import (
    KEY,
    MANAGE,
    THEIR_KEY,
    THEIR_LOGGING,
    UNDER_KEY,
    AccountLog,
    CutOffError,
)

NEWER_KEY = f"{KEY}-2"


@pytest.mark.parametrize("existed", [True, False])
def test_a_log_group_without_a_key_has_ours_until_the_deletion(account: AccountLog, *, existed: bool) -> None:
    if existed:
        account.make_group()
    before = account.log_group()

    account.logging().create(UNDER_KEY)
    while_ours = account.log_group()["key"]
    account.logging().delete(UNDER_KEY)

    assert while_ours == KEY
    assert account.log_group() == before


@pytest.mark.parametrize("theirs", [THEIR_KEY, KEY], ids=["another", "the same"])
def test_the_key_of_another_owner_stays(account: AccountLog, theirs: str) -> None:
    account.make_group(theirs)
    before = account.log_group()

    account.logging().create(UNDER_KEY)
    account.logging().update(replace(UNDER_KEY, encryption_key_arn=NEWER_KEY), UNDER_KEY)
    while_ours = account.log_group()["key"]
    account.logging().delete(replace(UNDER_KEY, encryption_key_arn=NEWER_KEY))

    assert while_ours == theirs
    assert account.log_group() == before


@pytest.mark.parametrize("wanted", [NEWER_KEY, None])
def test_a_newer_key_replaces_ours_wherever_the_update_is_cut_off(
    account: AccountLog, wanted: str | None
) -> None:
    newer = replace(UNDER_KEY, encryption_key_arn=wanted)
    for calls_left in range(9):
        account.begin_anew()
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


def test_the_deletion_removes_the_key_wherever_the_creation_is_cut_off(account: AccountLog) -> None:
    for calls_left in range(9):
        account.begin_anew()
        account.make_group()
        before = account.log_group()
        account.calls_left = calls_left
        with suppress(CutOffError):
            account.logging().create(UNDER_KEY)
        account.calls_left = None

        account.logging().delete(UNDER_KEY)

        assert account.log_group() == before


def test_a_key_that_another_owner_sets_later_stays(account: AccountLog) -> None:
    account.make_group()
    account.logging().create(UNDER_KEY)
    account.logs.associate_kms_key(logGroupName=LOG_GROUP, kmsKeyId=THEIR_KEY)

    account.logging().update(UNDER_KEY, UNDER_KEY)
    account.logging().delete(UNDER_KEY)

    assert account.log_group()["key"] == THEIR_KEY


def test_an_update_adds_a_key(account: AccountLog) -> None:
    account.make_group()
    account.logging().create(MANAGE)

    account.logging().update(UNDER_KEY, MANAGE)

    assert account.log_group()["key"] == KEY


@pytest.mark.parametrize("existed", [True, False])
def test_the_log_group_gets_no_key_where_another_owner_logs(account: AccountLog, *, existed: bool) -> None:
    account.options = dict(THEIR_LOGGING)
    if existed:
        account.make_group()

    account.logging().create(UNDER_KEY)

    assert account.log_group()["key"] is None


def test_our_key_is_removed_also_when_another_owner_has_turned_logging_on(account: AccountLog) -> None:
    account.logging().create(UNDER_KEY)
    account.options = dict(THEIR_LOGGING)

    account.logging().delete(UNDER_KEY)

    assert account.log_group()["key"] is None
