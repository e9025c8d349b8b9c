"""The CDK command line: found, run and ended, with stand-ins for it that are really run."""

import json
import os
import shutil
import sys
from pathlib import Path

import psutil
import pytest

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import cdk
from iot_jitr_cli.lab.cdk import (
    CDK_VERSION,
    Cdk,
    CdkFailedError,
    failure_line,
    find_cdk,
)
from iot_jitr_cli.lab.node import node_directory
from iot_jitr_cli.lab.process import wait_until
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def npx_in(place: Path) -> tuple[str, ...] | None:
    npx = place / "node-bin" / "npx"
    return (str(npx),) if npx.is_file() else None


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with no checkout around it and no CDK command line on PATH."""
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

    def test_the_one_in_the_current_folder_is_run_on_the_virtual_environments_node(
        self, nowhere: Path
    ) -> None:
        script = executable(nowhere / "node_modules/aws-cdk/bin/cdk", "")

        assert find_cdk() == Cdk((str(nowhere / "node-bin" / "node"), str(script)), {})

    def test_from_anywhere_the_checkouts_own_is_found(
        self, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = executable(tmp_path / "checkout/node_modules/aws-cdk/bin/cdk", "")
        monkeypatch.setattr(cdk, "_CHECKOUT", tmp_path / "checkout")

        assert find_cdk().command == (str(nowhere / "node-bin" / "node"), str(script))

    def test_one_on_the_search_path_is_taken_if_it_has_the_pinned_version(self, nowhere: Path) -> None:
        installed = executable(nowhere / "cdk", f"echo '{CDK_VERSION} (build abcdef0)'")

        assert find_cdk() == Cdk((str(installed),), {})

    @pytest.mark.parametrize("answer", ["echo '3.0.0 (build 1)'", "echo '2.1000.0 (build 1)'", "exit 1"])
    def test_one_of_another_version_is_passed_over_for_npx(self, nowhere: Path, answer: str) -> None:
        executable(nowhere / "cdk", answer)
        npx = executable(nowhere / "node-bin" / "npx", "echo fetched")

        assert find_cdk().command == (str(npx), "--yes", f"aws-cdk@{CDK_VERSION}")

    def test_one_that_hangs_when_asked_for_its_version_is_passed_over(
        self, nowhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cdk, "_LOOK_LIMIT", 0.2)
        executable(nowhere / "cdk", "exec sleep 60")
        executable(nowhere / "node-bin" / "npx", "echo fetched")

        assert find_cdk().command[0].endswith("npx")

    def test_an_unreachable_npm_registry_is_one_line_with_the_remedy(self, nowhere: Path) -> None:
        executable(nowhere / "node-bin" / "npx", "echo 'npm error code ENOTFOUND' >&2; exit 1")

        with pytest.raises(CliError, match=r"npm error code ENOTFOUND.*npm install aws-cdk@.*registry"):
            find_cdk()

    @pytest.mark.parametrize(
        ("errors", "shown"),
        [
            ("npm error code E1\nnpm error request to https://x failed", "request to https://x failed"),
            ("npm error code E1\nnpm error errno 1", "npm error code E1"),
            ("something else", "npm failed"),
        ],
    )
    def test_of_npms_errors_the_telling_one_is_shown(self, nowhere: Path, errors: str, shown: str) -> None:
        executable(nowhere / "node-bin" / "npx", f"printf '{errors}\n' >&2; exit 1")

        with pytest.raises(CliError, match=shown):
            find_cdk()

    def test_npm_that_never_answers_is_given_up(self, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cdk, "_FETCH_LIMIT", 0.2)
        executable(nowhere / "node-bin" / "npx", "exec sleep 60")

        with pytest.raises(CliError, match="did not fetch"):
            find_cdk()

    @pytest.mark.usefixtures("nowhere")
    def test_without_npx_there_is_nothing_left_to_try(self) -> None:
        with pytest.raises(CliError, match="nor npx is installed"):
            find_cdk()

    def test_the_virtual_environments_node_runs_the_pinned_command_line(self) -> None:
        node, script = find_cdk().command

        assert Path(node) == node_directory() / "node"
        assert shutil.which(node) == node
        assert Path(script).name == "cdk"


class TestRunning:
    @staticmethod
    def run(tmp_path: Path, program: str) -> list[str]:
        lines: list[str] = []
        Cdk((sys.executable, "-u", "-c", program), {"OWN": "own"}).run(
            ("deploy", "--all"),
            cwd=tmp_path,
            environment={"GIVEN": "given", "PATH": os.defpath},
            log=tmp_path / "cdk.log",
            on_line=lines.append,
            stop=lambda: None,
        )
        return lines

    def test_arguments_environment_and_folder_arrive(self, tmp_path: Path) -> None:
        program = "import os, sys; print(sys.argv[1:], os.environ['GIVEN'], os.environ['OWN'], os.getcwd())"

        lines = self.run(tmp_path, program)

        assert lines == [f"['deploy', '--all'] given own {tmp_path}"]

    def test_each_line_of_output_is_logged_and_reported_as_it_comes(self, tmp_path: Path) -> None:
        lines = self.run(tmp_path, "import sys; print('a'); print('b', file=sys.stderr)")

        assert lines == ["a", "b"]
        assert (tmp_path / "cdk.log").read_text() == "a\nb\n"

    def test_a_failure_ends_with_the_apps_own_last_word(self, tmp_path: Path) -> None:
        program = (
            "print('jitr.cas: found nothing'); "
            "print('python -m iot_jitr.app: Subprocess exited with error 1'); raise SystemExit(1)"
        )

        with pytest.raises(CdkFailedError, match=r"'cdk deploy' failed: jitr\.cas: found nothing") as caught:
            self.run(tmp_path, program)
        assert caught.value.reason == "jitr.cas: found nothing"

    def test_a_failure_without_output_has_the_exit_code(self, tmp_path: Path) -> None:
        with pytest.raises(CdkFailedError, match="exit code 7"):
            self.run(tmp_path, "raise SystemExit(7)")

    def test_one_that_must_stop_is_ended_with_all_that_it_started(self, tmp_path: Path) -> None:
        started: list[int] = []

        with pytest.raises(CliError, match="enough"):
            Cdk(("sh", "-c", "sleep 600 & echo $!; wait"), {}).run(
                ("deploy",),
                cwd=tmp_path,
                environment={"PATH": os.defpath},
                log=tmp_path / "cdk.log",
                on_line=lambda line: started.append(int(line)),
                stop=lambda: CliError("enough") if started else None,
            )

        assert wait_until(lambda: is_gone(started[0]), limit=LONGEST_WAIT)

    def test_one_that_prints_nothing_is_ended_too(self, tmp_path: Path) -> None:
        with pytest.raises(CliError, match="enough"):
            Cdk(("sh", "-c", "exec sleep 600"), {}).run(
                ("deploy",),
                cwd=tmp_path,
                environment={"PATH": os.defpath},
                log=tmp_path / "cdk.log",
                on_line=str,
                stop=lambda: CliError("enough"),
            )

    def test_an_interruption_ends_it_too(self, tmp_path: Path) -> None:
        pids: list[int] = []

        def interrupt(line: str) -> None:
            pids.append(int(line))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Cdk((sys.executable, "-u", "-c", "import os, time; print(os.getpid()); time.sleep(600)"), {}).run(
                ("deploy",),
                cwd=tmp_path,
                environment={},
                log=tmp_path / "cdk.log",
                on_line=interrupt,
                stop=lambda: None,
            )

        assert not psutil.pid_exists(pids[0])


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ([], ""),
        (["", "  "], ""),
        (["first", "last", ""], "last"),
        (["why", "app.py: Subprocess exited with error 1", ""], "why"),
        (["app.py: Subprocess exited with error 1"], "app.py: Subprocess exited with error 1"),
    ],
)
def test_the_last_word_is_the_apps_if_it_had_one(lines: list[str], word: str) -> None:
    assert failure_line(lines) == word
