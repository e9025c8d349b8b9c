from collections.abc import Iterator

import pytest

from tests.support.ca_registry import CaAccount, EmulatedIot, ca_account
from tests.support.ca_resource import CaResource


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK retries without its pauses."""
    for module in ("botocore.endpoint", "botocore.waiter"):
        monkeypatch.setattr(f"{module}.time.sleep", lambda _: None)


@pytest.fixture
def account() -> Iterator[CaAccount]:
    with ca_account() as account:
        yield account


@pytest.fixture
def iot(account: CaAccount) -> EmulatedIot:
    return account.iot


@pytest.fixture
def resource(account: CaAccount) -> CaResource:
    return CaResource.of(account.session)
