"""`jitr doctor`, called as an operator calls it, about devices of a cloud."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.device import DeviceFiles, DeviceIdentity, DeviceSpec
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import Cloud
from tests.support.doctor_answer import Answer


@dataclass
class Doctor:
    """The command, and the cloud of its devices."""

    cloud: Cloud

    def identity(self, name: str, **more: Any) -> DeviceIdentity:
        return self.cloud.ca.issue(DeviceSpec(name, **more))

    def files(self, identity: DeviceIdentity) -> DeviceFiles:
        self.cloud.credentials(identity)
        return self.cloud.files[identity.certificate.fingerprint]

    def expect(self, name: str) -> None:
        """Put the device on the allow list."""
        table = self.cloud.outputs[Output.ALLOW_LIST_TABLE]
        self.cloud.client("dynamodb").put_item(TableName=table, Item={TABLE_KEY: {"S": name}})

    def registered(self, identity: DeviceIdentity) -> DeviceIdentity:
        """Let the device connect once, so that AWS IoT knows it."""
        self.cloud.connect_refused(identity)
        assert self.cloud.is_registered(identity.certificate.fingerprint)
        return identity

    def brought_in(self, name: str) -> DeviceIdentity:
        self.expect(name)
        return self.cloud.admit_device(name)

    def ask(
        self, *arguments: object, variables: dict[str, str] | None = None, at: datetime | None = None
    ) -> Answer:
        """Ask now, or as it would be asked at another time."""
        with pytest.MonkeyPatch.context() as patch:
            if at is not None:
                patch.setattr(Case, "time", at)
            return self._ask(*arguments, variables=variables)

    def _ask(self, *arguments: object, variables: dict[str, str] | None) -> Answer:
        result = CliRunner().invoke(
            jitr, ["doctor", "--json", *map(str, arguments)], env=variables or self.cloud.lab.variables
        )
        assert result.output.startswith("{"), result.output
        return Answer.of(result.exit_code, json.loads(result.output))

    def about(self, identity: DeviceIdentity, *arguments: object) -> Answer:
        files = self.files(identity)
        return self.ask(files.chain, "--key", files.key, *arguments)


def named(answer: Answer, cause: Cause) -> None:
    """Hold that this is the cause that the doctor names."""
    assert answer.cause is cause, [c for c in answer.document["checks"] if c["status"] != "ok"]
    assert answer.exit_code == (0 if cause is Cause.ALREADY_FINE else 1)
