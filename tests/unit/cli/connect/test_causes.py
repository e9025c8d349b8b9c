import socket
import ssl

import pytest

from iot_jitr_cli.connect.causes import Cause, Failure, alert_in, failure_from


def tls_error(reason: str | None, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, f"[SSL: {reason}] said OpenSSL")
    error.reason = reason
    return error


def verification_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "what OpenSSL found"
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(-2, "Name or service not known"), Cause.NAME_NOT_FOUND),
        (ConnectionRefusedError(111, "Connection refused"), Cause.CONNECTION_REFUSED),
        (TimeoutError("timed out"), Cause.TIMED_OUT),
        (ConnectionResetError(104, "Connection reset by peer"), Cause.CLOSED_IN_HANDSHAKE),
        (BrokenPipeError(32, "Broken pipe"), Cause.CLOSED_IN_HANDSHAKE),
        (OSError(101, "Network is unreachable"), Cause.UNREACHABLE),
        (verification_error(62), Cause.SERVER_NAME_MISMATCH),
        (verification_error(64), Cause.SERVER_NAME_MISMATCH),
        (verification_error(10), Cause.SERVER_NOT_TRUSTED),
        (verification_error(19), Cause.SERVER_NOT_TRUSTED),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), Cause.CERTIFICATE_REJECTED),
        (tls_error("SSLV3_ALERT_CERTIFICATE_EXPIRED"), Cause.CERTIFICATE_REJECTED),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Cause.CERTIFICATE_REJECTED),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), Cause.NOT_TLS),
        (tls_error("WRONG_VERSION_NUMBER"), Cause.NOT_TLS),
        (tls_error(None), Cause.NOT_TLS),
        (tls_error("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError), Cause.CLOSED_IN_HANDSHAKE),
        (tls_error(None, ssl.SSLZeroReturnError), Cause.CLOSED_IN_HANDSHAKE),
    ],
)
def test_each_error_has_its_cause(error: OSError, cause: Cause) -> None:
    assert failure_from(error).cause is cause


def test_the_text_of_a_failure_is_its_explanation_with_the_alert() -> None:
    text = failure_from(tls_error("SSLV3_ALERT_CERTIFICATE_EXPIRED")).text

    assert text == f"{Cause.CERTIFICATE_REJECTED.explanation} (TLS alert: certificate expired)"
    assert Failure(Cause.TIMED_OUT).text == Cause.TIMED_OUT.explanation


def test_a_message_without_an_alert_has_no_cause() -> None:
    assert alert_in("failed to receive on socket: [Errno 104] Connection reset by peer") is None


def test_each_cause_is_marked_as_an_answer_about_the_device_or_not() -> None:
    answered = {cause for cause in Cause if cause.answered}

    assert answered == {
        Cause.CLOSED_WITHOUT_CONNACK,
        Cause.NOT_AUTHORIZED,
        Cause.CONNECT_REFUSED,
        Cause.CERTIFICATE_REJECTED,
        Cause.CLOSED_IN_HANDSHAKE,
        Cause.SUBSCRIBE_REFUSED,
        Cause.CLOSED_AFTER_CONNACK,
        Cause.NO_ANSWER,
    }
    assert {cause for cause in Cause if cause.permanent} == {
        Cause.SERVER_NOT_TRUSTED,
        Cause.SERVER_NAME_MISMATCH,
        Cause.NOT_TLS,
    }
