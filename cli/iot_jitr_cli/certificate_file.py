"""Reads a file that contains one certificate."""

from pathlib import Path

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError


def read_certificate(path: Path) -> Certificate:
    """Read the certificate in `path`, PEM or DER.

    Raises:
        WrongUseError: The file contains no certificate, or more than one.
        OSError: It cannot be read.
    """
    try:
        return Certificate.load(path.read_bytes())
    except MalformedCertificateError as error:
        raise WrongUseError(f"{path}: {error}; expected one certificate, PEM or DER") from error
