"""Where a pass through the list of certificates stands, kept in the ledger's table between invocations."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BOOKMARK_PREFIX = "#reconciler/"
"""Bookmarks' keys begin so; no certificate's does."""


class PassKind(StrEnum):
    """Which pass."""

    NEWEST = "newest"
    """Newest first, down to where the last one began."""
    FULL = "full"
    """Everything, oldest first."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where the pass of one kind through one CA's certificates stands."""

    ca: CaCertificateId
    kind: PassKind
    begun_at: datetime | None = None
    """When the pass under way began; None between two passes."""
    marker: str | None = None
    """Where it goes on."""
    former_begun_at: datetime | None = None
    """When the last pass that came to its end had begun: what was created before, it has seen."""

    def begin(self, now: datetime) -> "Bookmark":
        """The bookmark of a pass that begins, or goes on if one is under way."""
        return self if self.begun_at else replace(self, begun_at=now, marker=None)

    def at(self, marker: str) -> "Bookmark":
        """The bookmark after a page."""
        return replace(self, marker=marker)

    def ended(self) -> "Bookmark":
        """The bookmark after the last page."""
        return replace(self, begun_at=None, marker=None, former_begun_at=self.begun_at)

    def restarted(self) -> "Bookmark":
        """The bookmark of the same pass from its beginning."""
        return replace(self, marker=None)


@dataclass(frozen=True)
class Bookmarks:
    """Reads and writes them; botocore's errors fly."""

    dynamodb: "DynamoDBClient"
    table: str

    def read(self, ca: CaCertificateId, kind: PassKind) -> Bookmark:
        """Read one; where none was written yet, no pass was ever begun."""
        item = self.dynamodb.get_item(
            TableName=self.table, Key={KEY: {"S": _key(ca, kind)}}, ConsistentRead=True
        ).get("Item", {})
        return Bookmark(
            ca,
            kind,
            begun_at=_moment(item.get("begunAt", {}).get("N")),
            marker=item.get("marker", {}).get("S"),
            former_begun_at=_moment(item.get("formerBegunAt", {}).get("N")),
        )

    def write(self, bookmark: Bookmark) -> None:
        """Write one."""
        item = {KEY: {"S": _key(bookmark.ca, bookmark.kind)}}
        if bookmark.begun_at:
            item["begunAt"] = {"N": _number(bookmark.begun_at)}
        if bookmark.marker:
            item["marker"] = {"S": bookmark.marker}
        if bookmark.former_begun_at:
            item["formerBegunAt"] = {"N": _number(bookmark.former_begun_at)}
        self.dynamodb.put_item(TableName=self.table, Item=item)


def _key(ca: CaCertificateId, kind: PassKind) -> str:
    return f"{BOOKMARK_PREFIX}{ca}/{kind}"


def _number(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _moment(number: str | None) -> datetime | None:
    return None if number is None else datetime.fromtimestamp(int(number) / 1000, UTC)
