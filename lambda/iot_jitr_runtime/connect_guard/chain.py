"""The certificates in the event that AWS IoT sends to the connect guard.

AWS does not document the encoding of the chain's certificates, their order, or that `principalId` is the
certificate's id. So both encodings are read, in any order, and a different `principalId` does not bypass the
check.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")


def presented(event: Mapping[str, Any]) -> list[Certificate]:
    """Return the certificates that are checked for the decision.

    Returns:
        The device certificate alone, if `principalId` is the SHA-256 of its DER; else all of the chain.

    Raises:
        MalformedCertificateError: There is none, or a certificate that is needed for the decision cannot be
            read.
    """
    texts = event.get("clientCertificateChain")
    if not isinstance(texts, list) or not texts:
        raise MalformedCertificateError("found no clientCertificateChain, expected a list of certificates")
    readable: list[bytes] = []
    unreadable: list[str] = []
    for position, text in enumerate(texts):
        try:
            readable += _encoded(text)
        except (TypeError, ValueError) as error:
            unreadable.append(f"certificate {position + 1} of the chain is neither PEM nor base64: {error}")
    principal = str(event.get("principalId", "")).lower()
    leaf = [der for der in readable if sha256(der).hexdigest() == principal]
    if not leaf and unreadable:
        raise MalformedCertificateError(unreadable[0])
    return [Certificate.load(der) for der in leaf[:1] or readable]


def _encoded(text: object) -> Iterator[bytes]:
    """Yield each certificate of a text, DER; PEM may be percent-encoded, as in AWS IoT's other events."""
    if not isinstance(text, str):
        raise TypeError(f"found {type(text).__name__}, expected a text")
    plain = unquote(text) if "%" in text else text
    blocks = _PEM.findall(plain) if "-----BEGIN" in plain else [plain]
    if not blocks:
        raise ValueError("found no certificate")
    for block in blocks:
        try:
            der = base64.b64decode("".join(block.split()), validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        if not der:
            raise ValueError("found nothing")
        yield der
