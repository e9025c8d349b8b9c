from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.account import Account, account
from tests.support.buckets import s3_client
from tests.support.sweep_harness import SweepHarness


@pytest.fixture(scope="module")
def shared() -> Iterator[Account]:
    """One account for a module's tests: opening one takes longer than a test does."""
    with account() as opened:
        yield opened


@pytest.fixture(scope="module")
def s3(shared: Account) -> object:
    del shared
    return s3_client()


@pytest.fixture
def harness(shared: Account, s3: object, tmp_path: Path) -> SweepHarness:
    return SweepHarness(shared, s3, tmp_path)
