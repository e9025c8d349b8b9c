"""`jitr doctor`, called as an operator calls it, about devices of a cloud."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.pki.device import DeviceFiles, DeviceIdentity, DeviceSpec
from tests.support.cloud import Cloud
from tests.support.command_line import run_jitr
from tests.support.doctor_result import DoctorResult


@dataclass
class Doctor:
    """The command, and the cloud of its devices."""

    cloud: Cloud

    def identity(self, name: str, **more: Any) -> DeviceIdentity:
        return self.cloud.ca.issue(DeviceSpec(name, **more))

    def files(self, identity: DeviceIdentity) -> DeviceFiles:
        self.cloud.credentials(identity)
        return self.cloud.files[identity.certificate.fingerprint]

    def registered(self, identity: DeviceIdentity) -> DeviceIdentity:
        """Let the device connect once, so that AWS IoT has its certificate."""
        self.cloud.connect_refused(identity)
        assert self.cloud.is_registered(identity.certificate.fingerprint)
        return identity

    def activated(self, name: str) -> DeviceIdentity:
        self.cloud.list_device(name)
        return self.cloud.admit_device(name)

    def diagnose(
        self, *arguments: object, variables: dict[str, str] | None = None, at: datetime | None = None
    ) -> DoctorResult:
        """Run the command now, or as it would run at another time."""
        with pytest.MonkeyPatch.context() as patch:
            if at is not None:
                patch.setattr(Case, "time", at)
            variables = variables or self.cloud.lab.variables
            return DoctorResult.of(run_jitr("doctor", "--json", *arguments, variables=variables))

    def about(self, identity: DeviceIdentity, *arguments: object) -> DoctorResult:
        files = self.files(identity)
        return self.diagnose(files.chain, "--key", files.key, *arguments)
