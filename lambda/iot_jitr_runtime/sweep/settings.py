"""The sweep's settings, read from the environment that the stack set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.assembly import NO_CRL
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.sweep.catch import SafetyCatch


@dataclass(frozen=True)
class SweepSettings:
    """What the sweep must know about its deployment."""

    ledger_table: str
    revocation_bucket: str
    cas: Mapping[CaCertificateId, Mapping[str, Any]]
    device_policy: Mapping[str, Any]
    admission: Mapping[str, Any] | None
    things: Mapping[str, Any] | None
    activations_per_second: float
    """Certificates a second that all callers of AWS IoT together may touch."""
    catch: SafetyCatch
    settle: timedelta
    dry_run: bool

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "SweepSettings":
        """Read the settings.

        Raises:
            KeyError: A variable is missing: stack and function are not of the same version.
        """
        told = json.loads(variables[environment.SWEEP])
        return cls(
            ledger_table=variables[environment.LEDGER_TABLE],
            revocation_bucket=variables[environment.REVOCATION_BUCKET],
            cas=json.loads(variables[environment.CAS]),
            device_policy=json.loads(variables[environment.DEVICE_POLICY]),
            admission=json.loads(variables.get(environment.ADMISSION, "null")),
            things=json.loads(variables.get(environment.THINGS, "null")),
            activations_per_second=float(variables[environment.ACTIVATIONS_PER_SECOND]),
            catch=SafetyCatch(told["share"], told["minimum"]),
            settle=timedelta(seconds=told["settle_seconds"]),
            dry_run=told["dry_run"],
        )

    @property
    def cas_with_crl(self) -> list[CaCertificateId]:
        """The CAs there is something to sweep for."""
        return [ca for ca, told in self.cas.items() if told["revocation"] != NO_CRL]
