"""The throw-away device: its certificate and key, in memory only, and its single connects."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from iot_jitr_cli.connect import Credentials, Endpoint, OpenSession, Step
from iot_jitr_cli.connect.attempt import Attempt, Exchange
from iot_jitr_cli.connect.backoff import ONE_CONNECT_A_SECOND
from iot_jitr_cli.connect.causes import Failure
from iot_jitr_cli.connect.device import ATTEMPT_TIMEOUT, check_topic
from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_cli.pki import DevelopmentCa, DeviceSpec, Validity
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CertificateId

NAME = "jitr-verify-"
"""Prefix of every common name, client id and message of this command."""


@dataclass(frozen=True)
class AttemptResult:
    """The result of one connect."""

    steps: frozenset[Step]
    """The steps that were reached."""
    failure: Failure | None
    """The failure that ended the connect; None if the message was received."""

    @property
    def refusal(self) -> Failure:
        """The refusal of the device by the endpoint.

        Raises:
            CliError: The endpoint did not refuse the device, or did not answer.
        """
        if self.failure is None or not self.failure.cause.answered:
            raise CliError(self.failure.text if self.failure else "it was not refused")
        return self.failure


@dataclass
class ThrowAwayDevice:
    """A device that has never connected, with its client id and its topic.

    Raises:
        WrongUseError: No message can be published to the topic.
    """

    credentials: Credentials
    endpoint: Endpoint
    client_id: str
    topic: str
    """Its own topic; `{client_id}` is replaced by the client id."""
    signer: DevelopmentCa | None = None
    """The CA that signed it, if the CA's key is available."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    neighbour: str = field(default_factory=lambda: f"{NAME}neighbour-{secrets.token_hex(4)}")
    """Client id of a device that does not exist."""
    _next_connect: float = 0.0

    def __post_init__(self) -> None:
        check_topic(self.topic)

    @property
    def certificate(self) -> Certificate:
        """Its certificate."""
        return self.credentials.chain.certificates[0]

    @property
    def certificate_id(self) -> CertificateId:
        """The id that AWS IoT gives its certificate."""
        return self.certificate.fingerprint

    def topic_of(self, client_id: str) -> str:
        """The topic of the device with this client id."""
        return self.topic.replace("{client_id}", client_id)

    def stay_connected(self) -> OpenSession | None:
        """Connect and stay connected; None if the device was not admitted in time.

        Raises:
            OSError: The endpoint cannot be reached, or refuses the handshake.
        """
        self._wait_for_next_connect()
        session = OpenSession(self.credentials, self.client_id)
        if session.open(self.endpoint, ATTEMPT_TIMEOUT):
            return session
        session.close()
        return None

    def _wait_for_next_connect(self) -> None:
        # AWS IoT Core allows one CONNECT a second for each client id.
        self.sleep(max(0.0, self._next_connect - self.clock()))
        self._next_connect = self.clock() + ONE_CONNECT_A_SECOND

    def try_once(
        self, *, client_id: str | None = None, subscribe: str | None = None, publish: str | None = None
    ) -> AttemptResult:
        """Connect once, by default with its own client id and its own topic."""
        self._wait_for_next_connect()
        steps: set[Step] = set()
        topic = subscribe or self.topic_of(self.client_id)
        exchange = Exchange(client_id or self.client_id, topic, publish)
        context = self.credentials.tls_context(self.endpoint)
        attempt = Attempt(exchange, context, lambda step, _: steps.add(step), self.clock)
        failure = attempt.run(self.endpoint, ATTEMPT_TIMEOUT)
        return AttemptResult(frozenset(steps), failure)


def read_files(
    ca_cert: Path | None, ca_key: Path | None, chain: Path | None, key: Path | None
) -> tuple[Credentials, DevelopmentCa | None]:
    """Return the device, made with the CA's key or read from its files, and the CA if its key was given.

    Raises:
        WrongUseError: Neither pair is complete, both pairs are given, or a file cannot be used.
    """
    if ca_cert and ca_key and not (chain or key):
        signer = DevelopmentCa.from_files(ca_cert, ca_key)
        name = f"{NAME}{secrets.token_hex(4)}"
        identity = signer.issue(DeviceSpec(name, validity=Validity.days(1)))
        return Credentials.of(identity), signer
    if chain and key and not (ca_cert or ca_key):
        return Credentials.load(chain, key), None
    raise WrongUseError(
        "give the CA that signs a throw-away device (--ca-cert and --ca-key), or a device that has never "
        "connected (--chain and --key)"
    )
