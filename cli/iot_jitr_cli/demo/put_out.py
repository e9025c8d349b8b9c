"""Last scene: a device that is in is revoked, and out again, by a new CRL and nothing else."""

from typing import TYPE_CHECKING

from cryptography import x509

from iot_jitr_cli.connect import Step
from iot_jitr_cli.demo.door import at_the_door, turned_away
from iot_jitr_cli.demo.fleet import Fleet
from iot_jitr_cli.demo.model import Expectation
from iot_jitr_cli.lab.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iot_jitr_cli.connect import ConnectResult, Endpoint, TimelineEvent
    from iot_jitr_cli.demo.crl import CaCrl
    from iot_jitr_cli.demo.narrator import Narrator
    from iot_jitr_cli.demo.records import Records
    from iot_jitr_cli.pki.device import DeviceIdentity

_SWEEP_LIMIT = 180.0
"""Seconds; two are needed, and a minute more where the sweep was at work when the index came."""
_LOOK_EVERY = 0.1
_PATIENCE = 120.0
_ANSWERS = {Step.REFUSED, Step.CONNECTED}


class PutOut:
    """A device that has to leave."""

    def __init__(self, narrator: "Narrator", endpoint: "Endpoint", records: "Records", crl: "CaCrl") -> None:
        self._narrator = narrator
        self._records = records
        self._crl = crl
        self._fleet = Fleet(endpoint, _PATIENCE, self._heard)

    def play(self, leaver: "DeviceIdentity", others: "Sequence[DeviceIdentity]") -> list[Expectation]:
        """Revoke `leaver`; say what was expected of it and of the `others`, and what came of it."""
        name = leaver.certificate.common_names[0]
        with self._narrator.revoking(f"{name} revoked") as step:
            step.detail = "its key is compromised: the CA uploads a new CRL, and nothing else is done"
            self._crl.revoke(leaver, x509.ReasonFlags.key_compromise)
            self._crl.upload()
        with self._narrator.revoking("index published") as step:
            step.detail = "the upload starts the publisher: CRL verified and compiled"
            self._crl.wait_until_in_force()
        with self._narrator.revoking("certificate REVOKED") as step:
            step.detail = "the index starts the sweep, which finds the device by its serial number"
            status = self._status_after_sweep(leaver)
        with self._narrator.revoking("next connect") as step:
            result = self._one_connect(leaver)
            step.detail = at_the_door(result)
        statuses = self._records.statuses()
        still_in = sum(statuses.get(each.certificate.fingerprint) == "ACTIVE" for each in others)
        return [
            Expectation(f"{name} became REVOKED after the new CRL", status == "REVOKED", str(status)),
            turned_away(f"{name}, which had been in, was refused at its next connect", result),
            Expectation(
                f"{len(others)} of {len(others)} other devices stayed ACTIVE",
                still_in == len(others),
                f"{still_in} of {len(others)}",
            ),
        ]

    def _status_after_sweep(self, leaver: "DeviceIdentity") -> str | None:
        def status() -> str | None:
            return self._records.statuses().get(leaver.certificate.fingerprint)

        wait_until(lambda: status() == "REVOKED", limit=_SWEEP_LIMIT, interval=_LOOK_EVERY)
        return status()

    def _one_connect(self, leaver: "DeviceIdentity") -> "ConnectResult":
        self._fleet.start([leaver])
        self._fleet.wait()
        return self._fleet.results[leaver.certificate.common_names[0]]

    def _heard(self, identity: "DeviceIdentity", event: "TimelineEvent") -> None:
        del identity
        if event.step in _ANSWERS:
            self._fleet.call_off()
