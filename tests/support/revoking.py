"""A doctor in the cloud of a CA that publishes CRLs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.pki.device import DeviceIdentity
from tests.support.cloud import deployed_cloud
from tests.support.crl_upload import REFRESH, CrlUpload
from tests.support.doctor_command import Doctor
from tests.support.doctor_result import assert_cause

LIMIT = 4
"""Number of devices that one CRL may not revoke without a confirmation."""


class Revoking(CrlUpload):
    """A doctor in the cloud of a CA that publishes CRLs."""

    @cached_property
    def doctor(self) -> Doctor:
        return Doctor(self.cloud)

    def connect_until_decided(self, device: DeviceIdentity) -> DeviceIdentity:
        """Let the device connect, and wait for a decision: refused, deferred, or swept already."""
        self.doctor.registered(device)
        fingerprint = device.certificate.fingerprint
        assert self.cloud.pipeline.wait_for_row(fingerprint, lambda row: row.state is not None)
        return device

    def wait_for_status(self, identity: DeviceIdentity, status: str) -> None:
        self.cloud.wait_for_status(identity.certificate.fingerprint, status)


@contextmanager
def revoking_cloud(folder: Path) -> Iterator[Revoking]:
    """The cloud; its first device was deferred until the first CRL, and until a CRL that covers it."""
    revocation = {
        "refresh": f"{REFRESH.seconds} seconds",
        "mass_revocation_limit_minimum": LIMIT,
        "mass_revocation_limit_percent": 1,
    }
    with deployed_cloud(folder, {"revocation": revocation}, revocation={"type": "bucket"}) as cloud:
        made = Revoking(cloud)
        waiting = made.connect_until_decided(made.doctor.identity("too-early"))
        assert_cause(made.doctor.about(waiting), Cause.CRL_MISSING)
        made.publish(partition="http://crl.example.com/of-others.crl")
        assert_cause(made.doctor.about(waiting), Cause.CRL_PARTITION_MISSING)
        made.publish()
        # Its own message activates it, without another connect.
        made.wait_for_status(waiting, "ACTIVE")
        yield made
