"""Admission by a list of expected devices, in a DynamoDB table that `jitr allow` maintains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.admission.keys import ATTRIBUTES, TABLE_KEY, DeviceKey, KeyKind, key_of
from iot_jitr_runtime.certificate_fields import MissingFieldError
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.dynamodb import Table
from iot_jitr_runtime.outcomes import Reason, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class AllowList:
    """Admits the devices that are in a table."""

    dynamodb: "DynamoDBClient"
    table: str
    kind: KeyKind

    def admit(self, device: DeviceCertificate) -> Mapping[str, str]:
        """Return the thing attributes that the list has for the device.

        One consistent read: a device that has just been listed is admitted.

        Raises:
            RefusedError: `NOT_LISTED`.
        """
        try:
            key = key_of(self.kind, device.certificate, device.ca_certificate_id)
        except MissingFieldError as error:
            raise RefusedError(Reason.NOT_LISTED, str(error)) from error
        attributes = self.find(key)
        if attributes is None:
            raise RefusedError(
                Reason.NOT_LISTED, f"no device '{key}' is on the allow list; to list it: jitr allow load"
            )
        return attributes

    def find(self, key: DeviceKey) -> Mapping[str, str] | None:
        """Return the attributes of a listed device's thing, None if it is not listed."""
        item = Table(self.dynamodb, self.table, TABLE_KEY).get(key)
        if item is None:
            return None
        return {name: each for name, each in item.get(ATTRIBUTES, {}).items() if isinstance(each, str)}
