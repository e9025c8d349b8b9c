"""The activator's settings, read from the environment that the stack set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.on_refusal import RefusalStatus, check_statuses
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation import REFRESH


@dataclass(frozen=True, slots=True)
class ActivatorSettings:
    """The activator's settings."""

    ledger_table: str
    queue_url: str
    dead_letter_queue_url: str
    cas: Mapping[CaCertificateId, Mapping[str, Any]]
    device_policy: Mapping[str, Any]
    admission: Mapping[str, Any] | None
    things: Mapping[str, Any] | None
    on_refusal: Mapping[Reason, RefusalStatus]
    outcome_events: Mapping[str, Any] | None
    revocation_bucket: str | None
    revocation_refresh: timedelta
    activations_per_second: float
    """Certificates a second that all workers together may process."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "ActivatorSettings":
        """Read the settings.

        Raises:
            KeyError: A variable is missing: stack and function are not of the same version.
        """
        refresh = variables.get(environment.REVOCATION_REFRESH_SECONDS)
        return cls(
            ledger_table=variables[environment.LEDGER_TABLE],
            queue_url=variables[environment.ACTIVATION_QUEUE_URL],
            dead_letter_queue_url=variables[environment.DEAD_LETTER_QUEUE_URL],
            cas=json.loads(variables[environment.CAS]),
            device_policy=json.loads(variables[environment.DEVICE_POLICY]),
            admission=json.loads(variables.get(environment.ADMISSION, "null")),
            things=json.loads(variables.get(environment.THINGS, "null")),
            on_refusal=check_statuses(json.loads(variables.get(environment.ON_REFUSAL, "{}"))),
            outcome_events=json.loads(variables.get(environment.OUTCOME_EVENTS, "null")),
            revocation_bucket=variables.get(environment.REVOCATION_BUCKET),
            revocation_refresh=timedelta(seconds=float(refresh)) if refresh else REFRESH,
            activations_per_second=float(variables[environment.ACTIVATIONS_PER_SECOND]),
        )
