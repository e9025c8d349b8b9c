"""One run for one CA: fetch its CRLs, build the index from those that may be used, publish it.

An unusable CRL changes nothing: what is in force stays in force, until it is stale, and the run reports what
was wrong. Each run may be repeated, cut off anywhere, and run twice side by side.
"""

from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.publisher.known_objects import KnownObjects
from iot_jitr_runtime.publisher.sources import CrlObject, FetchError, FetchProblem, Source
from iot_jitr_runtime.revocation.build import Compiler, IndexBuilder
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.model import CrlRecord, RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.store import (
    IndexMissingError,
    IndexReplacedError,
    IndexStore,
    Published,
)

_TRIES = 3
"""How often a run begins again because another one has published meanwhile."""


class IndexProblem(StrEnum):
    """What can be wrong besides the CRLs themselves. The values are a stable interface."""

    NOT_OFFERED = "not_offered"
    """A CRL in force is no longer at its source; it stays in force until it is stale."""
    STALE = "stale"
    """A CRL in force is past its nextUpdate or the configured maximum age, and there is no newer one."""
    INDEX_DAMAGED = "index_damaged"
    """The index in force cannot be read; a new one is built from what the source has."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should look at."""

    kind: RejectionReason | FetchProblem | IndexProblem
    location: str
    detail: str


@dataclass(frozen=True)
class PublicationReport:
    """What a run found and did."""

    ca_certificate_id: CaCertificateId
    version: str | None
    """Version of the index that is in force after the run, None if there is none."""
    crls: list[CrlRecord] = field(default_factory=list)
    usable_until: datetime | None = None
    problems: list[Problem] = field(default_factory=list)
    changed: bool = False
    """This run has published it."""


@dataclass
class _Run:
    """What is known in the course of one run."""

    folder: Path
    known: KnownObjects
    problems: list[Problem] = field(default_factory=list)
    former: Index | None = None
    in_force: Published | None = None
    listed: set[str] | None = None
    """Locations that the source has; None if it could not be listed."""

    def close(self) -> None:
        if self.former is not None:
            self.former.close()

    def note(self, kind: RejectionReason | FetchProblem | IndexProblem, location: str, detail: str) -> None:
        self.problems.append(Problem(kind, location, detail))


@dataclass(frozen=True)
class Publication:
    """Publishes the index of any CA."""

    store: IndexStore
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def publish(
        self, ca_id: CaCertificateId, ca: Certificate, source: Source, max_age: timedelta | None = None
    ) -> PublicationReport:
        """Bring a CA's index up to date. botocore's errors about the index propagate.

        Args:
            ca_id: Id of the CA certificate.
            ca: The CA certificate.
            source: Where its CRLs come from.
            max_age: How old a CRL may be, however far away its nextUpdate.

        Raises:
            IndexReplacedError: Another run has published meanwhile, at each of three attempts.
        """
        for _ in range(_TRIES - 1):
            with suppress(IndexReplacedError):
                return self._attempt(ca_id, ca, source, max_age)
        return self._attempt(ca_id, ca, source, max_age)

    def _attempt(
        self, ca_id: CaCertificateId, ca: Certificate, source: Source, max_age: timedelta | None
    ) -> PublicationReport:
        now = self.clock()
        known = KnownObjects(self.store, ca_id, now, max_age)
        with (
            TemporaryDirectory(prefix="jitr-publication-") as folder,
            closing(_Run(Path(folder), known)) as run,
        ):
            self._load_former(run, ca_id)
            path = run.folder / "new.sqlite"
            with IndexBuilder(path) as builder:
                compiler = Compiler(builder, ca, now, max_age, run.former)
                _build(run, source, compiler)
                report = self._publish(run, ca_id, compiler, path)
        known.save()
        return report

    def _publish(
        self, run: _Run, ca_id: CaCertificateId, compiler: Compiler, path: Path
    ) -> PublicationReport:
        builder, max_age = compiler.builder, compiler.max_age
        crls = list(builder.crls().values())
        if not crls:
            return PublicationReport(ca_id, None, problems=run.problems)
        usable_until = min(record.usable_until(max_age) for record in crls)
        if run.former is not None and not _differs(run.former, crls, max_age):
            return PublicationReport(ca_id, run.former.version, crls, usable_until, run.problems)
        version = builder.finish(ca_id, compiler.now, max_age)
        self.store.publish(ca_id, path, version, instead_of=run.in_force, usable_until=usable_until)
        return PublicationReport(ca_id, version, crls, usable_until, run.problems, changed=True)

    def _load_former(self, run: _Run, ca_id: CaCertificateId) -> None:
        path = run.folder / "former.sqlite"
        try:
            run.in_force = self.store.download(ca_id, path)
            run.former = Index.open(path)
        except IndexMissingError:
            return
        except DamagedIndexError as error:
            run.in_force = self.store.current(ca_id)
            run.note(IndexProblem.INDEX_DAMAGED, "index", str(error))


def _build(run: _Run, source: Source, compiler: Compiler) -> None:
    _examine_source(run, source, compiler)
    completion = compiler.complete()
    for origin, error in completion.rolled_back.items():
        run.note(error.reason, origin.location, str(error))
    _note_not_offered(run, completion.not_offered)
    _note_stale(run, compiler.builder.crls().values(), compiler.now, compiler.max_age)


def _examine_source(run: _Run, source: Source, compiler: Compiler) -> None:
    in_force = run.former.crls if run.former is not None else []
    try:
        objects = source.objects([record.origin for record in in_force])
    except FetchError as error:
        run.note(error.problem, "source", str(error))
        return
    run.listed = {each.origin.location for each in objects}
    for each in [each for each in objects if not compiler.keep(each.origin)]:
        try:
            _examine(run, each, compiler)
        except FetchError as error:
            run.note(error.problem, each.origin.location, str(error))
        except UnusableCrlError as error:
            run.note(error.reason, each.origin.location, str(error))
    for record in compiler.older:
        run.known.note_older(record)


def _examine(run: _Run, found: CrlObject, compiler: Compiler) -> None:
    if found.read is None:
        return
    known = run.known.find(found.origin)
    if isinstance(known, UnusableCrlError):
        raise known
    if known is not None and compiler.is_older(known):
        return
    data = found.read()
    try:
        compiler.take(data, found.origin)
    except UnusableCrlError as error:
        run.known.note_unusable(found.origin, error)
        raise


def _note_not_offered(run: _Run, records: Iterable[CrlRecord]) -> None:
    for record in records:
        if run.listed is not None and record.origin.location not in run.listed:
            run.note(
                IndexProblem.NOT_OFFERED,
                record.origin.location,
                f"CRL number {record.number} for {record.scope} is no longer there",
            )


def _note_stale(run: _Run, crls: Iterable[CrlRecord], now: datetime, max_age: timedelta | None) -> None:
    for record in crls:
        end = record.usable_until(max_age)
        if now >= end:
            run.note(
                IndexProblem.STALE,
                record.origin.location,
                f"CRL number {record.number} for {record.scope}: stale since {end:%Y-%m-%d %H:%M:%SZ}",
            )


def _differs(former: Index, crls: Iterable[CrlRecord], max_age: timedelta | None) -> bool:
    before = ({each.digest for each in former.crls}, former.max_age)
    return before != ({each.digest for each in crls}, max_age)
