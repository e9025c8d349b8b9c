"""Where the parts of a CRL lie in its DER, for the two that `cryptography` only hands out slowly.

Hashing the signed slice where it lies costs a twentieth of serialising it again, and the entries can be read
where they lie. Only a CRL that `cryptography` has parsed as a whole comes here: it has checked every tag and
length, so the few elements read here can be trusted to nest.
"""

from dataclasses import dataclass

_INTEGER = 0x02
_SEQUENCE = 0x30
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
    states_version: bool
    """It says which version it has; one that does not is of version 1, without extensions."""
    entries: Element | None
    """revokedCertificates; None where it is absent."""


def element(data: bytes, start: int) -> Element:
    """Read the tag and length at `start`.

    Raises:
        ValueError: The data end before the element does.
    """
    content = start + 2
    if content > len(data):
        raise ValueError(f"the data end at offset {start}, where an element should begin")
    tag, length = data[start:content]
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
    fields = _children(data, signed)
    times = [field for field in fields if field.tag in _TIMES]
    if not times:
        raise ValueError("what is signed has no thisUpdate")
    after_times = (field for field in fields if field.start >= times[-1].end)
    entries = next((field for field in after_times if field.tag == _SEQUENCE), None)
    return Outline(signed, fields[0].tag == _INTEGER, entries)


def _children(data: bytes, parent: Element) -> list[Element]:
    children = []
    at = parent.content
    while at < parent.end:
        children.append(element(data, at))
        at = children[-1].end
    return children
