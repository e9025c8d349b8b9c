"""One run for one CA: fetch its CRLs, build the index from the usable ones, publish it.

An unusable CRL changes nothing: the CRL in force stays in force until it is stale, and the run reports the
problem. A run may be repeated, interrupted at any point, and run twice at the same time.
"""

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.publisher.object_cache import ObjectCache
from iot_jitr_runtime.publisher.settings import CaSettings, Source
from iot_jitr_runtime.publisher.sources import CrlObject, FetchError, FetchProblem
from iot_jitr_runtime.revocation.build import IndexBuilder
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.model import CrlRecord, RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.store import (
    IndexMissingError,
    IndexReplacedError,
    IndexStore,
    Published,
)

_TRIES = 3
"""How often a run starts again after another run has published meanwhile."""


class IndexProblem(StrEnum):
    """Problems with an index, besides unusable CRLs. The values are a stable interface."""

    NOT_OFFERED = "not_offered"
    """A CRL in force is no longer at its source; it stays in force until it is stale."""
    STALE = "stale"
    """A CRL in force is past its nextUpdate or the configured maximum age, and there is no newer one."""
    INDEX_DAMAGED = "index_damaged"
    """The index in force cannot be read; a new one is built from the CRLs at the source."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem for an operator."""

    kind: RejectionReason | FetchProblem | IndexProblem
    location: str
    detail: str


@dataclass(frozen=True)
class PublicationReport:
    """The result of a run."""

    version: str | None
    """Version of the index that is in force after the run, None if there is none."""
    crls: list[CrlRecord] = field(default_factory=list)
    usable_until: datetime | None = None
    problems: list[Problem] = field(default_factory=list)
    changed: bool = False
    """This run has published it."""


def publish(
    store: IndexStore, ca_id: CaCertificateId, ca: Certificate, settings: CaSettings, now: datetime
) -> PublicationReport:
    """Bring a CA's index up to date. botocore's errors about the index propagate.

    Raises:
        IndexReplacedError: At each of three attempts, another run has published meanwhile.
    """
    for _ in range(_TRIES - 1):
        with suppress(IndexReplacedError):
            return _attempt(store, ca_id, ca, settings, now)
    return _attempt(store, ca_id, ca, settings, now)


def _attempt(
    store: IndexStore, ca_id: CaCertificateId, ca: Certificate, settings: CaSettings, now: datetime
) -> PublicationReport:
    max_age = settings.max_age
    problems: list[Problem] = []
    cache = ObjectCache(store, ca_id, now, max_age)
    with TemporaryDirectory(prefix="jitr-publication-") as folder, ExitStack() as opened:
        published, former = _former(store, ca_id, Path(folder), problems)
        if former is not None:
            opened.callback(former.close)
        path = Path(folder) / "new.sqlite"
        builder = opened.enter_context(IndexBuilder(path, ca, now, max_age, former))
        listed = _examine_source(settings.source, builder, cache, problems)
        for origin, error in builder.complete().items():
            problems.append(Problem(error.reason, origin.location, str(error)))
        crls = list(builder.crls.values())
        problems += _problems_in_force(crls, listed, now, max_age)
        usable_until = min((record.usable_until(max_age) for record in crls), default=None)
        version = former.version if former and crls else None
        changed = False
        if usable_until is not None and (former is None or _differs(former, crls, max_age)):
            version = builder.finish(ca_id)
            store.publish(ca_id, path, version, instead_of=published, usable_until=usable_until)
            changed = True
    cache.save()
    return PublicationReport(version, crls, usable_until, problems, changed)


def _former(
    store: IndexStore, ca_id: CaCertificateId, folder: Path, problems: list[Problem]
) -> tuple[Published | None, Index | None]:
    """Return the index in force, and a copy of it if it can be read; None, None where there is none."""
    path = folder / "former.sqlite"
    try:
        return store.download(ca_id, path), Index.open(path)
    except IndexMissingError:
        return None, None
    except DamagedIndexError as error:
        problems.append(Problem(IndexProblem.INDEX_DAMAGED, "index", str(error)))
        return store.current(ca_id), None


def _examine_source(
    source: Source, builder: IndexBuilder, cache: ObjectCache, problems: list[Problem]
) -> set[str] | None:
    """Examine each CRL of the source; return all locations, None if they cannot be listed."""
    try:
        objects = source.objects([record.origin for record in builder.in_force.values()])
    except FetchError as error:
        problems.append(Problem(error.problem, "source", str(error)))
        return None
    for each in [each for each in objects if not builder.reuse(each.origin)]:
        try:
            _examine(each, builder, cache)
        except FetchError as error:
            problems.append(Problem(error.problem, each.origin.location, str(error)))
        except UnusableCrlError as error:
            problems.append(Problem(error.reason, each.origin.location, str(error)))
    for record in builder.older:
        cache.add_older(record)
    return {each.origin.location for each in objects}


def _examine(found: CrlObject, builder: IndexBuilder, cache: ObjectCache) -> None:
    if found.read is None:
        return
    before = cache.find(found.origin)
    if isinstance(before, UnusableCrlError):
        raise before
    if before is not None and builder.is_older(before):
        return
    data = found.read()
    try:
        builder.add_crl(data, found.origin)
    except UnusableCrlError as error:
        cache.add_unusable(found.origin, error)
        raise


def _problems_in_force(
    crls: list[CrlRecord], listed: set[str] | None, now: datetime, max_age: timedelta | None
) -> list[Problem]:
    problems = []
    for record in crls:
        location, name = record.origin.location, f"CRL number {record.number} for {record.scope}"
        end = record.usable_until(max_age)
        if listed is not None and location not in listed:
            problems.append(Problem(IndexProblem.NOT_OFFERED, location, f"{name} is no longer there"))
        if now >= end:
            detail = f"{name}: stale since {end:%Y-%m-%d %H:%M:%SZ}"
            problems.append(Problem(IndexProblem.STALE, location, detail))
    return problems


def _differs(former: Index, crls: list[CrlRecord], max_age: timedelta | None) -> bool:
    before = ({each.digest for each in former.crls}, former.max_age)
    return before != ({each.digest for each in crls}, max_age)
