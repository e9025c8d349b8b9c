"""The CDK command line: found, run and ended, with executable stand-ins."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.stub import Stubber

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import cdk
from iot_jitr_cli.lab.cdk import CDK_VERSION, Cdk, failure_line, failure_reason, find_cdk
from iot_jitr_cli.lab.environment import node_directory
from iot_jitr_cli.waiting import wait_until
from tests.support.aws_clients import aws_client
from tests.support.limits import LONGEST_WAIT
from tests.support.processes import is_gone

pytestmark = pytest.mark.timing


CALLER = """
import sys
from pathlib import Path
from iot_jitr_cli.lab.cdk import Cdk
program = "echo $$; while :; do sleep 0.1; echo deploying; done"
log = Path(sys.argv[1])
Cdk(("sh", "-c", program), {"PATH": "/usr/bin:/bin"}).run(
    (), cwd=log.parent, environment={}, log=log, on_line=str, check=lambda: None
)
"""


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def npx_in(place: Path) -> tuple[str, ...] | None:
    npx = place / "node-bin" / "npx"
    return (str(npx),) if npx.is_file() else None


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of a checkout, with no CDK command line on PATH."""
    place = tmp_path / "nowhere"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(cdk, "_CHECKOUT", place)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    monkeypatch.setattr(cdk, "node_directory", lambda: place / "node-bin")
    monkeypatch.setattr(cdk, "npx_command", lambda: npx_in(place))
    return place


class TestFinding:
    def test_the_version_is_the_one_that_package_json_pins(self) -> None:
        package = json.loads(Path(__file__).parents[4].joinpath("package.json").read_text())

        assert package["devDependencies"]["aws-cdk"] == CDK_VERSION

    def test_the_cdk_in_the_current_folder_runs_on_node_of_the_environment(self, nowhere: Path) -> None:
        script = executable(nowhere / "node_modules/aws-cdk/bin/cdk", "")

        assert find_cdk() == Cdk((str(nowhere / "node-bin" / "node"), str(script)), {})

    def test_the_cdk_of_the_checkout_is_found_from_any_folder(
        self, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = executable(tmp_path / "checkout/node_modules/aws-cdk/bin/cdk", "")
        monkeypatch.setattr(cdk, "_CHECKOUT", tmp_path / "checkout")

        assert find_cdk().command == (str(nowhere / "node-bin" / "node"), str(script))

    def test_a_cdk_on_the_path_is_used_if_it_has_the_pinned_version(self, nowhere: Path) -> None:
        installed = executable(nowhere / "cdk", f"echo '{CDK_VERSION} (build abcdef0)'")

        assert find_cdk() == Cdk((str(installed),), {})

    @pytest.mark.parametrize(
        "answer", ["echo '3.0.0 (build 1)'", "echo '2.1000.0 (build 1)'", "exit 1", "exec sleep 60"]
    )
    def test_npx_replaces_a_cdk_on_the_path_with_another_version(
        self, nowhere: Path, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        monkeypatch.setattr(cdk, "_VERSION_LIMIT", 0.5 if "sleep" in answer else LONGEST_WAIT)
        executable(nowhere / "cdk", answer)
        npx = executable(nowhere / "node-bin" / "npx", "echo fetched")

        assert find_cdk().command == (str(npx), "--yes", f"aws-cdk@{CDK_VERSION}")

    @pytest.mark.parametrize(
        ("errors", "shown"),
        [
            ("npm error code E1\nnpm error request to https://x failed", r"request to https://x failed"),
            ("npm error code ENOTFOUND\nnpm error errno 1", r"npm error code ENOTFOUND"),
            ("something else", r"npm failed"),
        ],
    )
    def test_an_unreachable_npm_registry_is_one_line_with_npms_error_and_the_remedy(
        self, nowhere: Path, errors: str, shown: str
    ) -> None:
        executable(nowhere / "node-bin" / "npx", f"printf '{errors}\n' >&2; exit 1")

        with pytest.raises(CliError, match=rf"{shown}.*npm install aws-cdk@.*registry"):
            find_cdk()

    def test_fetching_the_cdk_by_npm_times_out(self, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cdk, "_FETCH_LIMIT", 0.2)
        executable(nowhere / "node-bin" / "npx", "exec sleep 60")

        with pytest.raises(CliError, match="did not fetch"):
            find_cdk()

    @pytest.mark.usefixtures("nowhere")
    def test_without_npx_there_is_an_error_with_the_remedy(self) -> None:
        with pytest.raises(CliError, match="nor npx is installed"):
            find_cdk()

    def test_the_virtual_environments_node_runs_the_pinned_command_line(self) -> None:
        node, script = find_cdk().command

        assert Path(node) == node_directory() / "node"
        assert shutil.which(node) == node
        assert Path(script).name == "cdk"


class TestRunning:
    @staticmethod
    def run(
        tmp_path: Path,
        *command: str,
        on_line: Callable[[str], object] = str,
        check: Callable[[], None] = lambda: None,
    ) -> str | None:
        return Cdk(command, {"OWN": "own"}).run(
            ("deploy", "--all"),
            cwd=tmp_path,
            environment={"GIVEN": "given", "PATH": os.defpath},
            log=tmp_path / "cdk.log",
            on_line=on_line,
            check=check,
        )

    def test_the_command_has_its_arguments_and_each_line_is_logged(self, tmp_path: Path) -> None:
        lines: list[str] = []
        program = (
            "import os, sys; print(sys.argv[1:], os.environ['GIVEN'], os.environ['OWN'], os.getcwd()); "
            "print('b', end='', file=sys.stderr)"
        )
        (tmp_path / "cdk.log").write_text("of an earlier run\n")

        failure = self.run(tmp_path, sys.executable, "-u", "-c", program, on_line=lines.append)

        assert failure is None
        assert lines == [f"['deploy', '--all'] given own {tmp_path}", "b"]
        assert (tmp_path / "cdk.log").read_text() == "\n".join(["of an earlier run", *lines])

    @pytest.mark.parametrize(
        ("program", "reason"),
        [
            (
                "print('jitr.cas: found nothing\\nx: Subprocess exited with error 1'); raise SystemExit(1)",
                "jitr.cas: found nothing",
            ),
            ("raise SystemExit(7)", "exit code 7"),
        ],
        ids=["the app's last line", "no output"],
    )
    def test_a_failed_command_has_its_reason(self, tmp_path: Path, program: str, reason: str) -> None:
        assert self.run(tmp_path, sys.executable, "-c", program) == reason

    @pytest.mark.parametrize("program", ["sleep 600 & echo $!; wait", "echo $$; exec sleep 600"])
    @pytest.mark.parametrize("error", [CliError, KeyboardInterrupt])
    def test_an_error_of_the_check_ends_the_command_and_its_children(
        self, tmp_path: Path, program: str, error: type[BaseException]
    ) -> None:
        started: list[int] = []

        def check() -> None:
            if started:
                raise error("enough")

        with pytest.raises(error, match="enough"):
            self.run(
                tmp_path, "sh", "-c", program, on_line=lambda line: started.append(int(line)), check=check
            )

        assert wait_until(lambda: is_gone(started[0]), limit=LONGEST_WAIT)

    def test_one_that_has_closed_its_output_is_still_checked(self, tmp_path: Path) -> None:
        checks: list[int] = []

        def check() -> None:
            checks.append(1)
            if len(checks) > 5:
                raise CliError("enough")

        with pytest.raises(CliError, match="enough"):
            self.run(tmp_path, "sh", "-c", "exec sleep 600 >&- 2>&-", check=check)

    def test_the_command_ends_after_its_caller_was_killed(self, tmp_path: Path) -> None:
        log = tmp_path / "cdk.log"
        caller = subprocess.Popen([sys.executable, "-c", CALLER, str(log)])
        assert wait_until(lambda: log.is_file() and "\n" in log.read_text(), limit=LONGEST_WAIT)
        caller.kill()
        caller.wait()

        started = int(log.read_text().split()[0])
        assert wait_until(lambda: is_gone(started), limit=LONGEST_WAIT)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], ""),
        (["", "  "], ""),
        (["first", "last", ""], "last"),
        (["why", "app.py: Subprocess exited with error 1", ""], "why"),
        (["app.py: Subprocess exited with error 1"], "app.py: Subprocess exited with error 1"),
    ],
)
def test_the_reason_is_the_apps_last_line_if_it_printed_one(lines: list[str], reason: str) -> None:
    assert failure_line(lines) == reason


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CANCELLED = ("Queue", "CREATE_FAILED", "Resource creation cancelled")


@pytest.mark.parametrize(
    ("status", "newest_first", "reason"),
    [
        *(
            (
                status,
                [
                    ("iot-jitr", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create"),
                    CANCELLED,
                    ("Ca", "CREATE_FAILED", "the CA's key does not fit\n\nLogs: x\n\n at framework.js:1"),
                    ("Ca", "CREATE_IN_PROGRESS", ""),
                ],
                "Ca (Custom::Ca): the CA's key does not fit",
            )
            for status in ("CREATE_FAILED", "ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED")
        ),
        ("ROLLBACK_COMPLETE", [CANCELLED], None),
        ("CREATE_COMPLETE", [], None),
    ],
)
def test_the_reason_of_a_failed_stack_is_its_first_cause_and_none_of_its_consequences(
    status: str, newest_first: list[tuple[str, str, str]], reason: str | None
) -> None:
    events = [
        {
            "StackId": "id",
            "EventId": resource,
            "StackName": "iot-jitr",
            "Timestamp": NOON - timedelta(seconds=number),
            "LogicalResourceId": resource,
            "ResourceType": "Custom::Ca",
            "ResourceStatus": resource_status,
            "ResourceStatusReason": why,
        }
        for number, (resource, resource_status, why) in enumerate(newest_first)
    ]
    cloudformation = aws_client("cloudformation")
    stack = {"StackName": "iot-jitr", "StackStatus": status, "CreationTime": NOON}
    with Stubber(cloudformation) as stubbed:
        stubbed.add_response("describe_stacks", {"Stacks": [stack]})
        stubbed.add_response("describe_stack_events", {"StackEvents": events})

        assert failure_reason(cloudformation) == reason
