import io
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.account import Account, account
from tests.support.buckets import simulated_s3


@pytest.fixture
def log() -> io.StringIO:
    """What a function logs."""
    return io.StringIO()


@pytest.fixture
def aws() -> Iterator[Account]:
    """An AWS account in this process (moto), with a ledger and a CA."""
    with account() as opened:
        yield opened


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of an account without buckets; a test makes its own."""
    with simulated_s3() as client:
        yield client
