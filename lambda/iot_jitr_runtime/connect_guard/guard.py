"""Decides about one connect from the revocation indexes alone, without any AWS IoT call.

The guard checks a certificate only if the key of one of this deployment's CAs signed it. The connect is
refused if the index of the CA lists the certificate, and admitted if a usable index does not list it; without
a usable index, the configured `on_unknown` applies. A certificate of another CA is admitted without a check:
AWS IoT decides about it as it does without a guard.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.connect_guard import OnUnknown
from iot_jitr_runtime.connect_guard.chain import presented
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexMissingError


class ConnectFinding(StrEnum):
    """The result of a check, from the best to the worst. The values in the log are a stable interface."""

    NOT_OURS = "not_ours"
    """The certificate was not issued by a CA of this deployment that has a CRL."""
    GOOD = "good"
    """There is a usable index, and it does not list the certificate."""
    UNKNOWN = "unknown"
    """There is no usable index, or S3 does not respond."""
    UNREADABLE = "unreadable"
    """The event, or a certificate in it, cannot be read."""
    REVOKED = "revoked"
    """The index lists the certificate as revoked or on hold."""


ADMITTED = {ConnectFinding.NOT_OURS, ConnectFinding.GOOD}
"""Admitted whatever the configuration."""


@dataclass(frozen=True, slots=True)
class ConnectDecision:
    """Whether a connect is admitted, and why."""

    admitted: bool
    finding: ConnectFinding
    detail: str = ""


@dataclass
class ConnectGuard:
    """Decides about connects. Kept at module scope, for the life of the execution environment."""

    revocation: IndexedRevocation
    cas: Collection[CaCertificateId]
    """Our CAs that have a CRL."""
    on_unknown: OnUnknown
    _issuers: dict[CaCertificateId, Certificate] = field(default_factory=dict)
    _failures: dict[CaCertificateId, tuple[datetime, str]] = field(default_factory=dict)
    """The last request about a CA that returned nothing usable: its time and the reason."""

    def prepare(self) -> None:
        """Load the CA certificates and the indexes. `decide` repeats what fails here."""
        for ca in self.cas:
            if self._load_issuer(ca) is not None:
                try:
                    self.revocation.load(ca)
                except AwsError as error:
                    self._pause(str(error), *self.cas)

    def decide(self, event: Mapping[str, Any]) -> ConnectDecision:
        """Decide about one connect.

        Args:
            event: `principalId`, `serverName`, `connectionMetadata`, `clientCertificateChain`.
        """
        try:
            found = [self._check(certificate) for certificate in presented(event)]
        except MalformedCertificateError as error:
            return ConnectDecision(admitted=False, finding=ConnectFinding.UNREADABLE, detail=str(error))
        finding, detail = _worst(found)
        admitted = finding in ADMITTED or (
            finding is ConnectFinding.UNKNOWN and self.on_unknown is OnUnknown.ADMIT
        )
        return ConnectDecision(admitted, finding, detail)

    def _check(self, certificate: Certificate) -> tuple[ConnectFinding, str]:
        """Return the worst finding among the CAs that issued the certificate."""
        found: list[tuple[ConnectFinding, str]] = []
        unknown: list[tuple[ConnectFinding, str]] = []
        for ca in self.cas:
            issuer = self._load_issuer(ca)
            if issuer is None:
                unknown.append(
                    (ConnectFinding.UNKNOWN, f"the certificate of CA {ca}: {self._failures[ca][1]}")
                )
                continue
            try:
                if _is_issued_by(certificate, issuer):
                    found.append(self._look_up(ca, certificate))
            except RefusedError as error:
                found.append((ConnectFinding.UNREADABLE, str(error)))
        # A CA whose certificate could not be read counts as a possible issuer only if no other CA is the
        # issuer.
        return _worst(found or unknown or [(ConnectFinding.NOT_OURS, "")])

    def _look_up(self, ca: CaCertificateId, certificate: Certificate) -> tuple[ConnectFinding, str]:
        why = None if self.revocation.is_fresh(ca) else self._recent_failure(ca)
        if why is None:
            try:
                self.revocation.check(ca, certificate)
            except RefusedError as error:
                if error.reason in {Reason.REVOKED, Reason.ON_HOLD}:
                    return ConnectFinding.REVOKED, str(error)
                raise
            except DeferredError as error:
                why = str(error)
                if error.reason is Reason.CRL_MISSING:
                    self._pause(why, ca)
            except AwsError as error:
                why = str(error)
                self._pause(why, *self.cas)
            else:
                return ConnectFinding.GOOD, ""
        # A certificate that the last index lists is refused, however old that index is.
        reason = self.revocation.last_known_reason(ca, certificate)
        if reason is None:
            return ConnectFinding.UNKNOWN, why
        return ConnectFinding.REVOKED, f"listed with reason {reason.label} in the last known index; {why}"

    def _load_issuer(self, ca: CaCertificateId) -> Certificate | None:
        """Return a CA's certificate, None where it cannot be read; `_failures` has the reason then."""
        if ca not in self._issuers and self._recent_failure(ca) is None:
            try:
                self._issuers[ca] = self.revocation.store.issuer(ca)
            except (IndexMissingError, MalformedCertificateError) as error:
                self._pause(str(error), ca)
            except AwsError as error:
                self._pause(str(error), *self.cas)
        return self._issuers.get(ca)

    def _pause(self, why: str, *cas: CaCertificateId) -> None:
        """Send no request to S3 about these CAs for one refresh interval, not even at the next connects.

        After a failure of S3 itself all CAs are paused, so that a connect waits for one time-out only.
        """
        self._failures.update(dict.fromkeys(cas, (self.revocation.clock(), why)))

    def _recent_failure(self, ca: CaCertificateId) -> str | None:
        """Return the reason why requests about the CA are paused; None if they are not."""
        if ca not in self._failures:
            return None
        at, why = self._failures[ca]
        return why if timedelta(0) <= self.revocation.clock() - at < self.revocation.refresh else None


def _worst(found: list[tuple[ConnectFinding, str]]) -> tuple[ConnectFinding, str]:
    return max(found, key=lambda each: list(ConnectFinding).index(each[0]))


def _is_issued_by(certificate: Certificate, ca: Certificate) -> bool:
    """Return whether the CA's key signed the certificate; the CA's own certificate does not count.

    Raises:
        RefusedError: `UNSUPPORTED_KEY`: the certificate names the CA as its issuer, and its signature cannot
            be verified.
    """
    if certificate.der == ca.der:
        return False
    try:
        certificate.check_issued_by(ca)
    except RefusedError as error:
        if error.reason in {Reason.ISSUER_MISMATCH, Reason.BAD_SIGNATURE}:
            return False
        raise
    return True
