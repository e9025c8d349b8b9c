"""Mass revocations that the safety catch holds back: what they would do, and letting them through."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.stack_outputs import Output
from iot_jitr_runtime.sweep.states import Held, IndexRef, SweepStates
from iot_jitr_runtime.sweep.targets import Target, Targets

if TYPE_CHECKING:
    import boto3

    from iot_jitr_cli.deployment import DeployedCa, Deployment


class NoSuchCaError(WrongUseError):
    """The deployment has no such CA."""


class IndexGoneError(CliError):
    """The index that was held back is not kept any more."""


@dataclass(frozen=True)
class HeldCertificate:
    """A certificate that would be put out."""

    certificate_id: CertificateId
    common_name: str | None
    serial_number: str | None
    state: State | None
    reason: str
    """As RFC 5280 names it."""


@dataclass(frozen=True)
class HeldBack:
    """A mass revocation that waits for a person."""

    ca: str
    ca_certificate_id: CaCertificateId
    index_version: str
    devices: int
    """How many it would put out."""
    fleet: int
    """How many were in service when it was held back."""
    confirmed: bool


@dataclass(frozen=True)
class Confirmation:
    """Looks at what is held back, and lets it through."""

    session: "boto3.Session"
    deployment: "Deployment"

    def held(self, name: str) -> HeldBack | None:
        """Return what is held back of a CA, None if nothing is.

        Raises:
            NoSuchCaError: The deployment has no such CA.
            NoSuchPartError: It has no ledger.
        """
        ca = self._ca(name)
        held = self._held(ca)
        if held is None:
            return None
        return HeldBack(
            ca.name, ca.certificate_id, held.index.version, held.devices, held.fleet, held.confirmed
        )

    def certificates(self, held_back: HeldBack) -> list[HeldCertificate]:
        """Return the certificates that would be put out, computed as the sweep does.

        Raises:
            IndexGoneError: The index is not kept any more.
        """
        ca = held_back.ca_certificate_id
        state = self._states.read(ca)
        store = IndexStore(self.session.client("s3"), self.deployment[Output.REVOCATION_BUCKET])
        ledger = RevocationLedger(self.session.client("dynamodb"), self.deployment[Output.LEDGER_TABLE])
        if state.held is None:
            return []
        with TemporaryDirectory(prefix="jitr-crl-") as folder:
            former = _downloaded(store, ca, state.former(state.held.index), Path(folder) / "former")
            new = _downloaded(store, ca, state.held.index, Path(folder) / "new")
            if new is None:
                raise IndexGoneError(f"the index {held_back.index_version} is not kept any more")
            targets = _targets(ledger, ca, new, former)
        return [
            HeldCertificate(
                target.certificate_id,
                target.row.common_name,
                target.row.serial_number,
                target.row.state,
                target.reason.label,
            )
            for target in targets
            if target.in_service
        ]

    def confirm(self, held_back: HeldBack) -> None:
        """Let it through; the sweep's next run, within a minute, goes ahead.

        Raises:
            NothingHeldError: Another index is held back by now, or none.
        """
        self._states.confirm(held_back.ca_certificate_id, held_back.index_version)

    @property
    def _states(self) -> SweepStates:
        return SweepStates(self.session.client("dynamodb"), self.deployment[Output.LEDGER_TABLE])

    def _held(self, ca: "DeployedCa") -> Held | None:
        return self._states.read(ca.certificate_id).held

    def _ca(self, name: str) -> "DeployedCa":
        for ca in self.deployment.cas:
            if name in {ca.name, ca.certificate_id}:
                return ca
        known = ", ".join(ca.name for ca in self.deployment.cas) or "none"
        raise NoSuchCaError(f"the stack '{self.deployment.stack_name}' has no CA '{name}'; it has: {known}")


def _downloaded(store: IndexStore, ca: CaCertificateId, ref: IndexRef | None, path: Path) -> Path | None:
    if ref is None:
        return None
    try:
        store.download(ca, path, version_id=ref.version_id)
    except IndexMissingError:
        return None
    return path


def _targets(ledger: RevocationLedger, ca: CaCertificateId, new: Path, former: Path | None) -> list[Target]:
    finder = Targets(ledger)
    with closing(Index.open(new)) as index:
        if former is None:
            return finder.find(ca, index, None)
        with closing(Index.open(former)) as before:
            return finder.find(ca, index, before)
