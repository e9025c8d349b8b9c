"""The key of AWS IoT's own log: given where there is none, taken back, and never anybody else's."""

from contextlib import suppress
from dataclasses import replace

import pytest

from iot_jitr_runtime.account_logging.lifecycle import AccountLogging
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LoggingProperties, Mode
from tests.support.account_log import AccountLog, CutOffError

KEY = "arn:aws:kms:eu-central-1:123456789012:key/ours"
NEWER_KEY = "arn:aws:kms:eu-central-1:123456789012:key/newer"
THEIR_KEY = "arn:aws:kms:eu-central-1:123456789012:key/theirs"
MANAGE = LoggingProperties(Mode.MANAGE, "Stack/Logging", "arn:aws:iam::123456789012:role/ours")
UNDER_KEY = replace(MANAGE, encryption_key_arn=KEY)
THEIR_LOGGING = {
    "roleArn": "arn:aws:iam::123456789012:role/theirs",
    "defaultLogLevel": "INFO",
    "disableAllLogs": False,
}


def logging(account: AccountLog) -> AccountLogging:
    return AccountLogging(account.iot, account.group, "stack:path", sleep=lambda _: None)


@pytest.mark.parametrize("existed", [True, False])
def test_a_log_group_without_a_key_gets_ours_until_the_deletion(
    account: AccountLog, *, existed: bool
) -> None:
    if existed:
        account.make_group()
    before = account.log_group()

    logging(account).create(UNDER_KEY)
    while_ours = account.key()
    logging(account).delete(UNDER_KEY)

    assert while_ours == KEY
    assert account.log_group() == before


@pytest.mark.parametrize("theirs", [THEIR_KEY, KEY], ids=["another", "the same"])
def test_the_key_of_somebody_else_stays(account: AccountLog, theirs: str) -> None:
    account.make_group(theirs)
    before = account.log_group()

    logging(account).create(UNDER_KEY)
    logging(account).update(replace(UNDER_KEY, encryption_key_arn=NEWER_KEY), UNDER_KEY)
    while_ours = account.key()
    logging(account).delete(replace(UNDER_KEY, encryption_key_arn=NEWER_KEY))

    assert while_ours == theirs
    assert account.log_group() == before


@pytest.mark.parametrize("wanted", [NEWER_KEY, None])
def test_another_key_takes_the_place_of_ours_wherever_the_function_is_cut_off(
    account: AccountLog, wanted: str | None
) -> None:
    newer = replace(UNDER_KEY, encryption_key_arn=wanted)
    for calls_left in range(9):
        account.begin_anew()
        account.make_group()
        before = account.log_group()
        logging(account).create(UNDER_KEY)
        account.calls_left = calls_left
        with suppress(CutOffError):
            logging(account).update(newer, UNDER_KEY)
        account.calls_left = None

        logging(account).update(newer, UNDER_KEY)
        found = account.key()
        logging(account).delete(newer)

        assert found == wanted
        assert account.log_group() == before


def test_wherever_the_creation_is_cut_off_the_deletion_takes_the_key_off(account: AccountLog) -> None:
    for calls_left in range(9):
        account.begin_anew()
        account.make_group()
        before = account.log_group()
        account.calls_left = calls_left
        with suppress(CutOffError):
            logging(account).create(UNDER_KEY)
        account.calls_left = None

        logging(account).delete(UNDER_KEY)

        assert account.log_group() == before


def test_a_key_that_somebody_has_given_it_since_stays(account: AccountLog) -> None:
    account.make_group()
    logging(account).create(UNDER_KEY)
    account.logs.associate_kms_key(logGroupName=LOG_GROUP, kmsKeyId=THEIR_KEY)

    logging(account).update(UNDER_KEY, UNDER_KEY)
    logging(account).delete(UNDER_KEY)

    assert account.key() == THEIR_KEY


def test_a_log_group_of_an_earlier_version_of_the_stack_gets_the_key(account: AccountLog) -> None:
    account.make_group()
    logging(account).create(MANAGE)

    logging(account).update(UNDER_KEY, MANAGE)

    assert account.key() == KEY


@pytest.mark.parametrize("existed", [True, False])
def test_where_somebody_else_logs_the_log_group_gets_no_key(account: AccountLog, *, existed: bool) -> None:
    account.options = dict(THEIR_LOGGING)
    if existed:
        account.make_group()

    logging(account).create(UNDER_KEY)

    assert account.key() is None


def test_whoever_has_taken_the_logging_over_is_not_left_with_a_key_that_may_go(account: AccountLog) -> None:
    logging(account).create(UNDER_KEY)
    account.options = dict(THEIR_LOGGING)

    logging(account).delete(UNDER_KEY)

    assert account.key() is None
