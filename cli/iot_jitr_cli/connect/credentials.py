"""The chain file and the private key that a device presents, prepared for TLS."""

import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.chain.parsing import Chain, parse_chain
from iot_jitr_cli.connect.endpoint import HTTPS_PORT, Endpoint
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.files import write_private
from iot_jitr_cli.pki.keys import has_key, key_pem, load_key
from iot_jitr_runtime.accepted_algorithms import PrivateKey

if TYPE_CHECKING:
    from iot_jitr_cli.pki.device import DeviceIdentity

_MQTT_OVER_443 = "x-amzn-mqtt-ca"
"""ALPN name of MQTT with client certificates (Developer Guide, "Device communication protocols")."""


@dataclass(frozen=True)
class Credentials:
    """A chain and the private key of its first certificate."""

    chain: Chain
    key: PrivateKey = field(repr=False)

    @classmethod
    def load(cls, chain_file: Path, key_file: Path) -> "Credentials":
        """Read both files, PEM or DER.

        Raises:
            WrongUseError: A file cannot be read, or the key does not belong to the first certificate, which
                TLS presents.
        """
        key = load_key(key_file.read_bytes())
        chain = parse_chain(chain_file.read_bytes(), key)
        if not has_key(chain.certificates[0], key):
            raise WrongUseError(
                f"{key_file} is not the key of the first certificate in {chain_file}, '"
                f"{chain.certificates[0].subject}': see 'jitr chain check {chain_file} --key {key_file}'"
            )
        return cls(chain, key)

    @classmethod
    def of(cls, identity: "DeviceIdentity") -> "Credentials":
        """The credentials of a device of the kit: its chain file and its key."""
        return cls(parse_chain(identity.chain_pem.encode(), identity.key), identity.key)

    @property
    def common_name(self) -> str:
        """The certificate's common name, the default client id.

        Raises:
            WrongUseError: The certificate has no common name.
        """
        names = self.chain.certificates[0].common_names
        if not names:
            raise WrongUseError("the certificate has no common name: give the client id with --client-id")
        return names[0]

    def tls_context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """A TLS client context (TLS 1.2 or newer) with chain and key; it verifies the server and its name.

        Raises:
            UnreadableChainError: The endpoint's CA file contains no certificates.
        """
        trusted = parse_chain(endpoint.ca_file.read_bytes()).pem if endpoint.ca_file else None
        context = ssl.create_default_context(cadata=trusted)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if endpoint.port == HTTPS_PORT:
            context.set_alpn_protocols([_MQTT_OVER_443])
        # The ssl module reads client certificates and keys only from PEM files.
        with tempfile.TemporaryDirectory(prefix="jitr-") as directory:
            file = Path(directory) / "identity.pem"
            write_private(file, key_pem(self.key) + self.chain.pem.encode())
            context.load_cert_chain(file)
        if endpoint.server_name is not None:
            _send_name(context, endpoint.server_name)
        return context


def _send_name(context: ssl.SSLContext, server_name: str) -> None:
    """Make every client socket of a context send and verify this name instead of the host's name."""
    wrap = context.wrap_socket

    def wrap_socket(sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        return wrap(sock, **{**options, "server_hostname": server_name})

    context.wrap_socket = wrap_socket  # type: ignore[method-assign,assignment]
