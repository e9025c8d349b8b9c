"""What all commands share: text on standard output, errors on standard error, `--json`, exit codes."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path, PurePath
from typing import Any, ClassVar

import click
from rich.console import Console

from iot_jitr_runtime.errors import JitrError


class PipeConsole(Console):
    """A console whose reader may close the pipe, as `head` does: reported in `main`."""

    def on_broken_pipe(self) -> None:
        """Raise the error again; rich itself would exit 1, which would be taken for the answer "no"."""
        raise  # noqa: PLE0704  called while the error is handled


# What is printed comes from files, certificates and AWS: brackets are no markup in it, `:key:` is no emoji.
out = PipeConsole(highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Standard output: the answer."""

err = PipeConsole(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)
"""Standard error: errors, warnings, progress that is not the answer."""


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""The type of an argument or an option that names a file to read."""


class ExitCode(IntEnum):
    """The exit codes of a command; a stable interface. Commands return one (`None` is `OK`)."""

    OK = 0
    """Done, or the answer is "yes"."""
    NO = 1
    """The answer is "no": revoked, not the right file, refused; for doctor: the cause was found."""
    WRONG_USE = 2
    """The command was called wrongly; calling it again the same way cannot help."""
    UNDETERMINED = 3
    """The answer could not be found: something that is needed was unreachable, missing or broken."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM or SIGHUP (128 + SIGINT, as in shells)."""


class CliError(JitrError):
    """An error with an exit code. Any other `JitrError` ends the command with `UNDETERMINED`."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNDETERMINED


class WrongUseError(CliError):
    """The command was called with something that it cannot work on."""

    exit_code = ExitCode.WRONG_USE


class Moment(click.ParamType[datetime]):
    """An ISO 8601 time, in UTC unless it names an offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time.

        Raises:
            WrongUseError: It is none.
        """
        del ctx
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError as error:
            option = param.opts[0] if param else "the time"
            raise WrongUseError(
                f"{option}: found '{value}', expected an ISO 8601 time such as 2026-12-24T18:00:00Z"
            ) from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
"""Give a command `--json`; it arrives as the argument `as_json`."""


def print_json(value: object) -> None:
    """Print dataclasses, enums, times, paths and plain data as one indented JSON document.

    Dataclasses become objects of their fields, times ISO 8601 strings, durations seconds.
    """
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    """Make text from a certificate or a server safe for a terminal: control characters become `\ufffd`."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    match value:
        case set() | frozenset():
            return sorted(value)
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case PurePath():
            return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
