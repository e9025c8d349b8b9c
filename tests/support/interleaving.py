"""The conditions and the invariants that a random interleaving of the activator is checked against.

`Conditions` is the model: which devices may be active, and what operators changed. `InvariantChecker` reads
the account at each call of the activator, and records what breaks an invariant of `docs/architecture.md`. It
reads moto's data directly, so a check makes no call and changes nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.iot.models import iot_backends

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import KEY, SERIAL_INDEX_KEY, Claim, Ledger, State
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from tests.support.account import POLICY, REGION, Account

PERMITTED = {
    *("BatchGetItem", "GetItem", "PutItem", "UpdateItem", "TransactWriteItems"),
    *("ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "SendMessage"),
    *("DescribeCertificate", "UpdateCertificate", "AttachPolicy", "DescribeCACertificate"),
}
"""The calls that the activator's role allows; batches and transactions are authorised as their parts are."""
REVOKED_IN_BETWEEN = "REVOKED in between"
"""By an operator, after a worker had read the status."""


class Kind(StrEnum):
    """The properties of a device."""

    SOUND = "sound"
    UNLISTED = "unlisted"
    """It is not expected, until an operator enters it into the allow list."""
    EXPIRED = "expired"
    FORGED = "forged"
    """Signed by a CA that has our CA's name, and not its key."""
    FOREIGN = "foreign"
    """Registered under a CA of another deployment."""


@dataclass
class Conditions:
    """What changes while devices connect: the CRL, the allow list, and what operators do."""

    kinds: dict[CertificateId, Kind] = field(default_factory=dict)
    ids: dict[str, CertificateId] = field(default_factory=dict)
    """Fingerprint → id: AWS IoT's id is the fingerprint, moto's is not."""
    revoked: set[CertificateId] = field(default_factory=set)
    crl_available: bool = True
    all_listed: bool = False
    operators: dict[CertificateId, str] = field(default_factory=dict)
    """Certificates that an operator has decided about → the status that they must have."""

    def prepare(self) -> None:
        """Nothing to prepare."""

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> str:
        """The check of revocation."""
        del ca_certificate_id
        if not self.crl_available:
            raise DeferredError(Reason.CRL_MISSING)
        if self.ids[certificate.fingerprint] in self.revoked:
            raise RefusedError(Reason.REVOKED)
        return "1"

    def admit(self, device: DeviceCertificate) -> Mapping[str, str]:
        """The check of admission."""
        if self.kinds[device.certificate_id] is Kind.UNLISTED and not self.all_listed:
            raise RefusedError(Reason.NOT_LISTED)
        return {}

    def admits(self, certificate: CertificateId) -> bool:
        """Whether a pending certificate may be activated at this moment."""
        expected = {Kind.SOUND, Kind.UNLISTED} if self.all_listed else {Kind.SOUND}
        return self.kinds[certificate] in expected and certificate not in self.revoked and self.crl_available


class RecordingLedger(Ledger):
    """A worker's ledger, with the tokens of the claims that it made."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        super().__init__(dynamodb, table)
        self.tokens: dict[CertificateId, str] = {}

    def claim(self, certificate_id: CertificateId, **event: Any) -> Claim:
        claim = super().claim(certificate_id, **event)
        self.tokens[certificate_id] = claim.lease.token
        return claim


class InvariantChecker:
    """Checks the account whenever a worker makes a call."""

    def __init__(self, aws: Account, conditions: Conditions) -> None:
        self._aws = aws
        self._conditions = conditions
        self._workers: list[RecordingLedger] = []
        self.violations: list[str] = []

    @contextmanager
    def working(self, worker: RecordingLedger) -> Iterator[None]:
        """All further calls belong to this worker, until another worker runs in between."""
        self._workers.append(worker)
        try:
            yield
        finally:
            self._workers.pop()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Check at each call through the account's clients."""
        # After the handlers that were registered first: another worker may have run in between.
        watches: list[tuple[Any, str, Callable[..., None]]] = [
            (self._aws.iot, "before-send.iot.*", self._on_request),
            (self._aws.dynamodb, "before-send.dynamodb.*", self._on_request),
            (self._aws.sqs, "before-send.sqs.*", self._on_request),
            (self._aws.iot, "before-send.iot.*", self._revoked_is_final),
        ]
        for client, event, checker in watches:
            client.meta.events.register(event, checker)
        try:
            yield
        finally:
            for client, event, checker in watches:
                client.meta.events.unregister(event, checker)

    # the account's state

    def status(self, certificate: CertificateId) -> str:
        return str(iot_backends[DEFAULT_ACCOUNT_ID][REGION].certificates[certificate].status)

    def set_status(self, certificate: CertificateId, status: str) -> None:
        """Set it as an operator does, without a client of the checker."""
        iot_backends[DEFAULT_ACCOUNT_ID][REGION].certificates[certificate].status = status

    def policies(self, certificate: CertificateId) -> list[str]:
        attached = iot_backends[DEFAULT_ACCOUNT_ID][REGION].principal_policies
        return [policy for arn, policy in attached if arn.endswith(f"/{certificate}")]

    def items(self) -> dict[str, dict[str, Any]]:
        """All items of the ledger's table, by key."""
        table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[self._aws.table]
        items = (item.to_json()["Attributes"] for item in table.all_items())
        return {item[KEY]["S"]: item for item in items}

    # the invariants at each call

    def _on_request(self, request: Any, event_name: str, **_: object) -> None:
        if not self._workers:
            return
        operation = event_name.rpartition(".")[2]
        url = urlsplit(request.url)
        if operation not in PERMITTED:
            self.violations.append(f"8: the activator's role does not allow {operation}")
        if operation == "AttachPolicy":
            self._check_change(CertificateId(json.loads(request.body)["target"].rpartition("/")[2]))
        if operation == "UpdateCertificate":
            certificate = CertificateId(url.path.rpartition("/")[2])
            self._check_change(certificate)
            self._check_activation(certificate, parse_qs(url.query)["newStatus"])

    def _check_change(self, certificate: CertificateId) -> None:
        """Invariant 6: a worker that changes a certificate holds its claim and has recorded the change."""
        item = self.items().get(certificate, {})
        if item.get("leaseToken", {}).get("S") != self._workers[-1].tokens.get(certificate):
            self.violations.append("6: changed by a worker that has lost its claim")
        if int(item.get("leaseExpiresAt", {}).get("N", 0)) <= self._aws.clock.milliseconds:
            self.violations.append("6: changed under a claim that has expired")
        if item.get("state", {}).get("S") != State.ACTIVATING or SERIAL_INDEX_KEY not in item:
            self.violations.append("6: changed before the ledger has it, with the serial number")

    def _check_activation(self, certificate: CertificateId, new_status: list[str]) -> None:
        """Invariants 1, 2 and 5: only what is pending, passes every check and has its policy is activated."""
        kind, status = self._conditions.kinds[certificate], self.status(certificate)
        if new_status != ["ACTIVE"]:
            self.violations.append(f"2: an event made a certificate {new_status}")
        if (
            status != "PENDING_ACTIVATION"
            and self._conditions.operators.get(certificate) != REVOKED_IN_BETWEEN
        ):
            self.violations.append(f"2: activated although it was {status}")
        if not self._conditions.admits(certificate):
            self.violations.append(f"1, 5: activated although it may not be ({kind})")
        if self.policies(certificate) != [POLICY]:
            self.violations.append("1: activated before its policy was attached")

    def _revoked_is_final(self, request: Any, event_name: str, **_: object) -> None:
        """Refuse what AWS IoT refuses and moto does not."""
        certificate = CertificateId(urlsplit(request.url).path.rpartition("/")[2])
        if event_name.endswith(".UpdateCertificate") and self.status(certificate) == "REVOKED":
            error: Any = {"Error": {"Code": "CertificateStateException", "Message": "REVOKED is final"}}
            raise self._aws.iot.exceptions.CertificateStateException(error, "UpdateCertificate")
