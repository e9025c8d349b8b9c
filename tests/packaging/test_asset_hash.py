"""The asset's hash: the same for the same content wherever it lies, another for any other content."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from iot_jitr.bundling import FunctionBundle, asset, sources
from iot_jitr.target import Target

ROOT = Path(__file__).parents[2]
PRINT_HASHES = """
import json, sys, tempfile
import aws_cdk as cdk
from iot_jitr.bundling import FunctionBundle
from iot_jitr.bundling.sources import PACKAGE
from iot_jitr.functions import FunctionSettings, JitrFunction
from iot_jitr.target import Target

with tempfile.TemporaryDirectory() as folder:
    app = cdk.App(outdir=folder, context={"aws:cdk:bundling-stacks": []})
    stack = cdk.Stack(app, sys.argv[1])
    JitrFunction(stack, "F", handler="m.f", description="d", settings=FunctionSettings(), environment={})
    template = app.synth().get_stack_artifact(sys.argv[1]).template
(function,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Function")
key = function["Properties"]["Code"]["S3Key"]
print(json.dumps([str(PACKAGE), FunctionBundle(Target.AWS).asset_hash, key]))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of its own in the place of `iot_jitr_runtime`."""
    made = tmp_path / "first" / "runtime"
    (made / "sub").mkdir(parents=True)
    (made / "__init__.py").write_text("")
    (made / "sub" / "data.json").write_text("{}")
    monkeypatch.setattr(sources, "PACKAGE", made)
    sources.fingerprint.cache_clear()
    return made


def fingerprint(*facts: str) -> str:
    sources.fingerprint.cache_clear()
    return sources.fingerprint(*facts)


def hashes(folder: Path, stack: str, **environment: str) -> tuple[str, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_HASHES, stack],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    package, ours, key = json.loads(done.stdout)
    return package, ours, key


def test_checkout_and_wheel_have_the_same_asset(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    (tmp_path / "elsewhere").mkdir()

    of_checkout = hashes(ROOT, "One")
    of_wheel = hashes(tmp_path / "elsewhere", "Another", PYTHONPATH=str(tmp_path / "installed"))

    assert of_wheel[0].startswith(str(tmp_path))
    assert not of_checkout[0].startswith(str(tmp_path))
    assert of_wheel[1:] == of_checkout[1:]


def test_another_place_time_and_leftovers_change_nothing(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint()
    elsewhere = tmp_path / "second" / "runtime"
    shutil.copytree(package, elsewhere)
    os.utime(elsewhere / "__init__.py", (0, 0))
    (elsewhere / "__pycache__").mkdir()
    (elsewhere / "__pycache__" / "left.py").write_text("x")
    (elsewhere / "notes.py~").write_text("x")
    (elsewhere / "module.pyc").write_text("x")
    monkeypatch.setattr(sources, "PACKAGE", elsewhere)

    assert fingerprint() == before


@pytest.mark.parametrize(
    "name", ["__init__.py", "sub/data.json", "new.py"], ids=["source", "data", "another file"]
)
def test_other_content_makes_another_hash(package: Path, name: str) -> None:
    before = fingerprint()

    (package / name).write_text("changed = True")

    assert fingerprint() != before


def test_content_that_moves_to_another_file_makes_another_hash(package: Path) -> None:
    (package / "a.py").write_text("ab")
    (package / "b.py").write_text("c")
    before = fingerprint()

    (package / "a.py").write_text("a")
    (package / "b.py").write_text("bc")

    assert fingerprint() != before


def test_each_fact_counts(package: Path) -> None:  # noqa: ARG001 - in the place of the real package
    assert len({fingerprint(*facts) for facts in [(), ("a",), ("b",), ("a", "b"), ("ab",)]}) == 5


def test_variant_lock_runtime_and_architecture_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aws_cdk import aws_lambda as lambda_

    found = {FunctionBundle(target).asset_hash for target in Target}
    lock = tmp_path / "functions.lock"
    lock.write_text("other==1")
    for name, other in [
        ("LOCK", lock),
        ("RUNTIME", lambda_.Runtime.PYTHON_3_14),
        ("ARCHITECTURE", lambda_.Architecture.X86_64),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(asset, name, other)
            found.add(FunctionBundle(Target.AWS).asset_hash)

    assert len(found) == 5
