import pytest

from tests.support.account import Account
from tests.support.event_bus import EventBus


@pytest.fixture
def bus(aws: Account) -> EventBus:
    """A bus that the account's outcome events go to."""
    made = EventBus()
    aws.outbox = made.outbox(aws)
    return made
