"""The devices of a demonstration, all connecting at once, and the two that have no business here."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iot_jitr_cli.chain.parsing import parse_chain
from iot_jitr_cli.connect import Backoff, ConnectResult, Credentials, Device, TimelineEvent, connect

if TYPE_CHECKING:
    from iot_jitr_cli.connect import Endpoint
    from iot_jitr_cli.pki.device import DeviceIdentity

OnEvent = Callable[["DeviceIdentity", TimelineEvent], None]


@dataclass
class Fleet:
    """Devices that connect from threads of their own, until they are in or called off."""

    endpoint: "Endpoint"
    timeout: float
    """Seconds each device keeps trying."""
    on_event: OnEvent
    results: dict[str, ConnectResult] = field(default_factory=dict)
    """How each device fared, by its common name."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, identities: Iterable["DeviceIdentity"]) -> float:
        """Let them all connect at once; return when that was, in seconds since 1970."""
        begin = threading.Event()
        for identity in identities:
            # A daemon, so that a device which is waiting for the network never holds up the end.
            thread = threading.Thread(target=self._run, args=(identity, begin), daemon=True)
            self._threads.append(thread)
            thread.start()
        began = time.time()
        begin.set()
        return began

    def wait(self) -> None:
        """Wait until each device is in or has given up."""
        for thread in self._threads:
            # In slices, so that Ctrl-C is heard.
            while thread.is_alive():
                thread.join(0.2)

    def call_off(self) -> None:
        """Let every device stop after the attempt it is in."""
        self._stop.set()

    def _run(self, identity: "DeviceIdentity", begin: threading.Event) -> None:
        credentials = Credentials(parse_chain(identity.chain_pem.encode(), identity.key), identity.key)
        # On a stage nobody waits a quarter of a minute for a back-off.
        backoff = Backoff(longest=2.0)
        name = credentials.common_name
        device = Device(credentials, self.endpoint, name, timeout=self.timeout, backoff=backoff)
        begin.wait()
        self.results[name] = connect(device, lambda event: self.on_event(identity, event), self._stop)
