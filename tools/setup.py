"""`make setup`: the environment of this checkout, `.venv` and `node_modules`, exactly from the lock files.

Installing resolves nothing: every package, version and hash is in `requirements.lock` and
`package-lock.json`, so later publications have no effect. pip and npm do the work, with the user's settings
(mirrors, proxies, certificates).

Run by the machine's own Python before anything is installed: standard library only.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python runs up to here; the imports below need 3.11
    sys.exit(
        "iot-jitr needs Python 3.11 or newer; %s is %d.%d. Name a newer one: make PYTHON=python3.12"  # noqa: UP031
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

import fcntl
import hashlib
import json
import os
import re
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALLED_LAST = "aws-cdk-lib"
"""It and `aws-cdk.cloud-assembly-schema` contain the same file, `aws_cdk/cloud_assembly_schema/__init__.py`,
and the CDK needs its own one. With resolution, pip installs dependencies first; without it, the order is
alphabetical."""
LIMIT_SECONDS = 3600.0
"""Time limit of one step; it is long enough to fetch everything through a slow network."""
_SECONDS_BETWEEN_LINES = 5.0


class SetupError(Exception):
    """A step of the set-up failed; the message has the step, the reason and the fix."""


class Environment:
    """The `.venv` and `node_modules` of the checkout in `root`. The default `pip` is that of `.venv`."""

    def __init__(self, root: Path, pip: Sequence[str] = ()) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self._pip = [*(pip or [str(self.python), "-m", "pip"])]
        self._log = self.folder / "setup.log"
        self._stamp = self.folder / "setup-done"

    def make(self) -> None:
        """Make the environment again, unless it is as wanted already.

        Raises:
            SetupError: A step failed; the next call starts from the beginning.
        """
        with self._locked():
            if self.is_as_wanted():
                return
            began = time.monotonic()
            self.create()
            self.install(self.root / "requirements.lock")
            self.install_project()
            self.check()
            self.install_command_line()
            self._stamp.write_text(self._wanted())
            _say(f"set up in {time.monotonic() - began:.0f} s")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait while another `make` sets up the same checkout."""
        with (self.root / "requirements.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def is_as_wanted(self) -> bool:
        """Whether there is a finished set-up from these locks, in this folder, for this Python version."""
        if not self._stamp.is_file() or self._stamp.read_text() != self._wanted():
            return False
        if not (self.root / "node_modules" / ".bin" / "cdk").exists():
            return False
        try:
            return subprocess.run([self.python, "-c", ""], timeout=60, check=False).returncode == 0
        except OSError:
            return False  # the Python that it was made from does not exist any more

    def _wanted(self) -> str:
        """SHA-256 of all inputs that determine a finished set-up."""
        project = tomllib.loads((self.root / "pyproject.toml").read_text())
        npm = ("package.json", "package-lock.json")
        facts = [
            str(self.root),
            ".".join(map(str, sys.version_info[:2])),
            json.dumps([project["build-system"], project["project"], project["tool"]["hatch"]]),
            *((self.root / name).read_text() for name in ("requirements.lock", *npm)),
        ]
        return hashlib.sha256("\0".join(facts).encode()).hexdigest()

    def create(self) -> None:
        """Make an empty virtual environment, and remove the files of an earlier set-up."""
        _say("setting up .venv and node_modules, from the lock files")
        command = [sys.executable, "-m", "venv", "--clear", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        if done.returncode:
            raise SetupError(
                f"Python could not make a virtual environment: {_reason(done.stdout + done.stderr)}\n"
                "On Debian and Ubuntu: apt-get install python3-venv"
            )

    def install(self, lock: Path) -> None:
        """Install exactly the packages of a lock file.

        Nothing is compiled in advance: Python compiles a module at its first use. Compiling all modules takes
        longer than everything else together.
        """
        packages = [each for each in re.split(r"^(?=\w)", lock.read_text(), flags=re.MULTILINE) if each]
        before = self._installed()

        def progress() -> str:
            log = self._log.read_text(errors="replace")
            ignored, fetched = (
                len(re.findall(f"^{word} ", log, re.MULTILINE))
                for word in ("Ignoring", "(?:Collecting|Processing)")
            )
            done = f"{fetched} of {len(packages) - ignored} fetched, {self._installed() - before} installed"
            return f"Python packages: {done}"

        last = [each for each in packages if each.startswith(f"{INSTALLED_LAST}==")]
        options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile", "--no-user"]
        for part in ([each for each in packages if each not in last], last):
            if part:
                requirements = self.folder / "setup.lock"
                requirements.write_text("".join(part))
                self._run([*self._pip, "install", *options, "-r", str(requirements)], progress)
        _say(f"Python packages: {self._installed() - before} installed")

    def _installed(self) -> int:
        return len([*self.folder.glob("lib/python*/site-packages/*.dist-info")])

    def install_project(self) -> None:
        """Install the checkout itself, for editing; its build back-end is one of the locked packages."""
        options = ["--no-deps", "--no-build-isolation", "--no-user", "--editable", str(self.root)]
        self._run([*self._pip, "install", *options])

    def check(self) -> None:
        """Check with pip that the installed packages are compatible."""
        try:
            self._run([*self._pip, "check"])
        except SetupError as error:
            raise SetupError(f"{error}\nIf pyproject.toml asks for something new: make lock") from error

    def install_command_line(self) -> None:
        """Install the CDK command line with the npm of the Python packages."""
        self._run([str(self.folder / "bin" / "npm"), "ci"], lambda: "CDK command line: fetching")
        _say("CDK command line: installed")

    def _run(self, command: Sequence[str], progress: Callable[[], str] | None = None) -> None:
        """Run one step; its output is written to the log."""
        variables = os.environ | {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
        }
        with self._log.open("a+") as log:
            begin = log.tell()
            process = subprocess.Popen(
                command, cwd=self.root, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                _wait(process, progress)
            finally:
                process.kill()
                process.wait()
            log.seek(begin)
            if process.returncode:
                step = " ".join(Path(part).name for part in command[:4])
                raise SetupError(f"'{step} …' failed: {_reason(log.read())}\nAll of it: {self._log}")


def _wait(process: subprocess.Popen[bytes], progress: Callable[[], str] | None) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    said = time.monotonic()
    while time.monotonic() < until:
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            if progress and (sys.stdout.isatty() or time.monotonic() - said >= _SECONDS_BETWEEN_LINES):
                said = time.monotonic()
                _say(progress(), end="" if sys.stdout.isatty() else "\n")
        else:
            return


def _say(text: str, end: str = "\n") -> None:
    """Print a line; on a terminal it replaces the line that shows the progress of a step."""
    sys.stdout.write(("\r\033[K" if sys.stdout.isatty() else "") + text + end)
    sys.stdout.flush()


def _reason(output: str) -> str:
    """The line of a command's output with the reason of its failure."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error: ", "npm error"))]
    return (errors or lines[-1:] or ["it printed nothing"])[0]


def main() -> int:
    """Set up the checkout that this file belongs to."""
    try:
        Environment(ROOT).make()
    except SetupError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the next make starts the set-up from the beginning\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
