"""Finds the allow list of a deployment through its stack; loads, reads and changes it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.allow.rows import ListedDevice
from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.keys import (
    TABLE_KEY,
    DeviceKey,
    InvalidKeyError,
    KeyKind,
    ca_serial_key,
    field_key,
    key_of,
)
from iot_jitr_runtime.certificate_fields import MissingFieldError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


BATCH = 25
"""Maximum number of items of a BatchWriteItem (API reference)."""
_WORKERS = 8
"""Number of batches that are written in parallel."""
_TRIES = 12
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class AllowListTable:
    """A deployment's allow list."""

    dynamodb: "DynamoDBClient"
    table: str
    kind: KeyKind
    only_ca: CaCertificateId | None
    """The deployment's CA, if it has exactly one."""
    pause: Callable[[float], None] = time.sleep

    @classmethod
    def find_in(cls, deployment: Deployment, dynamodb: "DynamoDBClient") -> "AllowListTable":
        """Find a deployment's allow list.

        Raises:
            CliError: The deployment has no allow list.
        """
        cas = deployment.cas
        return cls(
            dynamodb,
            deployment[Output.ALLOW_LIST_TABLE],
            KeyKind(deployment[Output.ALLOW_LIST_KEY]),
            cas[0].certificate_id if len(cas) == 1 else None,
        )

    def key(self, text: str, ca_certificate_id: str | None) -> DeviceKey:
        """Return the key of a device.

        Args:
            text: The path of the device's certificate, or its key in the list. If devices are listed by CA
                and serial number, the serial number alone is also possible.
            ca_certificate_id: The CA of a serial number; may be None if the deployment has exactly one CA.

        Raises:
            WrongUseError: `text` has another format.
        """
        ca = ca_certificate_id or self.only_ca
        try:
            if Path(text).is_file():
                return self._key_of_file(Path(text), ca)
            if self.kind is not KeyKind.CA_SERIAL:
                return field_key(text)
            named, separator, serial = text.partition("#")
            return ca_serial_key(*((named, serial) if separator else (_known(ca), text)))
        except (InvalidKeyError, MissingFieldError) as error:
            raise WrongUseError(f"'{text}': {error}") from error

    def _key_of_file(self, path: Path, ca: str | None) -> DeviceKey:
        certificate = read_certificate(path)
        if self.kind is KeyKind.CA_SERIAL:
            return ca_serial_key(_known(ca), certificate.serial_number)
        return key_of(self.kind, certificate, CaCertificateId(ca or ""))

    def load(self, devices: Iterable[ListedDevice], on_loaded: Callable[[int], None]) -> None:
        """Add all devices to the list. Adding a device again with the same attributes changes nothing.

        Args:
            devices: The devices; they are read one by one. A device must not occur twice.
            on_loaded: Called with the number of devices of each batch that is written.

        Raises:
            CliError: The table accepted no more items for about a minute.
        """
        remaining = iter(devices)
        with ThreadPoolExecutor(_WORKERS) as pool:
            while several := [batch for _ in range(_WORKERS) if (batch := list(islice(remaining, BATCH)))]:
                for written in pool.map(self.write, several):
                    on_loaded(written)

    def write(self, batch: Sequence[ListedDevice]) -> int:
        """Add up to 25 devices to the list (BatchWriteItem) and return their number.

        Raises:
            CliError: The table accepted no more items for about a minute.
        """
        request: Any = {self.table: [{"PutRequest": {"Item": device.item}} for device in batch]}
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_TRIES):
            request = self.dynamodb.batch_write_item(RequestItems=request).get("UnprocessedItems")
            if not request:
                return len(batch)
            self.pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise CliError(f"the table {self.table} takes no more: load the file again later")

    def find(self, key: DeviceKey) -> Mapping[str, str] | None:
        """Return the attributes of a listed device's thing, None if it is not listed."""
        return AllowList(self.dynamodb, self.table, self.kind).find(key)

    def remove(self, key: DeviceKey) -> bool:
        """Remove a device from the list; return whether it was listed."""
        answer = self.dynamodb.delete_item(
            TableName=self.table, Key={TABLE_KEY: {"S": key}}, ReturnValues="ALL_OLD"
        )
        return "Attributes" in answer


def _known(ca: str | None) -> str:
    if ca is None:
        raise InvalidKeyError(
            "the deployment has several CAs: name the certificate's with --ca, or write CA#SERIAL"
        )
    return ca
