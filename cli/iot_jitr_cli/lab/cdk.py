"""The CDK command line, pinned: how it is found and run, and why it failed.

`aws-cdk-lib` writes assemblies that an older CDK command line cannot read, and npm's tag `latest` points at
another major version, so one exact version is used: the checkout's, else a matching one on `PATH`, else
`npx` fetches it.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.environment import download_environment
from iot_jitr_cli.lab.node import node_directory, npx_command

CDK_VERSION = "2.1148.1"
"""The pinned version, as in package.json."""
_CHECKOUT = Path(__file__).resolve().parents[3]
_SCRIPT = Path("node_modules", "aws-cdk", "bin", "cdk")
_LOOK_LIMIT = 30.0
_FETCH_LIMIT = 180.0
_WATCH_INTERVAL = 0.2
"""Seconds between two looks at what the CDK needs."""


class CdkFailedError(CliError):
    """The CDK command line ended with an error."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """The last line that says why."""


@dataclass(frozen=True, slots=True)
class Cdk:
    """A CDK command line that can be run."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    """What it needs on top of the environment it is run in."""

    def run(  # noqa: PLR0913  one subprocess, described once
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        log: Path,
        on_line: Callable[[str], None],
        stop: Callable[[], Exception | None],
    ) -> None:
        """Run it to its end; its output is appended to `log` and given to `on_line` as it comes.

        Args:
            arguments: The command and its options.
            cwd: The CDK project.
            environment: All its environment variables, but for its own.
            log: The file that its output is appended to.
            on_line: Called with each line of its output.
            stop: Asked several times a second, in another thread; an error that it returns ends the CDK and
                is raised.

        Raises:
            CdkFailedError: It exited with an error.
        """
        with log.open("a") as record:
            process = subprocess.Popen(
                [*self.command, *arguments],
                cwd=cwd,
                env={**environment, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # Its own group, so that the app and the jsii kernel below it end with it.
                start_new_session=True,
            )
            lines: list[str] = []
            try:
                with _watched(process, stop) as stopped:
                    for line in process.stdout or ():
                        record.write(line)
                        record.flush()
                        lines.append(line.rstrip())
                        on_line(lines[-1])
                    code = process.wait()
            finally:
                _end_group(process)
                process.wait()
                if process.stdout:
                    process.stdout.close()
        if stopped:
            raise stopped[0]
        if code != 0:
            reason = failure_line(lines)
            what = f"'cdk {arguments[0]}' failed: {reason or f'exit code {code}'} (log: {log})"
            raise CdkFailedError(what, reason)


@contextmanager
def _watched(
    process: subprocess.Popen[str], stop: Callable[[], Exception | None]
) -> Iterator[list[Exception]]:
    """End the process as soon as `stop` returns an error; the error is in the list then."""
    stopped: list[Exception] = []
    over = Event()

    def watch() -> None:
        while not over.wait(_WATCH_INTERVAL):
            if error := stop():
                stopped.append(error)
                _end_group(process)
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stopped
    finally:
        over.set()
        watcher.join()


def find_cdk() -> Cdk:
    """The CDK command line to use.

    Raises:
        CliError: None of the pinned version is there and npm could not fetch it, or there is no Node.
    """
    node = node_directory() / "node"
    for root in (Path.cwd(), _CHECKOUT):
        if (root / _SCRIPT).is_file():
            return Cdk((str(node), str(root / _SCRIPT)), {})
    installed = shutil.which("cdk")
    if installed is not None and _version_of(installed) == CDK_VERSION:
        return Cdk((installed,), {})
    return _fetched()


def failure_line(lines: Sequence[str]) -> str:
    """The line of the CDK's output that says what went wrong: its app's last one, or its own."""
    printed = [line.strip() for line in lines if line.strip()]
    for position, line in enumerate(printed):
        if ": Subprocess exited with error " in line and position:
            return printed[position - 1]
    return printed[-1] if printed else ""


def _version_of(command: str) -> str:
    """Its version, such as `2.1148.1`; empty if it prints none."""
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            [command, "--version"], capture_output=True, text=True, timeout=_LOOK_LIMIT, check=False
        )
        return answer.stdout.split(" ")[0].strip()
    return ""


def _fetched() -> Cdk:
    remedy = (
        f"put it there with 'npm install aws-cdk@{CDK_VERSION}' ('make setup' in a checkout), "
        "or see that npm's registry can be reached"
    )
    npx = npx_command()
    if npx is None:
        raise CliError(f"neither the CDK command line {CDK_VERSION} nor npx is installed: {remedy}")
    cdk = Cdk((*npx, "--yes", f"aws-cdk@{CDK_VERSION}"), download_environment())
    environment = {
        **os.environ,
        **cdk.environment,
        "PATH": f"{node_directory()}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        # Without a network, fail soon.
        "npm_config_fetch_retries": "1",
        "npm_config_fetch_retry_mintimeout": "1000",
    }
    try:
        answer = subprocess.run(
            [*cdk.command, "--version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CliError(
            f"npm did not fetch the CDK command line {CDK_VERSION} within {_FETCH_LIMIT:.0f} s: {remedy}"
        ) from None
    if answer.returncode != 0:
        complaint = _npm_error(answer.stderr.splitlines())
        raise CliError(f"npm cannot fetch the CDK command line {CDK_VERSION} ({complaint}): {remedy}")
    return cdk


def _npm_error(lines: Sequence[str]) -> str:
    """What npm says went wrong: the error about a request if there is one, else the first."""
    errors = [line for line in lines if line.startswith("npm error")]
    return next((line for line in errors if "request to" in line), (errors or ["npm failed"])[0])


def _end_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
