"""What a device must present, on the lab's own MiniStack: its CA certificate, or the server's name (SNI)."""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from socket import create_connection

import pytest

from iot_jitr_cli.lab.lab import MQTT_HOST, Lab
from iot_jitr_cli.lab.launcher import is_complete
from iot_jitr_cli.pki import DevelopmentCa, DeviceIdentity, DeviceSpec, KeyKind
from tests.support.lab_with_ca import CA, credentials, registered
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing

NAMESAKE = DevelopmentCa.create("Lab CA")
"""Another CA with the same name."""
CONNECT = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03dev"
"""MQTT 3.1.1 section 3.1: clean session, client id `dev`."""


@dataclass(frozen=True)
class Client:
    """How a device connects."""

    lab: Lab
    name: str | None = None
    """The server name that it sends."""
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    def context(self, identity: DeviceIdentity, *others: str) -> ssl.SSLContext:
        """Present the device's certificate and others."""
        pem = "".join((identity.certificate.pem, *others))
        context = credentials(identity, pem).tls_context(self.lab.broker())
        context.check_hostname = False
        context.maximum_version = self.version
        return context

    def send_connect(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession:
        """Send CONNECT, and wait until the broker closes the connection; return the TLS session."""
        with (
            create_connection(("127.0.0.1", self.lab.ministack.mqtt_port), timeout=LONGEST_WAIT) as tcp,
            context.wrap_socket(tcp, server_hostname=self.name, session=session) as tls,
        ):
            tls.sendall(CONNECT)
            assert tls.recv(1) == b""
            assert tls.session_reused is (session is not None)
            assert tls.session is not None
            return tls.session

    def connect(self, identity: DeviceIdentity, *others: str) -> bool:
        """Present the device's certificate and others, send CONNECT; return whether that registered it."""
        with suppress(ssl.SSLError, ConnectionError):
            self.send_connect(self.context(identity, *others))
        return identity.certificate.fingerprint in registered(self.lab)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
@pytest.mark.parametrize("key", [KeyKind.EC_P256, KeyKind.RSA_2048], ids=str)
def test_without_a_server_name_the_ca_certificate_must_be_presented(
    lab: Lab, version: ssl.TLSVersion, key: KeyKind
) -> None:
    with_name, without = Client(lab, MQTT_HOST, version), Client(lab, None, version)
    made = [CA.issue(DeviceSpec(f"device-{number}", key=key)) for number in range(5)]
    ca, namesake = CA.certificate.pem, NAMESAKE.certificate.pem

    assert without.connect(made[0], ca)
    assert with_name.connect(made[1], ca)
    assert with_name.connect(made[2])
    assert not without.connect(made[3])
    assert not without.connect(made[4], namesake)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_a_resumed_tls_session_keeps_the_chain_of_its_first_handshake(
    lab: Lab, version: ssl.TLSVersion
) -> None:
    client = Client(lab, None, version)
    context = client.context(CA.issue(DeviceSpec("resumes")), CA.certificate.pem)

    session = client.send_connect(context)

    assert client.send_connect(context, session)


def test_the_log_says_why_a_device_is_refused(lab: Lab) -> None:
    Client(lab).connect(CA.issue(DeviceSpec("logged")))

    assert "no server name (SNI), and not its CA certificate" in lab.files.ministack_log.read_text()


def test_a_chain_is_complete_if_it_contains_the_issuer_of_the_first_one() -> None:
    identity = CA.issue(DeviceSpec("device"))
    leaf, ca, namesake = identity.certificate.der, CA.certificate.der, NAMESAKE.certificate.der

    assert is_complete([])
    assert is_complete([leaf, ca])
    assert is_complete([leaf, namesake, ca])
    assert not is_complete([leaf])
    assert not is_complete([leaf, leaf])
    assert not is_complete([leaf, namesake])
