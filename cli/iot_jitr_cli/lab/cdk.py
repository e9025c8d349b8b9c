"""Finds and runs the pinned CDK command line, and reports the reason of a failure.

An older CDK command line cannot read the assemblies of `aws-cdk-lib`, and npm's tag `latest` points at
another major version. So one exact version is used: the checkout's, else a matching one on `PATH`, else `npx`
fetches it.
"""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.environment import download_environment, node_directory, npx_command

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CDK_VERSION = "2.1148.1"
"""The pinned version, as in package.json."""
_CHECKOUT = Path(__file__).resolve().parents[3]
_SCRIPT = Path("node_modules", "aws-cdk", "bin", "cdk")
_VERSION_LIMIT = 30.0
_FETCH_LIMIT = 180.0
_INTERVAL = 0.2
"""Seconds between two checks while the CDK has no output."""
_CHUNK = 65_536
_CONSEQUENCES = ("cancelled", "Rollback requested", "The following resource(s) failed")
"""CloudFormation's reasons that only report the failure of another resource."""


@dataclass(frozen=True, slots=True)
class Cdk:
    """A CDK command line that can be run."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    """Environment variables that it needs in addition."""

    def run(  # noqa: PLR0913  one subprocess, described once
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        log: Path,
        on_line: Callable[[str], None],
        check: Callable[[], None],
    ) -> str | None:
        """Run it to its end; return `None`, or the reason of its failure in one line.

        Args:
            arguments: The command and its options.
            cwd: The CDK project.
            environment: All its environment variables, except those of this command line.
            log: The file to which its output is appended.
            on_line: Called with each line of its output.
            check: Called several times a second; an exception from it stops the CDK.
        """
        printed: list[str] = []
        with (
            log.open("ab") as record,
            subprocess.Popen(
                [*self.command, *arguments],
                cwd=cwd,
                env={**environment, **self.environment},
                stdin=subprocess.DEVNULL,
                # With a pipe, the CDK ends at its next output line if the caller has been killed.
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # With its own process group, the app and the jsii kernel end together with the CDK.
                start_new_session=True,
            ) as process,
        ):
            try:
                for line in _lines(process, record, check):
                    printed.append(line)
                    on_line(line)
                code = _exit_code(process, check)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return None if code == 0 else failure_line(printed) or f"exit code {code}"


def _lines(process: subprocess.Popen[bytes], record: BinaryIO, check: Callable[[], None]) -> Iterator[str]:
    """Yield the output lines of a process and write them to `record`; `check` is called meanwhile."""
    stdout, rest, more = process.stdout, b"", True
    while stdout is not None and more:
        check()
        if select.select([stdout], [], [], _INTERVAL)[0]:
            chunk = os.read(stdout.fileno(), _CHUNK)
            record.write(chunk)
            record.flush()
            more = bool(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines if more or not rest else [rest]:
                yield line.decode(errors="replace").rstrip()


def _exit_code(process: subprocess.Popen[bytes], check: Callable[[], None]) -> int:
    """Wait until a process that prints nothing more has ended; `check` is called meanwhile."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_INTERVAL)
        check()


def find_cdk() -> Cdk:
    """The CDK command line to use.

    Raises:
        CliError: The pinned version is not installed and npm could not fetch it, or there is no Node.
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
    """The line of the CDK's output with the error: the last line of its app, or the CDK's own error line."""
    printed = [line.strip() for line in lines if line.strip()]
    for position, line in enumerate(printed):
        if ": Subprocess exited with error " in line and position:
            return printed[position - 1]
    return printed[-1] if printed else ""


def failure_reason(cloudformation: "CloudFormationClient") -> str | None:
    """The first failure of a failed stack, as CloudFormation reports it: the resource, its type, the reason.

    Returns:
        `None` when no stack is in a failed state.
    """
    for stack in cloudformation.describe_stacks()["Stacks"]:
        if not (stack["StackStatus"].endswith("FAILED") or "ROLLBACK" in stack["StackStatus"]):
            continue
        events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        for event in sorted(events, key=lambda event: event["Timestamp"]):
            # The stack trace of a custom resource's framework follows on separate lines.
            reason = event.get("ResourceStatusReason", "").partition("\n")[0].strip()
            failed = event["ResourceStatus"].endswith("FAILED")
            if failed and not any(words in reason for words in _CONSEQUENCES):
                return f"{event['LogicalResourceId']} ({event.get('ResourceType', 'resource')}): {reason}"
    return None


def _version_of(command: str) -> str:
    """The version of a command line, such as `2.1148.1`; empty if it prints no version."""
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            [command, "--version"], capture_output=True, text=True, timeout=_VERSION_LIMIT, check=False
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
        error = _npm_error(answer.stderr.splitlines())
        raise CliError(f"npm cannot fetch the CDK command line {CDK_VERSION} ({error}): {remedy}")
    return cdk


def _npm_error(lines: Sequence[str]) -> str:
    """Npm's error line about a request, if there is one, else its first error line."""
    errors = [line for line in lines if line.startswith("npm error")]
    return next((line for line in errors if "request to" in line), (errors or ["npm failed"])[0])
