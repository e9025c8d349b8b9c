"""The entries of a CRL: serial numbers and reasons, in batches, at the speed a million of them need.

Nearly all entries of nearly all CRLs have one of two forms: serial and time, or serial, time and reason code.
These are read with one regular expression, which matches such an entry as a whole or not at all;
`cryptography` has parsed the CRL before, so an entry begins where the one before it ends. From the first
entry of another form on, the CRL is read through `cryptography`, several times slower. A test holds that both
readings agree.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID

from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.der import Element
from iot_jitr_runtime.revocation.reasons import RevocationReason
from iot_jitr_runtime.revocation.unusable import Rule, UnusableCrlError

_WINDOW = 8 << 20
_BATCH = 100_000
_LONGEST_SERIAL = 21

_SERIAL = b"|".join(b"(?<=\\x%02x).{%d}" % (size, size) for size in range(_LONGEST_SERIAL, 0, -1))
_REASON_CODE = rb"\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01([\x00-\x06\x09\x0a])"
_COMMON = rb"\x30[\x00-\x7f]\x02.(" + _SERIAL + rb")\x17\x0d.{13}(?:" + _REASON_CODE + rb")?"
_NEXT = rb"\x30[\x00-\x7f]\x02"
_ANYTHING_ELSE = rb"(.+)"
# An entry is matched only where another one, or the end, follows: else it has extensions of another form.
_BEFORE_ANOTHER = re.compile(_COMMON + rb"(?=" + _NEXT + rb")|" + _ANYTHING_ELSE, re.DOTALL)
_UP_TO_THE_END = re.compile(_COMMON + rb"(?=" + _NEXT + rb"|\Z)|" + _ANYTHING_ELSE, re.DOTALL)

_REASONS = {
    x509.ReasonFlags[name]: RevocationReason[name.upper()]
    for name in (
        "unspecified",
        "key_compromise",
        "ca_compromise",
        "affiliation_changed",
        "superseded",
        "cessation_of_operation",
        "certificate_hold",
        "privilege_withdrawn",
        "aa_compromise",
    )
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that have the reason and the length of the serial number in common."""

    reason: RevocationReason
    width: int
    """Length of each serial number in bytes, at least 1."""
    serials: bytes
    """The serial numbers as `serial_key` writes them, one after the other."""


def serial_key(serial: int) -> bytes:
    """Write a serial number as an entry does: the content of a DER INTEGER."""
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)


def batches(crl: Crl) -> Iterator[Batch]:
    """Read all entries of a verified CRL.

    Raises:
        UnusableCrlError: `CRITICAL_ENTRY_EXTENSION`, `INDIRECT`, `DELTA` or `MALFORMED`: what was read up to
            then must not be used either.
    """
    if crl.outline.entries is None:
        return
    reader = _CommonEntries(crl.der, crl.outline.entries)
    yield from reader.batches()
    if not reader.finished:
        yield from _any_batches(crl, skip=reader.count)


class _CommonEntries:
    """Reads entries of the common forms, and stops before the first that has another."""

    def __init__(self, der: bytes, entries: Element) -> None:
        self._der = der
        self._at = entries.content
        self._end = entries.end
        self.count = 0

    @property
    def finished(self) -> bool:
        """Whether all entries had a common form."""
        return self._at == self._end

    def batches(self) -> Iterator[Batch]:
        stuck = False
        while not (self.finished or stuck):
            stop = min(self._at + _WINDOW, self._end)
            pattern = _UP_TO_THE_END if stop == self._end else _BEFORE_ANOTHER
            found = pattern.findall(self._der, self._at, stop)
            rest = found.pop()[2] if found[-1][2] else b""
            # An entry that the window cuts off is read from its beginning in the next one.
            stuck = not found or (stop == self._end and bool(rest))
            self._at = stop - len(rest)
            self.count += len(found)
            groups: defaultdict[tuple[int, bytes], list[bytes]] = defaultdict(list)
            for serial, reason, _ in found:
                groups[len(serial), reason].append(serial)
            for (width, reason), serials in groups.items():
                yield Batch(RevocationReason(reason[0] if reason else 0), width, b"".join(serials))


def _any_batches(crl: Crl, skip: int) -> Iterator[Batch]:
    remaining = itertools.islice(crl.parsed, skip, None)
    while chunk := list(itertools.islice(remaining, _BATCH)):
        groups: defaultdict[tuple[int, RevocationReason], list[bytes]] = defaultdict(list)
        for entry in chunk:
            key = serial_key(entry.serial_number)
            groups[len(key), _reason(entry)].append(key)
        for (width, reason), serials in groups.items():
            yield Batch(reason, width, b"".join(serials))


def _reason(entry: x509.RevokedCertificate) -> RevocationReason:
    reason = RevocationReason.UNSPECIFIED
    try:
        extensions = list(entry.extensions)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise UnusableCrlError(
            Rule.MALFORMED, f"the extensions of its entry {entry.serial_number:x} cannot be read: {error}"
        ) from error
    for extension in extensions:
        if extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
            raise UnusableCrlError(Rule.INDIRECT, f"its entry {entry.serial_number:x} is of another issuer")
        if extension.critical:
            raise UnusableCrlError(
                Rule.CRITICAL_ENTRY_EXTENSION,
                f"its entry {entry.serial_number:x} has the critical extension {extension.oid.dotted_string}",
            )
        if isinstance(extension.value, x509.CRLReason):
            if extension.value.reason not in _REASONS:
                raise UnusableCrlError(
                    Rule.DELTA, f"its entry {entry.serial_number:x} has reason removeFromCRL, of delta CRLs"
                )
            reason = _REASONS[extension.value.reason]
    return reason
