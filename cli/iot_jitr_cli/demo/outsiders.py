"""Second scene: a device with a foreign CA's certificate and one whose certificate has expired stay out."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.connect import Step
from iot_jitr_cli.demo.door import at_the_door, turned_away
from iot_jitr_cli.demo.fleet import Fleet
from iot_jitr_cli.demo.model import Expectation, Outsider
from iot_jitr_cli.lab.process import wait_until
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from iot_jitr_cli.connect import Endpoint, TimelineEvent
    from iot_jitr_cli.demo.narrator import Narrator
    from iot_jitr_cli.demo.records import Records
    from iot_jitr_runtime.ledger.rows import Row

FOREIGN, EXPIRED = "foreign", "expired"
_REFUSALS = 2
"""A device that must stay out tries until it was refused so often."""
_PATIENCE = 120.0
"""Seconds it tries at most."""
_DECISION_LIMIT = 120.0


class Outsiders:
    """Devices that must stay out, and why each does."""

    def __init__(
        self, narrator: "Narrator", endpoint: "Endpoint", records: "Records", ca: DevelopmentCa
    ) -> None:
        self._narrator = narrator
        self._records = records
        self._fleet = Fleet(endpoint, _PATIENCE, self._heard)
        self._refusals = Counter[str]()
        self._foreign = DevelopmentCa.create("somebody else's CA").issue(DeviceSpec(FOREIGN))
        self._expired = ca.issue(DeviceSpec(EXPIRED, validity=Validity.expired()))

    def play(self, iot: Any, sqs: Any, queue_url: str) -> list[Expectation]:
        """Let them knock; say what was expected and what came of it."""
        foreign = Outsider(FOREIGN, "signed by a CA that is not registered")
        expired = Outsider(EXPIRED, "signed by our CA, expired yesterday")
        self._narrator.stage.outsiders += [foreign, expired]
        try:
            self._fleet.start([self._foreign, self._expired])
            self._fleet.wait()
        finally:
            self._fleet.call_off()
        return [*self._judge_foreign(foreign), *self._judge_expired(expired, iot, sqs, queue_url)]

    def _heard(self, identity: DeviceIdentity, event: "TimelineEvent") -> None:
        """A device says how far it is; both are called off when there is nothing more to learn."""
        name = identity.certificate.common_names[0]
        if event.step is Step.REFUSED:
            self._refusals[name] += 1
        elif event.step is Step.CONNECTED:
            self._refusals[name] = _REFUSALS
        if all(self._refusals[each] >= _REFUSALS for each in (FOREIGN, EXPIRED)):
            self._fleet.call_off()

    def _judge_foreign(self, outsider: Outsider) -> list[Expectation]:
        registered = self._foreign.certificate.fingerprint in self._records.statuses()
        result = self._fleet.results[FOREIGN]
        self._narrator.stays_out(outsider, f"{at_the_door(result)}; AWS IoT never registered it")
        return [
            turned_away("the foreign device was turned away each time", result),
            Expectation("the foreign certificate was never registered", not registered),
        ]

    def _judge_expired(self, outsider: Outsider, iot: Any, sqs: Any, queue_url: str) -> list[Expectation]:
        # The broker turns it away, so the pipeline's own check is shown on a certificate put past the broker.
        certificate_id = _plant(iot, self._expired)
        sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"certificateId": certificate_id}))
        row = self._decision(certificate_id)
        reason = row.reason if row and row.state is State.REFUSED else None
        said = row.detail or str(reason) if row and reason else "no decision"
        result = self._fleet.results[EXPIRED]
        self._narrator.stays_out(
            outsider, f"{at_the_door(result)}; put past the broker, the pipeline refuses it: {said}"
        )
        status = self._records.statuses().get(certificate_id)
        return [
            turned_away("the expired device was turned away each time", result),
            Expectation("the pipeline refused its certificate as 'expired'", reason is Reason.EXPIRED, said),
            Expectation("that certificate never became ACTIVE", status == "PENDING_ACTIVATION", str(status)),
        ]

    def _decision(self, certificate_id: str) -> "Row | None":
        rows: list[Row] = []

        def decided() -> bool:
            rows[:] = self._records.rows([certificate_id])
            return bool(rows) and rows[0].state is not None

        wait_until(decided, limit=_DECISION_LIMIT, interval=0.1)
        return rows[0] if rows else None


def _plant(iot: Any, identity: DeviceIdentity) -> str:
    registered = iot.register_certificate(
        certificatePem=identity.certificate.pem, caCertificatePem=identity.ca.pem, status="INACTIVE"
    )
    # AWS has no such call; the local cloud takes it.
    iot.update_certificate(certificateId=registered["certificateId"], newStatus="PENDING_ACTIVATION")
    return str(registered["certificateId"])
