"""Running `jitr` in the test's own process."""

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from iot_jitr_cli.main import jitr


@dataclass(frozen=True)
class CommandResult:
    """What a command printed and exited with."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


def run_jitr(
    *arguments: object, variables: dict[str, str] | None = None, answer: str | None = None
) -> CommandResult:
    """Run `jitr` with these arguments, these environment variables besides, and `answer` as its input."""
    result = CliRunner().invoke(jitr, [str(argument) for argument in arguments], env=variables, input=answer)
    return CommandResult(result.exit_code, result.stdout, result.stderr)
