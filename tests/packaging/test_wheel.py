"""The wheel, installed by itself in a fresh virtual environment: all that a user of the construct has."""

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from email.parser import Parser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from iot_jitr.bundling.sources import PACKAGE, source_files
from iot_jitr_cli.console import ExitCode
from tests.support.examples import EXAMPLES, WITHOUT_BUNDLING, lay_out, synthesize, templates
from tests.support.package_index import settings_for_uv
from tests.support.stacks import DEFAULTS, named, template_of
from tools.dist import PACKAGES
from tools.locks import FUNCTIONS, ROOT, closed_part, entries
from tools.setup import Environment

OF_OTHERS = ("boto3", "click", "rich", "ministack", "paho", "aws_lambda_powertools")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), at=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and its requirements, as locked."""
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.create()
    return install(wheel, environment)


@pytest.fixture(scope="module")
def python_of_uv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in an environment that uv made: it has no pip."""
    folder = tmp_path_factory.mktemp("environment-of-uv")
    run(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(folder / ".venv"), at=folder)
    interpreter = folder / ".venv" / "bin" / "python"
    return install(wheel, Environment(folder, [sys.executable, "-m", "pip", "--python", str(interpreter)]))


def install(wheel: Path, environment: Environment) -> Path:
    lock = environment.root / "wheel.lock"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(closed_part(["iot-jitr"]) + f"iot-jitr @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    environment.install(lock)
    environment.check()
    return environment.python


def completed(*command: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=at, env=ours(), capture_output=True, text=True, timeout=280, check=False
    )


def run(*command: str, at: Path) -> str:
    done = completed(*command, at=at)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ours() -> dict[str, str]:
    """This environment with uv on the path, without what leads Python or the CDK back to the checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "CDK_", "COV_")) and name != "UV"
    }
    return {**kept, **settings_for_uv(), "PATH": f"{Path(find_uv_bin()).parent}{os.pathsep}{kept['PATH']}"}


def test_it_contains_the_four_packages_with_their_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES.keys()
    assert "iot_jitr/bundling/functions.lock" in names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {path.as_posix() for path in source_files()} <= names
    page = {"page.css", "page.html.jinja", "page.js"}
    assert {f"iot_jitr_cli/status/page/{name}" for name in page} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_its_files_are_those_of_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if root := PACKAGES.get(name.partition("/")[0]):
                assert archive.read(name) == (ROOT / root / name).read_bytes(), name


def test_its_metadata_names_licence_and_python(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(path).decode())

    assert (metadata["Name"], metadata["License-Expression"]) == ("iot-jitr", "Apache-2.0")
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") == ["cli", "dev", "lab"]


@pytest.mark.parametrize("made", ["python", pytest.param("python_of_uv", marks=pytest.mark.exhaustive)])
def test_the_minimal_example_synthesizes_with_the_wheel_alone_to_the_asset_of_the_checkout(
    made: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    interpreter = request.getfixturevalue(made)

    assembly = synthesize(lay_out("minimal", tmp_path), python=str(interpreter), environment=ours())

    # The CDK's own check against AWS's schemas, which the other tests leave out.
    assert json.loads((assembly / "validation-report.json").read_text())["pluginReports"] == []
    (installed,) = templates(assembly).values()
    # The CDK makes its own name of the hash that the bundle gives it.
    expected = asset_of_activator(template_of(DEFAULTS))
    assert asset_of_activator(installed) == expected
    asset = assembly / f"asset.{expected}"
    for relative in source_files():
        assert (asset / relative).read_bytes() == (PACKAGE.parent / relative).read_bytes()
    shipped = {canonicalize_name(each.name): each.version for each in distributions(path=[str(asset)])}
    assert shipped == {each.name: each.version for each in entries(FUNCTIONS.read_text())}


def asset_of_activator(template: dict[str, Any]) -> str:
    _, function = named(template, "AWS::Lambda::Function", "Activator")
    return str(function["Properties"]["Code"]["S3Key"]).removesuffix(".zip")


@pytest.mark.exhaustive
def test_an_environment_of_uv_has_no_pip(python_of_uv: Path, tmp_path: Path) -> None:
    """So its asset is bundled by uv; `test_bundle.py` compares the files."""
    program = "from importlib.util import find_spec; print(find_spec('pip'))"

    assert run(str(python_of_uv), "-c", program, at=tmp_path) == "None\n"


APPS = ("two_cas", "vpc", "admission_function", "other_team")
"""What users of the construct would write after the minimal app."""


@pytest.mark.parametrize("name", [pytest.param(each, marks=pytest.mark.exhaustive) for each in APPS])
def test_each_example_synthesizes_with_the_wheel_alone(name: str, python: Path, tmp_path: Path) -> None:
    """The wheel's files are those of the checkout, so the templates are those of `test_examples.py`."""
    app = lay_out(name, tmp_path)
    context = {**json.loads((app / "cdk.json").read_text())["context"], **WITHOUT_BUNDLING}

    assert templates(synthesize(app, python=str(python), context=context, environment=ours()))


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app of each example under a name of its own, so that all are checked in one run."""
    folder = tmp_path_factory.mktemp("apps")
    for path in EXAMPLES.glob("*/app.py"):
        (folder / f"{path.parent.name}.py").write_text(path.read_text())
    return folder


@pytest.mark.exhaustive
def test_mypy_finds_nothing_in_the_examples_with_the_installed_wheel(python: Path, apps: Path) -> None:
    files = sorted(map(str, apps.glob("*.py")))
    copy_cache_of_mypy(apps / "cache")

    # The same options as for the checkout, which its cache was made with.
    mypy = (sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"))
    out = run(*mypy, "--cache-dir", "cache", "--python-executable", str(python), *files, at=apps)

    assert "no issues found" in out


def copy_cache_of_mypy(folder: Path) -> None:
    """Copy what `make types` has found in the CDK and in files equal to those of the wheel.

    Without it, or with a part of it, mypy takes a minute more.
    """
    cache = ROOT / ".mypy_cache"
    for database in cache.rglob("*.db"):
        copy = folder / database.relative_to(cache)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)


CDK_OWN = {("LambdaFunction", "IRuleTarget"), ("Function", "IFunction")}
"""Classes of the CDK that pyright does not take for what they implement: names of arguments differ."""


@pytest.mark.exhaustive
def test_pyright_finds_nothing_of_ours_in_the_examples_with_the_installed_wheel(
    python: Path, apps: Path
) -> None:
    program = [str(Path(sys.executable).with_name("node")), str(ROOT / "node_modules/pyright/index.js")]
    files = sorted(map(str, apps.glob("*.py")))

    done = completed(*program, "--outputjson", "--pythonpath", str(python), *files, at=apps)

    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files)
    assert [each for each in report["generalDiagnostics"] if not is_of_the_cdk(each["message"])] == []


def is_of_the_cdk(message: str) -> bool:
    return bool(CDK_OWN & set(re.findall(r'"(\w+)" is incompatible with protocol "(\w+)"', message)))


def test_nothing_of_the_command_line_or_the_local_cloud_is_installed(python: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys; from importlib.util import find_spec; "
        "print(json.dumps([name for name in sys.argv[1:] if find_spec(name)]))"
    )

    assert json.loads(run(str(python), "-c", program, *OF_OTHERS, at=tmp_path)) == []


def test_the_command_names_the_extra_it_needs(python: Path, tmp_path: Path) -> None:
    done = completed(str(python.with_name("jitr")), "--help", at=tmp_path)

    assert done.returncode == ExitCode.UNDETERMINED
    assert done.stderr == (
        "error: 'jitr' needs the Python package 'click', which is not installed: "
        "pip install 'iot-jitr[cli]'\n"
    )
