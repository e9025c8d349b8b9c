"""Shared by all commands: text on standard output, errors on standard error, `--json`, exit codes."""

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
    """A console for a pipe whose reader may close it, as `head` does; `main` reports that error."""

    def on_broken_pipe(self) -> None:
        """Raise the error again. rich itself would exit with 1, which means the answer "no"."""
        raise  # noqa: PLE0704  called while the error is handled


# The printed text comes from files, certificates and AWS. Brackets in it are not markup, `:key:` is no emoji.
out = PipeConsole(highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Standard output: the answer."""

err = PipeConsole(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)
"""Standard error: errors, warnings and progress."""


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""The type of an argument or an option that names a file to read."""


class ExitCode(IntEnum):
    """The exit codes of a command; a stable interface. A command returns an exit code (`None` is `OK`)."""

    OK = 0
    """Done, or the answer is "yes"."""
    NO = 1
    """The answer is "no": revoked, not the right file, refused; for doctor: the cause was found."""
    WRONG_USE = 2
    """The command was called wrongly; the same call would fail again."""
    UNDETERMINED = 3
    """The answer could not be determined: something necessary was unreachable, missing or broken."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM or SIGHUP (128 + SIGINT, as in shells)."""


class CliError(JitrError):
    """An error with an exit code. Any other `JitrError` ends the command with `UNDETERMINED`."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNDETERMINED


class WrongUseError(CliError):
    """The command was called with an argument or a file that it cannot use."""

    exit_code = ExitCode.WRONG_USE


class Moment(click.ParamType[datetime]):
    """An ISO 8601 time, in UTC unless it has an offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time.

        Raises:
            WrongUseError: `value` is not such a time.
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
"""Adds `--json` to a command, as its argument `as_json`."""


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
