"""The account's logging is given back exactly as it was found, and somebody else's is never touched."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_jitr_runtime.account_logging.lifecycle import AccountLogging, NothingToAdoptError
from iot_jitr_runtime.account_logging.log_group import Found
from iot_jitr_runtime.account_logging.options import (
    Options,
    RoleRefusedError,
    read_options,
    write_options,
)
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, Level, LoggingProperties, Mode
from tests.support.account_log import GROUP_ARN, REGION, AccountLog, CutOffError

OURS = "arn:aws:iam::123456789012:role/ours"
THEIRS = "arn:aws:iam::123456789012:role/theirs"
MANAGE = LoggingProperties(Mode.MANAGE, "Stack/Logging", OURS, Level.ERROR, 30)
KEY = "arn:aws:kms:eu-central-1:123456789012:key/ours"
THEIR_KEY = "arn:aws:kms:eu-central-1:123456789012:key/theirs"
UNDER_KEY = replace(MANAGE, encryption_key_arn=KEY)
ADOPT = LoggingProperties(Mode.ADOPT, "Stack/Logging")
ON = {"roleArn": OURS, "defaultLogLevel": "ERROR", "disableAllLogs": False}
THEIR_LOGGING = {"roleArn": THEIRS, "defaultLogLevel": "INFO", "disableAllLogs": False}
SWITCHED_OFF = {"roleArn": THEIRS, "defaultLogLevel": "WARN", "disableAllLogs": True}


def logging(account: AccountLog, owner: str = "stack:path") -> AccountLogging:
    return AccountLogging(account.iot, account.group, owner, sleep=lambda _: None)


def off(options: dict[str, Any] | None) -> bool:
    silent = {"disableAllLogs": True, "defaultLogLevel": "DISABLED", "roleArn": ""}
    return options is None or any(options[key] == value for key, value in silent.items())


# manage


def test_where_nobody_logs_it_is_switched_on_with_our_role_and_retention(account: AccountLog) -> None:
    logging(account).create(MANAGE)

    group = account.log_group()
    assert account.options == ON
    assert group is not None
    assert group["retention"] == 30


def test_on_deletion_an_account_that_never_logged_logs_nothing_and_has_no_log_group(
    account: AccountLog,
) -> None:
    logging(account).create(MANAGE)
    logging(account).delete(MANAGE)

    assert off(account.options)
    assert account.options is not None
    assert account.options["roleArn"] == OURS  # AWS IoT has no call to take it away
    assert account.log_group() is None


@pytest.mark.parametrize("retention", [None, 7, 365])
def test_options_that_were_off_and_an_older_log_group_are_given_back_as_they_were(
    account: AccountLog, retention: int | None
) -> None:
    account.options = dict(SWITCHED_OFF)
    account.logs.create_log_group(logGroupName=LOG_GROUP, tags={"team": "iot"})
    if retention:
        account.logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=retention)
    before = account.state()

    logging(account).create(MANAGE)
    changed = account.state()
    logging(account).delete(MANAGE)

    assert changed != before
    assert account.state() == before


def test_logging_of_somebody_else_is_used_as_it_is(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    logging(account).create(MANAGE)
    logging(account).update(replace(MANAGE, level=Level.INFO), MANAGE)
    logging(account).delete(MANAGE)

    assert account.options == THEIR_LOGGING
    assert account.settings == []


def test_the_log_group_that_a_metric_filter_needs_is_made_where_it_is_missing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    logging(account).create(MANAGE)

    group = account.log_group()
    assert group is not None
    assert group["retention"] is None


def test_what_somebody_has_set_since_is_never_switched_off(account: AccountLog) -> None:
    logging(account).create(MANAGE)
    account.options = dict(THEIR_LOGGING)

    logging(account).delete(MANAGE)

    assert account.options == THEIR_LOGGING
    group = account.log_group()
    assert group is not None
    assert group["tags"] == {}


def test_a_second_stack_uses_the_first_ones_logging_and_leaves_it_on(account: AccountLog) -> None:
    theirs = replace(MANAGE, role_arn=THEIRS)
    logging(account, "first:path").create(MANAGE)

    logging(account, "second:path").create(theirs)
    logging(account, "second:path").delete(theirs)

    assert account.options == ON
    logging(account, "first:path").delete(MANAGE)
    assert off(account.options)
    assert account.log_group() is None


def test_a_repeated_creation_still_knows_what_was_found(account: AccountLog) -> None:
    account.options = dict(SWITCHED_OFF)
    account.logs.create_log_group(logGroupName=LOG_GROUP)
    before = account.state()

    logging(account).create(MANAGE)
    logging(account).create(MANAGE)
    logging(account).delete(MANAGE)
    logging(account).delete(MANAGE)

    assert account.state() == before


def test_an_update_changes_level_retention_and_role(account: AccountLog) -> None:
    newer = replace(MANAGE, role_arn=f"{OURS}-2", level=Level.INFO, retention_days=90)
    logging(account).create(MANAGE)

    logging(account).update(newer, MANAGE)

    group = account.log_group()
    assert account.options == {**ON, "roleArn": f"{OURS}-2", "defaultLogLevel": "INFO"}
    assert group is not None
    assert group["retention"] == 90


def test_a_role_that_is_not_known_everywhere_yet_is_given_time(account: AccountLog) -> None:
    account.roles_refused = 3

    logging(account).create(MANAGE)

    assert account.options == ON


@pytest.mark.parametrize("existed", [True, False])
def test_a_creation_that_fails_leaves_nothing_behind(account: AccountLog, *, existed: bool) -> None:
    account.roles_refused = 1000
    if existed:
        account.make_group()
    before = account.state()

    with pytest.raises(RoleRefusedError, match=r"role/ours.*trust iot\.amazonaws\.com"):
        logging(account).create(UNDER_KEY)

    assert account.state() == before


def test_without_its_memory_it_still_does_not_leave_its_role_in_use(account: AccountLog) -> None:
    logging(account).create(MANAGE)
    account.group.forget()

    logging(account).delete(MANAGE)

    assert off(account.options)
    assert account.log_group() is not None


def test_a_deletion_that_was_cut_off_after_the_options_still_gives_the_log_group_back(
    account: AccountLog,
) -> None:
    account.options = dict(SWITCHED_OFF)
    logging(account).create(MANAGE)
    account.calls_left = 3  # the tags, the options, and their writing
    with pytest.raises(CutOffError):
        logging(account).delete(MANAGE)
    account.calls_left = None

    logging(account).delete(MANAGE)

    assert account.state() == (SWITCHED_OFF, None)


def test_a_log_group_that_somebody_deletes_does_not_make_our_logging_pass_for_theirs(
    account: AccountLog,
) -> None:
    logging(account).create(MANAGE)
    account.group.delete()

    logging(account).update(replace(MANAGE, retention_days=7), MANAGE)
    group = account.log_group()
    logging(account).delete(MANAGE)

    assert group is not None
    assert group["retention"] == 7
    assert off(account.options)
    assert account.log_group() is None


# adopt


def test_adopt_changes_nothing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)
    account.make_group()
    before = account.state()

    logging(account).create(ADOPT)
    logging(account).delete(ADOPT)

    assert account.state() == before
    assert account.settings == []


@pytest.mark.parametrize("options", [None, SWITCHED_OFF])
def test_adopt_fails_where_there_is_nothing_to_adopt(
    account: AccountLog, options: dict[str, Any] | None
) -> None:
    account.options = options

    with pytest.raises(NothingToAdoptError, match=r"'adopt'.*is off.*'manage'"):
        logging(account).create(ADOPT)


def test_from_manage_to_adopt_ours_is_given_back_first(account: AccountLog) -> None:
    logging(account).create(MANAGE)

    with pytest.raises(NothingToAdoptError):
        logging(account).update(ADOPT, MANAGE)

    assert off(account.options)


def test_a_repeated_update_of_adopted_logging_changes_nothing(account: AccountLog) -> None:
    account.options = dict(THEIR_LOGGING)

    logging(account).update(ADOPT, ADOPT)

    assert account.settings == []


# the log group


def test_a_log_group_that_appears_in_the_meantime_is_tagged(account: AccountLog) -> None:
    found = account.group.look(Options())
    account.logs.create_log_group(logGroupName=LOG_GROUP)

    account.group.remember(found, "me")

    assert account.group.remembered("me") == found
    assert account.group.remembered("somebody else") is None


def test_a_log_group_that_is_gone_remembers_nothing_and_need_not_be_deleted(account: AccountLog) -> None:
    account.group.delete()

    assert account.group.remembered("me") is None


def test_a_log_group_whose_name_only_begins_like_it_is_not_it(account: AccountLog) -> None:
    account.logs.create_log_group(logGroupName=f"{LOG_GROUP}-copy")

    assert account.group.look(Options()).existed is False


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
def test_whatever_was_found_repeated_or_cut_off_the_end_is_as_the_beginning(
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
        "create": lambda: logging(account).create(UNDER_KEY),
        "update": lambda: logging(account).update(UNDER_KEY, replace(UNDER_KEY, retention_days=7)),
        "delete": lambda: logging(account).delete(UNDER_KEY),
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


# what is said to AWS


def test_the_options_survive_the_characters_that_a_tag_may_have() -> None:
    for options in (Options(), Options(THEIRS, "INFO", disabled=False)):
        assert Options.from_tag(options.to_tag()) == options


@pytest.mark.parametrize("existed", [True, False])
def test_what_was_found_survives_its_tags(*, existed: bool) -> None:
    for days in (None, 90) if existed else (None,):
        found = Found(Options(THEIRS, "WARN"), existed, days)
        assert Found.from_tags(found.to_tags("me")) == found


def test_the_calls_are_those_of_aws_iots_own_model() -> None:
    iot = boto3.client("iot", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(iot) as stubber:
        stubber.add_client_error("get_v2_logging_options", "NotConfiguredException", http_status_code=404)
        stubber.add_response(
            "set_v2_logging_options",
            {},
            {"roleArn": OURS, "defaultLogLevel": "ERROR", "disableAllLogs": False},
        )
        stubber.add_response(
            "set_v2_logging_options", {}, {"defaultLogLevel": "DISABLED", "disableAllLogs": True}
        )

        assert read_options(iot).is_off
        write_options(iot, Options(OURS, "ERROR", disabled=False))
        write_options(iot, Options())

        stubber.assert_no_pending_responses()


def test_the_log_group_is_the_one_that_aws_iot_writes_to() -> None:
    assert GROUP_ARN.endswith(":log-group:AWSIotLogsV2")
