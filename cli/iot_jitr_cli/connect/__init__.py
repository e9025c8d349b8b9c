"""Connects a device, for `jitr connect`, the demonstration and the tests.

Example:
    ```python
    credentials = Credentials.load(Path("s-1.chain.pem"), Path("s-1.key"))
    endpoint = Endpoint.parse("a1b2-ats.iot.eu-west-1.amazonaws.com")
    result = connect(Device(credentials, endpoint, credentials.common_name), on_event=print)
    ```
"""

from iot_jitr_cli.connect.backoff import Backoff
from iot_jitr_cli.connect.causes import Cause
from iot_jitr_cli.connect.credentials import Credentials
from iot_jitr_cli.connect.device import Device, connect
from iot_jitr_cli.connect.endpoint import Endpoint
from iot_jitr_cli.connect.open_session import OpenSession, open_session
from iot_jitr_cli.connect.timeline import ConnectResult, Ending, Step, TimelineEvent

__all__ = [
    "Backoff",
    "Cause",
    "ConnectResult",
    "Credentials",
    "Device",
    "Ending",
    "Endpoint",
    "OpenSession",
    "Step",
    "TimelineEvent",
    "connect",
    "open_session",
]
