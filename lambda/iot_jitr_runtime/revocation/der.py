"""Where the parts of a CRL lie in its DER, for the two that `cryptography` only hands out slowly.

Hashing the signed slice where it lies costs a twentieth of serialising it again, and the entries can be read
where they lie. Only a CRL that `cryptography` has parsed as a whole comes here: it has checked every tag and
length, so the few elements read here can be trusted to nest.
"""

from dataclasses import dataclass

_SEQUENCE = 0x30
_INTEGER = 0x02
_TIMES = (0x17, 0x18)
_LONG_FORM = 0x80


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value: `data[start:end]`, its value `data[content:end]`."""

    tag: int
    start: int
    content: int
    end: int


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the parts of a CertificateList (RFC 5280 section 5.1) lie."""

    signed: Element
    """tbsCertList, tag and length included: what the signature is over."""
    inner_algorithm: Element
    """The `signature` field inside what is signed."""
    outer_algorithm: Element
    """The `signatureAlgorithm` field beside it."""
    entries: Element | None
    """revokedCertificates; None where it is absent."""


def element(data: bytes, start: int) -> Element:
    """Read the tag and length at `start`.

    Raises:
        ValueError: The data end before the element does.
    """
    head = data[start : start + 2]
    if len(head) != 2:  # noqa: PLR2004 - a tag and a length
        raise ValueError(f"the data end at offset {start}, where an element should begin")
    tag, length = head
    content = start + 2
    if length >= _LONG_FORM:
        octets = length - _LONG_FORM
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
    if content + length > len(data):
        raise ValueError(f"the element at offset {start} is longer than the data")
    return Element(tag, start, content, content + length)


def outline(data: bytes) -> Outline:
    """Locate the parts of a DER CertificateList.

    Raises:
        ValueError: It is none.
    """
    whole = element(data, 0)
    signed = element(data, whole.content)
    outer_algorithm = element(data, signed.end)
    fields = _children(data, signed)
    if fields and fields[0].tag == _INTEGER:
        del fields[0]
    if len(fields) < 3 or {fields[0].tag, fields[1].tag} != {_SEQUENCE}:  # noqa: PLR2004 - algorithm, issuer,
    thisUpdate
        raise ValueError("a CertificateList begins with signature algorithm, issuer and thisUpdate")
    after_times = 4 if len(fields) > 3 and fields[3].tag in _TIMES else 3  # noqa: PLR2004 - nextUpdate or not
    entries = next((field for field in fields[after_times:] if field.tag == _SEQUENCE), None)
    return Outline(signed, fields[0], outer_algorithm, entries)


def _children(data: bytes, parent: Element) -> list[Element]:
    children = []
    at = parent.content
    while at < parent.end:
        children.append(element(data, at))
        at = children[-1].end
    return children
