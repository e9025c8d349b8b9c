"""CRLs that have tripped the mass-revocation limit: list the devices that they would revoke, and confirm."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.stack_outputs import Output
from iot_jitr_runtime.sweep.state import IndexRef, Pass, SweepStates
from iot_jitr_runtime.sweep.targets import Indexes, Target, Targets

if TYPE_CHECKING:
    import boto3

    from iot_jitr_cli.deployment import DeployedCa, Deployment


@dataclass(frozen=True)
class ListedDevice:
    """A device that would be revoked or suspended."""

    certificate_id: CertificateId
    common_name: str | None
    serial_number: str | None
    state: State | None
    reason: str
    """The revocation reason, by its name in RFC 5280."""


@dataclass(frozen=True)
class Tripped:
    """A CRL that has tripped the mass-revocation limit."""

    ca: str
    ca_certificate_id: CaCertificateId
    index_version: str
    devices: int
    """Number of devices that it would revoke or suspend."""
    fleet: int
    """Number of devices in service."""
    confirmed: bool

    def __str__(self) -> str:
        return (
            f"index {self.index_version} of CA {self.ca} would revoke {self.devices} devices "
            f"of {self.fleet} in service"
        )


@dataclass(frozen=True)
class Confirmation:
    """Shows the CRL that has tripped the limit, and confirms it."""

    session: "boto3.Session"
    deployment: "Deployment"

    def tripped(self, name: str) -> Tripped | None:
        """Return the CRL that has tripped the limit of a CA; None if the limit is not tripped.

        Raises:
            WrongUseError: The deployment has no such CA.
            CliError: The deployment has no ledger.
        """
        ca = self._ca(name)
        state = self._states.read(ca.certificate_id)
        if state.tripped is None:
            return None
        version = state.tripped.index.version
        return Tripped(
            ca.name,
            ca.certificate_id,
            version,
            state.tripped.devices,
            self._ledger.fleet.size(ca.certificate_id),
            confirmed=state.confirmed == version,
        )

    def devices(self, tripped: Tripped) -> list[ListedDevice]:
        """Return the devices that would be revoked or suspended, by the same search as the sweep's.

        Raises:
            CliError: A necessary index is no longer stored.
        """
        ca = tripped.ca_certificate_id
        waiting = self._states.read(ca).tripped
        if waiting is None:
            return []
        store = IndexStore(self.session.client("s3"), self.deployment[Output.REVOCATION_BUCKET])
        with TemporaryDirectory(prefix="jitr-crl-") as folder:
            try:
                in_force = IndexRef.of(store.current(ca))
                indexes = Indexes(store, self._ledger, ca, in_force, Path(folder))
                with indexes.targets(waiting) as targets:
                    return [_device(target) for target in _all(targets, waiting) if target.row.in_fleet]
            except IndexMissingError as error:
                raise CliError(f"an index of CA {tripped.ca} is not kept any more: {error}") from error

    def confirm(self, tripped: Tripped) -> None:
        """Confirm the CRL. The sweep's next run, within a minute, begins to revoke.

        Raises:
            NotTrippedError: Meanwhile another index waits for confirmation, or none.
        """
        self._states.confirm(tripped.ca_certificate_id, tripped.index_version)

    @property
    def _states(self) -> SweepStates:
        return SweepStates(self._ledger.items)

    @property
    def _ledger(self) -> RevocationLedger:
        return RevocationLedger(self.session.client("dynamodb"), self.deployment[Output.LEDGER_TABLE])

    def _ca(self, name: str) -> "DeployedCa":
        for ca in self.deployment.cas:
            if name in {ca.name, ca.certificate_id}:
                return ca
        known = ", ".join(ca.name for ca in self.deployment.cas) or "none"
        raise WrongUseError(f"the stack '{self.deployment.stack_name}' has no CA '{name}'; it has: {known}")


def _all(targets: Targets, waiting: Pass) -> Iterator[Target]:
    cursor: str | None = ""
    while cursor is not None:
        page = targets.page(cursor, scanning=waiting.scanning)
        yield from page.targets
        cursor = page.cursor


def _device(target: Target) -> ListedDevice:
    row = target.row
    return ListedDevice(
        row.certificate_id, row.common_name, row.serial_number, row.state, target.reason.label
    )
