"""The result of `jitr doctor --json`."""

from dataclasses import dataclass
from typing import Any

from iot_jitr_cli.doctor.causes import Cause
from tests.support.command_line import CommandResult


@dataclass(frozen=True)
class DoctorResult(CommandResult):
    """What the command printed and exited with."""

    @classmethod
    def of(cls, result: CommandResult) -> "DoctorResult":
        """Assert that the command printed a document."""
        assert result.out.startswith("{"), (result.out, result.err)
        return cls(result.exit_code, result.out, result.err)

    @property
    def cause(self) -> Cause | None:
        """The cause that is named."""
        return Cause(self.json["cause"]) if self.json["cause"] else None

    def check(self, name: str) -> dict[str, Any]:
        """The line of one check."""
        return next(check for check in self.json["checks"] if check["id"] == name)


def assert_cause(result: DoctorResult, cause: Cause) -> None:
    """Assert that the command names this cause."""
    assert result.cause is cause, [each for each in result.json["checks"] if each["status"] != "ok"]
    assert result.exit_code == (0 if cause is Cause.ALREADY_FINE else 1)
