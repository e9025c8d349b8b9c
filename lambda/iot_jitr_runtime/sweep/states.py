"""How far a CA's sweep has come, and who is at it: one item beside the ledger's rows."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import KEY
from iot_jitr_runtime.revocation.store import Published

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATE_PREFIX = "#sweep/"
"""Keys of these items begin so; no certificate's does."""
_READ = TypeDeserializer()
_WRITE = TypeSerializer()


class BeingSweptError(JitrError):
    """Another invocation is sweeping this CA."""


class LeaseLostError(JitrError):
    """The lease expired and another invocation took it: this one must stop."""


class NothingHeldError(JitrError):
    """No CRL of this CA waits to be confirmed, or another one by now."""


@dataclass(frozen=True, slots=True)
class IndexRef:
    """A published index, as far as it takes to find it again."""

    version: str
    version_id: str
    published_at: datetime

    @classmethod
    def of(cls, published: Published) -> "IndexRef":
        """The reference to a published index."""
        return cls(published.version, published.version_id, published.published_at)


@dataclass(frozen=True, slots=True)
class Held:
    """An index whose sweep the safety catch has stopped."""

    index: IndexRef
    devices: int
    """How many it would put out."""
    fleet: int
    """How many were in service."""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class SweepState:
    """What has been swept of a CA."""

    first: IndexRef | None = None
    """The index that the first pass has come to."""
    pending: IndexRef | None = None
    """An index that waits for its second pass."""
    second: IndexRef | None = None
    """The index that the second pass has come to."""
    released: str | None = None
    """Version of the index on which all holds were last looked at."""
    held: Held | None = None
    reported: str | None = None
    """Version of the index whose dry run was last reported."""
    asked: int = 0
    """When it was last asked that everybody on the list be looked for again, see `SweepStates.ask`."""
    answered: int = 0
    """What `asked` was when that was last done."""

    def is_swept(self, index: IndexRef) -> bool:
        """Whether the first pass has come to this index."""
        return self.first is not None and self.first.version == index.version

    def former(self, index: IndexRef) -> IndexRef | None:
        """What a first pass over `index` compares it with; None: everybody on it counts as new.

        An index that was swept is looked at once more only because somebody has asked for everybody on it.
        """
        return None if self.is_swept(index) else self.first


@dataclass(frozen=True)
class SweepStates:
    """Reads and writes them; botocore's errors fly."""

    dynamodb: "DynamoDBClient"
    table: str

    def read(self, ca: CaCertificateId) -> SweepState:
        """Read how far a CA's sweep has come."""
        response = self.dynamodb.get_item(TableName=self.table, Key=_key(ca), ConsistentRead=True)
        return _state(response.get("Item", {}))

    def lease(self, ca: CaCertificateId, *, now: int, expires_at: int) -> tuple[str, SweepState]:
        """Take the lease on a CA's sweep; return its token and how far the sweep has come.

        Raises:
            BeingSweptError: Another invocation has it.
        """
        token = secrets.token_hex(8)
        try:
            response = self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(ca),
                UpdateExpression="SET leaseToken = :token, leaseExpiresAt = :expires",
                ConditionExpression="attribute_not_exists(leaseToken) OR leaseExpiresAt < :now "
                "OR leaseToken = :token",
                ExpressionAttributeValues={
                    ":token": {"S": token},
                    ":expires": {"N": str(expires_at)},
                    ":now": {"N": str(now)},
                },
                ReturnValues="ALL_NEW",
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise BeingSweptError(f"the sweep of CA {ca} is under way") from error
        return token, _state(response["Attributes"])

    def ask(self, ca: CaCertificateId, *, now: int) -> None:
        """Ask that everybody on a CA's list be looked for in the ledger again.

        For whoever enters a certificate that has been on the list for longer: to the sweep it is not new.
        Asked before the entry, it is never forgotten; the sweep waits for the entry to be visible.

        Args:
            ca: The CA.
            now: This moment, in milliseconds since the epoch.
        """
        self.dynamodb.update_item(
            TableName=self.table,
            Key=_key(ca),
            UpdateExpression="SET asked = :now",
            ExpressionAttributeValues={":now": {"N": str(now)}},
        )

    def write(self, ca: CaCertificateId, token: str, **changes: IndexRef | Held | str | int | None) -> None:
        """Write attributes of the state, None to remove one.

        Raises:
            LeaseLostError: The lease is somebody else's now.
        """
        self._change(ca, token, changes)

    def give_back(self, ca: CaCertificateId, token: str) -> None:
        """Give the lease back; where it is lost, somebody else has it already.

        Raises:
            LeaseLostError: The lease is somebody else's now.
        """
        self._change(ca, token, {"leaseToken": None, "leaseExpiresAt": None})

    def confirm(self, ca: CaCertificateId, version: str) -> None:
        """Let a held-back index through.

        Args:
            ca: The CA.
            version: The index that a person has looked at.

        Raises:
            NothingHeldError: It is not held back, or not any more.
        """
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(ca),
                UpdateExpression="SET held.confirmed = :yes",
                ConditionExpression="held.#index.version = :version",
                ExpressionAttributeNames={"#index": "index"},
                ExpressionAttributeValues={":yes": {"BOOL": True}, ":version": {"S": version}},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise NothingHeldError(
                f"index {version} of CA {ca} is not held back any more; look again before confirming"
            ) from error

    def _change(self, ca: CaCertificateId, token: str, changes: dict[str, Any]) -> None:
        present = {name: value for name, value in changes.items() if value is not None}
        gone = sorted(set(changes) - set(present))
        sets = ", ".join(f"#{name} = :{name}" for name in present)
        removes = ", ".join(f"#{name}" for name in gone)
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(ca),
                UpdateExpression=" ".join(
                    f"{verb} {names}" for verb, names in (("SET", sets), ("REMOVE", removes)) if names
                ),
                ConditionExpression="leaseToken = :leased",
                ExpressionAttributeNames={f"#{name}": name for name in changes},
                ExpressionAttributeValues={
                    ":leased": {"S": token},
                    **{f":{name}": _WRITE.serialize(_plain(value)) for name, value in present.items()},
                },
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise LeaseLostError(f"the lease on the sweep of CA {ca} is lost") from error


def _key(ca: CaCertificateId) -> dict[str, Any]:
    return {KEY: {"S": f"{STATE_PREFIX}{ca}"}}


def _plain(value: IndexRef | Held | str | int) -> Any:
    match value:
        case IndexRef():
            return {
                "version": value.version,
                "versionId": value.version_id,
                "publishedAt": int(value.published_at.timestamp() * 1000),
            }
        case Held():
            return {
                "index": _plain(value.index),
                "devices": value.devices,
                "fleet": value.fleet,
                "confirmed": value.confirmed,
            }
        case _:
            return value


def _state(item: dict[str, Any]) -> SweepState:
    plain = {name: _READ.deserialize(value) for name, value in item.items()}
    held = plain.get("held")
    return SweepState(
        first=_ref(plain.get("first")),
        pending=_ref(plain.get("pending")),
        second=_ref(plain.get("second")),
        released=plain.get("released"),
        held=_held(held) if held else None,
        reported=plain.get("reported"),
        asked=int(plain.get("asked", 0)),
        answered=int(plain.get("answered", 0)),
    )


def _held(plain: dict[str, Any]) -> Held | None:
    index = _ref(plain["index"])
    return (
        Held(index, int(plain["devices"]), int(plain["fleet"]), bool(plain["confirmed"])) if index else None
    )


def _ref(plain: Any) -> IndexRef | None:
    if plain is None:
        return None
    published_at = datetime.fromtimestamp(int(plain["publishedAt"]) / 1000, UTC)
    return IndexRef(plain["version"], plain["versionId"], published_at)
