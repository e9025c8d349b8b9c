"""A device that stays connected: whether it is admitted, and that it sees the end of its connection."""

import pytest

from iot_jitr_cli.connect import Credentials, open_session
from tests.support.identities import device
from tests.support.limits import LONGEST_WAIT
from tests.support.mqtt_broker import Act, broker

pytestmark = pytest.mark.timing


CREDENTIALS = Credentials.of(device())


def test_a_session_is_open_until_the_broker_ends_it() -> None:
    with (
        broker(Act.HANG_UP_ON_SUBSCRIBE) as served,
        open_session(CREDENTIALS, served.endpoint, "sensor-1", LONGEST_WAIT) as session,
    ):
        assert session is not None
        assert (session.is_closed(), session.closed_at) == (False, None)
        session._client.subscribe("any")

        assert session.wait_until_closed(LONGEST_WAIT)
        assert session.is_closed()
        closed_at = session.closed_at

    assert served.client_ids == ["sensor-1"], "it does not connect again"
    assert session.closed_at == closed_at


@pytest.mark.parametrize("act", [Act.ANSWER_NOT_AUTHORIZED, Act.HANG_UP_ON_CONNECT])
def test_a_device_that_is_refused_has_no_session(act: Act) -> None:
    with (
        broker(act) as served,
        open_session(CREDENTIALS, served.endpoint, "sensor-1", LONGEST_WAIT) as session,
    ):
        assert session is None
