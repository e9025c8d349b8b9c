"""The custom resource as CloudFormation drives it: properties on the wire, ids, the order of calls."""

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.ca_registration.handler import respond
from iot_jitr_runtime.ca_registration.properties import CaProperties, Mode, OnDelete
from iot_jitr_runtime.ca_registration.signers import NoSigner
from tests.support.ca_builder import CaSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/{}/6c1f0d70-0000-11ef-9d6f-0a1b2c3d4e5f"


ON = ("ACTIVE", "ENABLE")
DISABLED = ("ACTIVE", "DISABLE")
OFF = ("INACTIVE", "DISABLE")
LEFT = {
    OnDelete.DISABLE: DISABLED,
    OnDelete.DEACTIVATE: OFF,
    OnDelete.DELETE: None,
    OnDelete.RETAIN: ON,
}
"""The state in which each delete policy leaves a registered CA; None: it is deleted."""
CA = CaSpec().build()
NEXT_CA = CaSpec("Next CA").build()


def sni_only(**changes: Any) -> CaProperties:
    """The simplest registration: without a signer."""
    return replace(CaProperties(CA.pem, NoSigner(), Mode.SNI_ONLY, ca_tags={"team": "iot"}), **changes)


def on_the_wire(value: Any) -> Any:
    """CloudFormation sends every scalar as a string."""
    if isinstance(value, dict):
        return {key: on_the_wire(each) for key, each in value.items()}
    return str(value)


@dataclass
class CaResource:
    """One resource of one stack."""

    function: "Callable[[dict[str, Any]], dict[str, Any]]"
    """Answers an event as the function does."""
    stack: str = "fleet"
    logical_id: str = "CaFactory"
    physical_id: str = ""
    properties: CaProperties | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, session: "boto3.Session", stack: str = "fleet", logical_id: str = "CaFactory"
    ) -> "CaResource":
        """A resource whose function runs in this process."""
        return cls(lambda event: respond(event, session), stack, logical_id)

    def create(self, properties: CaProperties) -> str:
        """Create it; return the id of the CA certificate."""
        self._settle(self.call("Create", properties), properties)
        return self.physical_id

    def update(self, properties: CaProperties) -> str:
        """Update it; on a replacement, delete the former CA with the former properties afterwards."""
        former_id, former = self.physical_id, self._current()
        answer = self.call("Update", properties, PhysicalResourceId=former_id, Old=former)
        self._settle(answer, properties)
        if self.physical_id != former_id:
            self.call("Delete", former, PhysicalResourceId=former_id)
        return self.physical_id

    def change(self, **changes: Any) -> str:
        """Update some of the properties."""
        return self.update(replace(self._current(), **changes))

    def delete(self) -> None:
        self.call("Delete", self._current(), PhysicalResourceId=self.physical_id)

    def call(self, request_type: str, properties: CaProperties, **more: Any) -> dict[str, Any]:
        """Call the function without storing its response."""
        event = {
            "RequestType": request_type,
            "RequestId": str(uuid.uuid4()),
            "StackId": STACK_ID.format(self.stack),
            "LogicalResourceId": self.logical_id,
            "ResourceProperties": on_the_wire(properties.to_cloudformation()),
        }
        if old := more.pop("Old", None):
            event["OldResourceProperties"] = on_the_wire(old.to_cloudformation())
        return self.function({**event, **more})

    def _settle(self, answer: dict[str, Any], properties: CaProperties) -> None:
        self.physical_id, self.attributes, self.properties = (
            answer["PhysicalResourceId"],
            answer["Data"],
            properties,
        )

    def _current(self) -> CaProperties:
        assert self.properties is not None
        return self.properties
