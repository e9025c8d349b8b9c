"""The reconciler's settings, read from the environment that the stack set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from iot_jitr_runtime import environment
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.policy import PolicyKind
from iot_jitr_runtime.revocation import REFRESH


@dataclass(frozen=True, slots=True)
class ReconcilerSettings:
    """What the reconciler must know about its deployment."""

    ledger_table: str
    queue_url: str
    cas: Mapping[CaCertificateId, Mapping[str, str]]
    things: Mapping[str, Any] | None
    outcome_events: Mapping[str, Any] | None
    policy_kind: PolicyKind
    revocation_bucket: str | None
    revocation_refresh: timedelta
    activations_per_second: float
    pending_after: timedelta
    """How long a certificate may be pending before its event counts as lost."""
    full_pass_every: timedelta

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "ReconcilerSettings":
        """Read the settings.

        Raises:
            KeyError: A variable is missing: stack and function are not of the same version.
        """
        refresh = variables.get(environment.REVOCATION_REFRESH_SECONDS)
        return cls(
            ledger_table=variables[environment.LEDGER_TABLE],
            queue_url=variables[environment.ACTIVATION_QUEUE_URL],
            cas=json.loads(variables[environment.CAS]),
            things=json.loads(variables.get(environment.THINGS, "null")),
            outcome_events=json.loads(variables.get(environment.OUTCOME_EVENTS, "null")),
            policy_kind=PolicyKind(json.loads(variables[environment.DEVICE_POLICY])["kind"]),
            revocation_bucket=variables.get(environment.REVOCATION_BUCKET),
            revocation_refresh=timedelta(seconds=float(refresh)) if refresh else REFRESH,
            activations_per_second=float(variables[environment.ACTIVATIONS_PER_SECOND]),
            pending_after=timedelta(seconds=float(variables[environment.PENDING_AFTER_SECONDS])),
            full_pass_every=timedelta(seconds=float(variables[environment.FULL_LISTING_SECONDS])),
        )
