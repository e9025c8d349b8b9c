"""The cause of a failed connection, from the errors of the socket, TLS and MQTT."""

import re
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Cause(StrEnum):
    """The cause if an attempt ends before the message is received. Values are a stable interface."""

    explanation: str
    """The meaning of the cause and its fix, in one line."""

    def __new__(cls, value: str, explanation: str) -> Self:
        """Make a member from its value and its explanation."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member

    # The endpoint answered.
    CLOSED_WITHOUT_CONNACK = (
        "closed_without_connack",
        (
            "closed without a CONNACK: registered now, as expected at a first connect, or not yet activated, "
            "or the policy does not allow this client id"
        ),
    )
    NOT_AUTHORIZED = (
        "not_authorized",
        "not authorised: not activated, or the policy does not allow this client id",
    )
    CONNECT_REFUSED = "connect_refused", "refused in the CONNACK"
    CERTIFICATE_REJECTED = (
        "certificate_rejected",
        (
            "the device's certificate was refused in the TLS handshake: is its CA registered here, is it "
            "within its validity, does the chain file have the CA certificate? see 'jitr chain check'"
        ),
    )
    CLOSED_IN_HANDSHAKE = (
        "closed_in_handshake",
        "closed in the TLS handshake: is the CA registered in this account?",
    )
    SUBSCRIBE_REFUSED = (
        "subscribe_refused",
        "subscription refused: the policy must allow iot:Subscribe on the topicfilter",
    )
    # AWS IoT Core refuses a topic that the policy does not allow by closing the connection.
    CLOSED_AFTER_CONNACK = (
        "closed_after_connack",
        "connected, then closed: the policy does not allow this topic, or another client has this client id",
    )
    NO_ANSWER = (
        "no_answer",
        "no answer in time; for a message to come back, the policy must allow iot:Receive",
    )

    # No trusted endpoint answered, so the result for the device is unknown.
    NAME_NOT_FOUND = "name_not_found", "the host name is not known: check --endpoint and the network"
    CONNECTION_REFUSED = (
        "connection_refused",
        "nothing listens there: check --endpoint; local cloud: 'jitr lab status'",
    )
    TIMED_OUT = "timed_out", "no answer: does a firewall block the port (8883, or 443)?"
    UNREACHABLE = "unreachable", "the network failed"
    SERVER_NOT_TRUSTED = (
        "server_not_trusted",
        (
            "the server's certificate is not trusted: give its CA with --ca-file (AWS: Amazon Root CA 1; "
            "local cloud: JITR_MQTT_CAFILE)"
        ),
    )
    SERVER_NAME_MISMATCH = (
        "server_name_mismatch",
        "the server's certificate is for another host name: check --endpoint",
    )
    NOT_TLS = "not_tls", "the endpoint does not support TLS: check --endpoint and its port"

    @property
    def permanent(self) -> bool:
        """Whether every further attempt would fail too."""
        return self in {Cause.SERVER_NOT_TRUSTED, Cause.SERVER_NAME_MISMATCH, Cause.NOT_TLS}

    @property
    def answered(self) -> bool:
        """Whether a trusted endpoint answered."""
        return not self.permanent and self not in {
            Cause.NAME_NOT_FOUND,
            Cause.CONNECTION_REFUSED,
            Cause.TIMED_OUT,
            Cause.UNREACHABLE,
        }


@dataclass(frozen=True)
class Failure:
    """A cause with its evidence."""

    cause: Cause
    seen: str = ""

    @property
    def text(self) -> str:
        """One line: meaning, fix and evidence."""
        return f"{self.cause.explanation} ({self.seen})" if self.seen else self.cause.explanation


def failure_from(error: OSError) -> Failure:
    """The cause for an error that was raised during the connect."""
    if isinstance(error, ssl.SSLCertVerificationError):
        mismatch = error.verify_code in _NAME_MISMATCH
        cause = Cause.SERVER_NAME_MISMATCH if mismatch else Cause.SERVER_NOT_TRUSTED
        return Failure(cause, error.verify_message)
    if isinstance(error, ssl.SSLError):
        return _tls_failure(error)
    for kind, cause in _BY_TYPE.items():
        if isinstance(error, kind):
            return Failure(cause)
    return Failure(Cause.UNREACHABLE, error.strerror or str(error))


def alert_in(text: str) -> Failure | None:
    """The cause in a message that contains a TLS alert; `None` if the message contains none.

    With TLS 1.3 a client completes its side of the handshake first. It receives the refusal of its
    certificate at its first read (RFC 8446 section 4.4.2.4).

    >>> alert_in("failed to receive on socket: [SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca").seen
    'TLS alert: unknown ca'
    """
    found = _ALERT.search(text)
    return Failure(Cause.CERTIFICATE_REJECTED, f"TLS alert: {_words(found[1])}") if found else None


def _tls_failure(error: ssl.SSLError) -> Failure:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Failure(Cause.CLOSED_IN_HANDSHAKE)
    reason = error.reason or ""
    if reason.endswith(("ALERT_PROTOCOL_VERSION", "ALERT_NO_APPLICATION_PROTOCOL")):
        return Failure(Cause.NOT_TLS, f"TLS alert: {_words(reason.partition('ALERT_')[2])}")
    return alert_in(f"[SSL: {reason}]") or Failure(Cause.NOT_TLS, _words(reason) or str(error))


def _words(name: str) -> str:
    return name.replace("_", " ").lower()


_ALERT = re.compile(r"\[SSL: \w*?ALERT_(\w+)\]")
_NAME_MISMATCH = {62, 64}
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""
_BY_TYPE: dict[type[OSError], Cause] = {
    socket.gaierror: Cause.NAME_NOT_FOUND,
    ConnectionRefusedError: Cause.CONNECTION_REFUSED,
    TimeoutError: Cause.TIMED_OUT,
    ConnectionResetError: Cause.CLOSED_IN_HANDSHAKE,
    BrokenPipeError: Cause.CLOSED_IN_HANDSHAKE,
}
