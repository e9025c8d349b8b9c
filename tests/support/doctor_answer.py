"""What `jitr doctor --json` says."""

from dataclasses import dataclass
from typing import Any

from iot_jitr_cli.doctor.causes import Cause


@dataclass(frozen=True)
class Answer:
    """What the doctor said."""

    exit_code: int
    cause: Cause | None
    document: dict[str, Any]

    @classmethod
    def of(cls, exit_code: int, document: dict[str, Any]) -> "Answer":
        """Read the document that the command printed."""
        return cls(exit_code, Cause(document["cause"]) if document["cause"] else None, document)

    def check(self, name: str) -> dict[str, Any]:
        """The line of one check."""
        return next(check for check in self.document["checks"] if check["id"] == name)
