"""The account of a pipeline in this process."""

from collections.abc import Iterator

import pytest

from tests.support.account import Account
from tests.support.verified_pipeline import account_with_real_ids


@pytest.fixture
def aws() -> Iterator[Account]:
    with account_with_real_ids() as opened:
        yield opened
