"""Events as AWS IoT sends them to a client certificate callback, and what the guard reads from S3."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.connect_guard import OnUnknown
from iot_jitr_runtime.connect_guard.guard import ConnectGuard
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from tests.support.buckets import new_bucket
from tests.support.clock import Clock
from tests.support.crls import CrlSpec, Entry
from tests.support.indexes import CA_ID, publish_index

REFRESH = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def in_base64(certificate: Certificate) -> str:
    """DER in base64, the other encoding that AWS may use."""
    return base64.b64encode(certificate.der).decode()


def connect_event(*chain: str, principal: str) -> dict[str, Any]:
    """The event, complete as the developer guide shows it."""
    return {
        "connectionMetadata": {"id": "6a1f"},
        "principalId": principal,
        "serverName": "devices.example.com",
        "clientCertificateChain": list(chain),
    }


def connect_of(leaf: Certificate, *others: Certificate) -> dict[str, Any]:
    """The event of a device that presents these certificates."""
    return connect_event(leaf.pem, *(each.pem for each in others), principal=leaf.fingerprint)


class GuardHarness:
    """A bucket as the publisher leaves it, and a guard that reads from it."""

    def __init__(self, s3: Any, folder: Path, ca: DevelopmentCa) -> None:
        self.s3 = s3
        self.folder = folder
        self.ca = ca
        self.clock = Clock()
        self.store = IndexStore(s3, new_bucket(s3))
        self.number = 0

    def guard(self, on_unknown: OnUnknown, *cas: CaCertificateId) -> ConnectGuard:
        """A new execution environment."""
        revocation = IndexedRevocation(self.store, refresh=REFRESH, clock=self.clock)
        return ConnectGuard(revocation, cas or [CA_ID], on_unknown, self.clock)

    def keep_issuer(self) -> None:
        self.store.keep_issuer(CA_ID, self.ca.certificate)

    def publish(self, *entries: Entry, ca_id: CaCertificateId = CA_ID, **values: Any) -> None:
        """Publish as the publisher does: the CA's certificate, then the index."""
        self.number += 1
        now = self.clock()
        self.store.keep_issuer(ca_id, self.ca.certificate)
        values = {"this_update": now - HOUR, "next_update": now + 24 * HOUR} | values
        spec = CrlSpec(entries=entries, number=self.number, **values)
        path = self.folder / f"{self.number}-{ca_id[:4]}"
        publish_index(self.store, path, self.ca, spec, compiled_at=now, ca_id=ca_id)
