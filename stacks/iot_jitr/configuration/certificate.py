"""An option whose value is a certificate: its text, or the path of its file."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk

from iot_jitr.allowed import Allowed, file, refusal, shown
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError


def certificate_pem(allowed: str) -> Allowed:
    """A certificate: its text, PEM, or the path of its file, PEM or DER. It is parsed where it is used."""

    def read(value: Any, folder: Path) -> str:
        if isinstance(value, str) and cdk.Token.is_unresolved(value):
            raise refusal("", shown(value), "a certificate that is known at synthesis, where it is checked")
        if isinstance(value, str) and "-----BEGIN" in value:
            return value
        return _content(path.read(value, folder), allowed)

    path = file(allowed)
    return Allowed(allowed, read)


def _content(path: Path, allowed: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise refusal("", f"'{path}', {reason}", allowed) from error
    if b"-----BEGIN" in content:
        return content.decode("utf-8", errors="replace")
    try:
        return Certificate.load(content).pem
    except MalformedCertificateError as error:
        raise refusal("", f"'{path}', not a certificate", allowed) from error
