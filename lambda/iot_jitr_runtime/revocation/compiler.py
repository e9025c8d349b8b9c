"""Chooses, among the CRLs that a CA's source offers, those that come into force."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.revocation.builder import IndexBuilder
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.records import CrlRecord, Origin
from iot_jitr_runtime.revocation.scope import Scope
from iot_jitr_runtime.revocation.unusable import Rule, UnusableCrlError
from iot_jitr_runtime.revocation.verification import check_time, verify

FORGOTTEN_AFTER = timedelta(days=7)
"""A CRL that is stale for so long, while others are in force, belongs to a scope that its CA has given up."""


class Fate(StrEnum):
    """What became of a usable CRL."""

    IN_FORCE = "in_force"
    """It is the newest of its scope."""
    SUPERSEDED = "superseded"
    """A newer one of its scope is at hand: history, nothing wrong with it."""


@dataclass(frozen=True)
class Completion:
    """What there is to say of an index that was completed from the former one."""

    rolled_back: dict[Origin, UnusableCrlError]
    """CRLs older than the one in force, while their source has no newer one (`ROLLED_BACK`)."""
    not_offered: list[CrlRecord]
    """CRLs that stay in force although they were not offered again."""


@dataclass
class Compiler:
    """Builds the next index from what `take` is given and what the former index has.

    Of each scope the CRL with the highest number comes into force. No scope is lost: one that is not
    offered any more, or whose new CRL is unusable, stays as it was in the former index: stale, in the end.
    """

    builder: IndexBuilder
    ca: Certificate
    now: datetime
    max_age: timedelta | None = None
    former: Index | None = None
    _kept: set[Scope] = field(default_factory=set)
    _older: list[CrlRecord] = field(default_factory=list)

    def take(self, data: bytes, origin: Origin) -> Fate:
        """Consider one CRL, PEM or DER.

        Raises:
            UnusableCrlError: It must not be used.
        """
        crl = Crl.load(data)
        verify(crl, self.ca)
        offered = CrlRecord.of(crl, origin)
        at_hand = self.builder.crls().get(crl.scope)
        in_force = self._former.get(crl.scope)
        if (at_hand and offered.order <= at_hand.order) or (in_force and offered.order < in_force.order):
            self._older.append(offered)
            return Fate.SUPERSEDED
        check_time(crl, self.now, self.max_age)
        self.builder.add(crl, origin)
        if at_hand:
            self._older.append(at_hand)
        return Fate.IN_FORCE

    def keep(self, origin: Origin) -> bool:
        """Whether this very object is known from the former index, and need not be read again."""
        if origin.etag is None and origin.last_modified is None:
            return False
        if self.former is not None and self.former.supersedes(origin):
            self.builder.note_superseded(origin)
            return True
        known = [record.scope for record in self._former.values() if record.origin == origin]
        self._kept.update(known)
        return bool(known)

    def complete(self) -> Completion:
        """Fill up with the former index what is still missing."""
        taken = self.builder.crls()
        missing = {scope: record for scope, record in self._former.items() if scope not in taken}
        for record in missing.values():
            if self.former is not None and not (taken and self._is_forgotten(record)):
                self.builder.carry_over(self.former, record)
        rolled_back: dict[Origin, UnusableCrlError] = {}
        for older in self._older:
            if older.scope in taken or older.scope in self._kept:
                self.builder.note_superseded(older.origin)
            else:
                rolled_back[older.origin] = _rolled_back(older, self._former[older.scope])
        return Completion(
            rolled_back, [record for scope, record in missing.items() if scope not in self._kept]
        )

    def _is_forgotten(self, record: CrlRecord) -> bool:
        return self.now - record.usable_until(self.max_age) >= FORGOTTEN_AFTER

    @cached_property
    def _former(self) -> dict[Scope, CrlRecord]:
        crls = self.former.crls if self.former is not None else []
        return {record.scope: record for record in crls}


def _rolled_back(offered: CrlRecord, in_force: CrlRecord) -> UnusableCrlError:
    return UnusableCrlError(
        Rule.ROLLED_BACK,
        f"its number {offered.number} of {offered.this_update:%Y-%m-%d %H:%M:%SZ} is older than the "
        f"{in_force.number} in force, of {in_force.this_update:%Y-%m-%d %H:%M:%SZ}",
    )
