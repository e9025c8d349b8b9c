from collections.abc import Iterator

import pytest

from tests.support.ca_registry import CaAccount, EmulatedIot, ca_account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[CaAccount]:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with ca_account() as account:
        monkeypatch.setattr("iot_jitr_cli.ca.command.aws_session", lambda: account.session)
        yield account


@pytest.fixture
def iot(account: CaAccount) -> EmulatedIot:
    return account.iot
