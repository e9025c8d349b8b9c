"""The allow list of a deployment: found through its stack, asked and changed one device at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.admission.keys import (
    ATTRIBUTES,
    TABLE_KEY,
    DeviceKey,
    InvalidKeyError,
    KeyKind,
    ca_serial_key,
    field_key,
    key_of,
)
from iot_jitr_runtime.certificate_fields import MissingFieldError
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class NotAKeyError(WrongUseError):
    """What was given does not name a device of the allow list."""


@dataclass(frozen=True)
class AllowListTable:
    """A deployment's allow list."""

    dynamodb: "DynamoDBClient"
    table: str
    kind: KeyKind
    only_ca: CaCertificateId | None
    """The deployment's CA, if it has just one."""

    @classmethod
    def of(cls, deployment: Deployment, dynamodb: "DynamoDBClient") -> "AllowListTable":
        """Find a deployment's allow list.

        Raises:
            NoSuchPartError: It was deployed without one.
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
            text: The path of the device's certificate; or its key as the list has it; or, where devices are
                listed by CA and serial number, the serial number alone.
            ca_certificate_id: The CA of a serial number; may be None where the deployment has just one.

        Raises:
            NotAKeyError: It is none of these.
        """
        ca = ca_certificate_id or self.only_ca
        try:
            if Path(text).is_file():
                return self._key_of_file(Path(text), ca)
            if self.kind is not KeyKind.CA_SERIAL:
                return field_key(text)
            named, separator, serial = text.partition("#")
            return ca_serial_key(*((named, serial) if separator else (_known(ca), text)))
        except (InvalidKeyError, MissingFieldError, MalformedCertificateError) as error:
            raise NotAKeyError(f"'{text}': {error}") from error

    def _key_of_file(self, path: Path, ca: str | None) -> DeviceKey:
        certificate = Certificate.load(path.read_bytes())
        if self.kind is KeyKind.CA_SERIAL:
            return ca_serial_key(_known(ca), certificate.serial_number)
        return key_of(self.kind, certificate, CaCertificateId(ca or ""))

    def find(self, key: DeviceKey) -> Mapping[str, str] | None:
        """Return the attributes of a listed device's thing, None if it is not listed."""
        answer = self.dynamodb.get_item(
            TableName=self.table, Key={TABLE_KEY: {"S": str(key)}}, ConsistentRead=True
        )
        if "Item" not in answer:
            return None
        attributes = answer["Item"].get(ATTRIBUTES, {"M": {}})["M"]
        return {name: value["S"] for name, value in attributes.items()}

    def remove(self, key: DeviceKey) -> bool:
        """Take a device off the list; tell whether it was on it."""
        answer = self.dynamodb.delete_item(
            TableName=self.table, Key={TABLE_KEY: {"S": str(key)}}, ReturnValues="ALL_OLD"
        )
        return "Attributes" in answer


def _known(ca: str | None) -> str:
    if ca is None:
        raise InvalidKeyError(
            "the deployment has several CAs: name the certificate's with --ca, or write CA#SERIAL"
        )
    return ca
