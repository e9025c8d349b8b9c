"""One account for the tests of a file: its clients take long to make."""

from collections.abc import Iterator

import pytest

from tests.support.account_log import AccountLog, account_log


@pytest.fixture(scope="module")
def one_account() -> Iterator[AccountLog]:
    # The SDK retries without its pauses.
    with account_log() as shared, pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        yield shared


@pytest.fixture
def account(one_account: AccountLog) -> AccountLog:
    one_account.reset()
    return one_account
