import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from botocore.exceptions import EndpointConnectionError
from click.shell_completion import ShellComplete

from iot_jitr_cli.console import CliError, ExitCode, WrongUseError
from iot_jitr_cli.main import COMMANDS, jitr, main
from iot_jitr_runtime.errors import JitrError
from tests.support.command_line import CommandResult, run_jitr
from tests.support.identities import device
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], CommandResult]:
    """Run a function as a subcommand of `jitr`."""

    def run_as_subcommand(function: Callable[[], Any]) -> CommandResult:
        module = SimpleNamespace(fake=click.command("fake")(function))
        monkeypatch.setitem(sys.modules, "iot_jitr_cli.fake", module)
        monkeypatch.setitem(COMMANDS, "fake", ("fake", "A fake."))
        return run_jitr("fake")

    return run_as_subcommand


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_version_is_that_of_the_package() -> None:
    assert run_jitr("--version").out == f"jitr, version {version('iot-jitr')}\n"


def test_help_lists_every_subcommand_in_the_order_of_the_table() -> None:
    usage, _, commands = run_jitr("--help").out.partition("Commands:\n")
    lines = commands.splitlines()

    names = [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]
    assert names == list(COMMANDS)
    assert usage.startswith("Usage: jitr ")


def test_shell_completion_offers_the_subcommands() -> None:
    offered = ShellComplete(jitr, {}, "jitr", "_JITR_COMPLETE").get_completions([], "c")

    assert [item.value for item in offered] == [name for name in COMMANDS if name.startswith("c")]


def test_help_imports_no_subcommand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "broken", ("no_such_module", "Is not there."))

    answer = run_jitr("--help")

    assert answer.exit_code == ExitCode.OK
    assert "Is not there." in answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_of_the_table_answers_help(name: str) -> None:
    answer = run_jitr(name, "--help")

    assert answer.exit_code == ExitCode.OK
    assert answer.out.startswith(f"Usage: jitr {name}")


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["pki", "ca"], ["pki", "ca", "x", "--key", "dsa"]]
)
def test_wrong_use_exits_2_with_an_error_on_standard_error(arguments: list[str]) -> None:
    answer = run_jitr(*arguments)

    assert answer.exit_code == ExitCode.WRONG_USE
    assert answer.out == ""
    assert "Error: " in answer.err


@pytest.mark.parametrize(("returned", "code"), [(None, 0), *((code, code) for code in ExitCode)])
def test_the_exit_code_is_what_the_subcommand_returns(
    run: Callable[[Any], CommandResult], returned: ExitCode | None, code: int
) -> None:
    assert run(lambda: returned).exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JitrError("cannot tell"), ExitCode.UNDETERMINED),
        (CliError("cannot tell"), ExitCode.UNDETERMINED),
        (WrongUseError("cannot tell"), ExitCode.WRONG_USE),
        (FileNotFoundError(2, "cannot tell", "some.file"), ExitCode.UNDETERMINED),
        (OSError("cannot tell"), ExitCode.UNDETERMINED),
        (EndpointConnectionError(endpoint_url="http://cannot tell"), ExitCode.UNDETERMINED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_expected_error_is_one_line_on_standard_error(
    run: Callable[[Any], CommandResult], error: Exception, code: ExitCode
) -> None:
    answer = run(raising(error))

    assert answer.exit_code == code
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "cannot tell" in answer.err
    assert answer.err.count("\n") == 1


def test_an_error_of_several_lines_with_markup_and_control_characters_is_one_plain_line(
    run: Callable[[Any], CommandResult],
) -> None:
    answer = run(raising(JitrError("first\n[bold]second[/bold]\x1b[2J")))

    assert answer.err == "error: first [bold]second[/bold]\ufffd[2J\n"


def test_a_defect_prints_its_traceback_and_does_not_exit_1(
    run: Callable[[Any], CommandResult],
) -> None:
    answer = run(raising(RuntimeError("a defect")))

    assert answer.exit_code == ExitCode.UNDETERMINED
    assert "Traceback" in answer.err
    assert "RuntimeError: a defect" in answer.err
    assert "report" in answer.err


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_clean_and_exits_130(
    run: Callable[[Any], CommandResult], interruption: BaseException
) -> None:
    answer = run(raising(interruption))

    assert answer.exit_code == ExitCode.INTERRUPTED
    assert answer.err == "interrupted\n"


def run_process(*command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a process; what it prints to standard error is text."""
    streams: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True}
    return subprocess.run(command, timeout=LONGEST_WAIT, check=False, **(streams | options))


SIGNALS_ITSELF = """
import os, signal, sys, types, click
from iot_jitr_cli.main import COMMANDS, main
if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
number = getattr(signal, sys.argv[1])
fake = click.command()(lambda: os.kill(os.getpid(), number))
sys.modules["iot_jitr_cli.fake"] = types.SimpleNamespace(fake=fake)
COMMANDS["fake"] = ("fake", "Signals itself.")
main(["fake"])
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["SIGTERM"], ExitCode.INTERRUPTED),
        (["SIGHUP"], ExitCode.INTERRUPTED),
        (["SIGHUP", "nohup"], ExitCode.OK),
    ],
    ids=str,
)
def test_a_signal_to_end_counts_as_an_interruption(arguments: list[str], exit_code: ExitCode) -> None:
    run = run_process(sys.executable, "-c", SIGNALS_ITSELF, *arguments)

    assert run.returncode == exit_code
    assert run.stderr == ("interrupted\n" if exit_code else "")


def test_a_closed_pipe_is_no_defect(run: Callable[[Any], CommandResult]) -> None:
    answer = run(raising(BrokenPipeError(32, "Broken pipe")))

    assert answer.exit_code == ExitCode.UNDETERMINED
    assert "Traceback" not in answer.err


JITR = (sys.executable, "-c", "from iot_jitr_cli.main import main; main()")


@pytest.fixture
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A command line; `chain check` gets a chain file."""
    words = str(request.param).split()
    return [*words, str(device().save(tmp_path).chain)] if words[0] == "chain" else words


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", "pki --help", "chain check", "chain check --json"],
    indirect=True,
)
def test_an_output_error_is_one_line_and_does_not_exit_1(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        run = run_process(*JITR, *arguments, stdout=full)

    assert run.returncode == ExitCode.UNDETERMINED
    assert run.stderr == "error: cannot write the output: No space left on device\n"


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""What is still in a buffer when Python ends fails once more."""


@pytest.mark.parametrize("words", [["no-such-command"], ["chain", "check", "pyproject.toml"]], ids=" ".join)
def test_an_error_that_cannot_be_written_keeps_its_exit_code(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        run = run_process(*JITR, *words, stderr=full, env=BUFFERED)

    assert run.returncode == run_jitr(*words).exit_code


@pytest.mark.parametrize("arguments", ["--help", "chain check", "chain check --json"], indirect=True)
def test_a_closed_pipe_does_not_exit_1(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    run = run_process(*JITR, *arguments, stdout=writer)
    os.close(writer)

    assert run.returncode == ExitCode.UNDETERMINED
    assert run.stderr == ""


def test_a_missing_package_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if it was not installed.
    monkeypatch.setitem(sys.modules, "boto3", None)
    for name in ("iot_jitr_cli.redrive", "iot_jitr_cli.session"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    answer = run_jitr("redrive")

    assert answer.exit_code == ExitCode.UNDETERMINED
    assert "pip install 'iot-jitr[" in answer.err
    assert "'boto3'" in answer.err


def test_a_missing_module_of_the_package_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "fake", ("no_such_module", "A fake."))

    assert "report" in run_jitr("fake").err


def test_main_exits_with_the_commands_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["jitr", "--version"])

    with pytest.raises(SystemExit) as from_the_process:
        main()
    with pytest.raises(SystemExit) as from_arguments:
        main(["no-such-command"])

    assert from_the_process.value.code == ExitCode.OK
    assert from_arguments.value.code == ExitCode.WRONG_USE


@pytest.mark.parametrize("arguments", ["chain check"], indirect=True)
def test_a_terminal_without_unicode_does_not_end_the_command(arguments: list[str]) -> None:
    run = run_process(
        *JITR, *arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )

    assert run.returncode == ExitCode.OK
    assert "?  chain.readable" in run.stdout
