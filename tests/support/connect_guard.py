"""Events as AWS IoT sends them to a client certificate callback, and what the guard reads from S3."""

import base64
from datetime import timedelta
from typing import Any

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.connect_guard import OnUnknown
from iot_jitr_runtime.connect_guard.guard import ConnectGuard
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from tests.support.indexes import CA_ID, IndexBucket

REFRESH = timedelta(seconds=1)


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


class GuardHarness(IndexBucket):
    """A bucket as the publisher leaves it, and guards that read from it."""

    def guard(self, on_unknown: OnUnknown, *cas: CaCertificateId) -> ConnectGuard:
        """A new execution environment."""
        revocation = IndexedRevocation(self.store, refresh=REFRESH, clock=self.clock)
        return ConnectGuard(revocation, cas or [CA_ID], on_unknown)

    def store_issuer(self) -> None:
        self.store.store_issuer(CA_ID, self.ca.certificate)
