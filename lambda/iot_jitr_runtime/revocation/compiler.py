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
    older: list[CrlRecord] = field(default_factory=list)
    """CRLs that were considered and are older than another one of their scope."""
    _kept: set[Scope] = field(default_factory=set)

    def take(self, data: bytes, origin: Origin) -> Fate:
        """Consider one CRL, PEM or DER.

        Raises:
            UnusableCrlError: It must not be used.
        """
        crl = Crl.load(data)
        verify(crl, self.ca)
        if self.is_older(CrlRecord.of(crl, origin)):
            return Fate.SUPERSEDED
        check_time(crl, self.now, self.max_age)
        at_hand = self.builder.crls().get(crl.scope)
        self.builder.add(crl, origin)
        if at_hand:
            self.older.append(at_hand)
        return Fate.IN_FORCE

    def is_older(self, record: CrlRecord) -> bool:
        """Whether another CRL of the scope is newer, or is the same one from another place; note it then."""
        at_hand = self.builder.crls().get(record.scope)
        in_force = self._former.get(record.scope)
        older = (at_hand is not None and record.order <= at_hand.order) or (
            in_force is not None
            and (
                record.order < in_force.order
                or (record.order == in_force.order and record.scope in self._kept)
            )
        )
        if older:
            self.older.append(record)
        return older

    def keep(self, origin: Origin) -> bool:
        """Whether what lies at `origin` is in force in the former index, and need not be read again.

        Call it for all that the source has before the first `take`.
        """
        if origin.etag is None and origin.last_modified is None:
            return False
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
        for older in self.older:
            if older.scope not in taken and older.scope not in self._kept:
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
