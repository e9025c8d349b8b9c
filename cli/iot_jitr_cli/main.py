"""The `jitr` command: a table of subcommands, imported when called; this module reports all errors.

A subcommand is a click command or group in `COMMANDS`. It prints its answer, returns an `ExitCode` (`None` is
`OK`) and does not catch errors: this module turns `JitrError`, errors of the AWS SDK and errors of the
operating system into one line on standard error and an exit code.
"""

import errno
import importlib
import io
import os
import signal
import sys
import traceback
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.text import Text

from iot_jitr_cli.console import CliError, ExitCode, err, printable
from iot_jitr_cli.signals import end_signals
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO


COMMANDS = {
    "lab": ("lab.command", "The local cloud with the stack deployed in it: up, down, status, env."),
    "demo": ("demo.command", "The whole pipeline in one run, on a local cloud."),
    "pki": ("pki.command", "A development CA and its device certificates."),
    "chain": ("chain.command", "Is this the file the device must present?"),
    "connect": ("connect.command", "First connect, back-off, reconnect, publish."),
    "ca": ("ca.command", "Registered CA certificates; verification certificates."),
    "crl": ("crl.command", "Is a certificate revoked? Confirm a mass revocation."),
    "policy": ("policy.command", "Lint a device policy; what could a device do?"),
    "doctor": ("doctor.command", "Why is this device not active?"),
    "verify": ("verify.command", "Acceptance of a deployed pipeline with a real device."),
    "status": ("status.command", "Fleet, queues, CAs and CRLs at a glance."),
    "redrive": ("redrive", "Dead letters and pending certificates again."),
    "allow": ("allow.command", "The allow list: which devices are expected."),
}
"""The subcommands in the order of `jitr --help`: name, module with a command of this name, line of help."""

_OUTPUT_FAILED = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""Errors of a write to standard output: the pipe is closed, the disk is full, the terminal is closed."""


class Subcommands(click.Group):
    """A group that imports a subcommand when it is called, and reports every error as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands in the table's order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        del ctx
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(
        self, args: "Sequence[str] | None" = None, prog_name: str | None = None, *_more: Any, **_extra: Any
    ) -> NoReturn:
        """Run one command line and exit; click's own `main` exits 1 when the output cannot be written."""
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(_exit_code(lambda: self._run(arguments, prog_name or "jitr")))

    def _run(self, arguments: "list[str]", name: str) -> object:
        self._main_shell_completion({}, name)
        with self.make_context(name, arguments) as context:
            return self.invoke(context)


def _load(name: str) -> click.Command:
    module_name, _ = COMMANDS[name]
    try:
        module = importlib.import_module(f"iot_jitr_cli.{module_name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("iot_jitr"):
            raise
        raise CliError(
            f"'jitr {name}' needs the Python package '{error.name}', which is not installed: "
            "pip install 'iot-jitr[cli,lab]'"
        ) from error
    command: click.Command = getattr(module, name)
    return command


def _exit_code(run: "Callable[[], object]") -> int:
    """Run a command and return its exit code; print an exception as one line on standard error."""
    try:
        result = run()
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _print_to_stderr("interrupted")
        return ExitCode.INTERRUPTED
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        with _errors_shown_if_possible():
            error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001  all errors are reported here
        return _report(error)
    return result if isinstance(result, ExitCode) else ExitCode.OK


def _report(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in _OUTPUT_FAILED and not error.filename:
        _discard(sys.stdout)
        if error.errno != errno.EPIPE:
            _print_error(f"cannot write the output: {error.strerror}")
        return ExitCode.UNDETERMINED
    message = _explanation(error)
    if message is None:
        with _errors_shown_if_possible():
            traceback.print_exception(error)
        # Python's own exit code for an unexpected error is 1, which means the answer "no".
        message = "this is a defect of jitr, please report it with the lines above"
    _print_error(message)
    return error.exit_code if isinstance(error, CliError) else ExitCode.UNDETERMINED


def _print_error(message: str) -> None:
    _print_to_stderr(Text.assemble(("error:", "red"), f" {printable(' '.join(message.split()))}"))


def _print_to_stderr(line: Text | str) -> None:
    with _errors_shown_if_possible():
        err.print(line)


@contextmanager
def _errors_shown_if_possible() -> "Iterator[None]":
    """Write to standard error; ignore a failure of the write: the exit code is still returned."""
    try:
        yield
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: "TextIO") -> None:
    """Discard a stream's buffer: Python would write it at exit, fail again and exit with 120."""
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _explanation(error: Exception) -> str | None:
    if isinstance(error, JitrError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    from iot_jitr_cli.session import explain  # noqa: PLC0415  commands without AWS do not import its SDK

    return explain(error)


@click.group(
    cls=Subcommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(version("iot-jitr"), prog_name="jitr")
def jitr() -> None:
    """AWS IoT Core just-in-time registration: local cloud, device kit, doctor, operations.

    Every command takes --json, honours AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL, and exits 0 (yes),
    1 (no), 2 (wrong use) or 3 (could not tell).
    """


def main(arguments: "Sequence[str] | None" = None) -> NoReturn:
    """Run `jitr` with `arguments` (default: the process's own) and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A ✓ that is not in the terminal's encoding must not end the command.
            stream.reconfigure(errors="replace")
    # Python itself handles SIGINT, because a shell's background commands ignore it.
    with end_signals(signal.default_int_handler, (signal.SIGTERM, signal.SIGHUP)):
        sys.exit(jitr.main(args=None if arguments is None else list(arguments), prog_name="jitr"))
