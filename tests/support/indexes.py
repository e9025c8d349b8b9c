"""Revocation indexes for tests, compiled from CRLs by the engine itself."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.build import IndexBuilder
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.model import Origin
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore, Published
from tests.support.buckets import new_bucket
from tests.support.clock import Clock
from tests.support.crls import NOW, CrlSpec, Entry, make_crl

CA_ID = CaCertificateId("ca" * 32)


def compile_index(
    path: Path,
    ca: DevelopmentCa,
    *specs: CrlSpec,
    max_age: timedelta | None = None,
    compiled_at: datetime = NOW,
    ca_id: CaCertificateId = CA_ID,
) -> Index:
    """Compile CRLs, all of which must be usable now."""
    with IndexBuilder(path, ca.certificate, compiled_at, max_age) as builder:
        for number, spec in enumerate(specs):
            builder.add_crl(make_crl(ca, spec), Origin(f"crl-{number}", etag=str(number)))
        builder.finish(ca_id)
    return Index.open(path)


def publish_index(
    store: IndexStore,
    path: Path,
    ca: DevelopmentCa,
    spec: CrlSpec,
    *,
    compiled_at: datetime,
    ca_id: CaCertificateId = CA_ID,
    named: CaCertificateId | None = None,
) -> Published:
    """Compile a CRL into an index and publish that instead of the one in force, as the publisher does.

    `named` is the CA that the index itself names; None: the one that it is published for.
    """
    index = compile_index(path, ca, spec, compiled_at=compiled_at, ca_id=named or ca_id)
    index.close()
    try:
        former = store.current(ca_id)
    except IndexMissingError:
        former = None
    usable_until = min(record.usable_until(index.max_age) for record in index.crls)
    store.publish(ca_id, path, index.version, instead_of=former, usable_until=usable_until)
    return store.current(ca_id)


class IndexBucket:
    """A bucket with the indexes of a CA, and the clock of their reader."""

    def __init__(self, s3: Any, folder: Path, ca: DevelopmentCa) -> None:
        self.s3 = s3
        self.folder = folder
        self.ca = ca
        self.clock = Clock()
        self.store = IndexStore(s3, new_bucket(s3))
        self.number = 0

    def publish(
        self,
        *entries: Entry,
        ca_id: CaCertificateId = CA_ID,
        named: CaCertificateId | None = None,
        **values: Any,
    ) -> Published:
        """Publish the next CRL, issued an hour ago and good for a day, as the publisher does."""
        self.number += 1
        now = self.clock()
        self.store.store_issuer(ca_id, self.ca.certificate)
        times = {"this_update": now - timedelta(hours=1), "next_update": now + timedelta(days=1)}
        spec = CrlSpec(entries, self.number, **(times | values))
        path = self.folder / f"{self.number}"
        return publish_index(self.store, path, self.ca, spec, compiled_at=now, ca_id=ca_id, named=named)
