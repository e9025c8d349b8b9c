"""The asset's hash: the same for the same content wherever it lies, another for any other content.

That checkout and wheel have the same asset, is in `test_wheel.py`.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from iot_jitr.bundling import FunctionBundle, Variant, asset, sources


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


def test_folder_time_and_caches_do_not_change_the_hash(
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
def test_content_changes_the_hash(package: Path, name: str) -> None:
    before = fingerprint()

    (package / name).write_text("changed = True")

    assert fingerprint() != before


def test_moving_content_to_another_file_changes_the_hash(package: Path) -> None:
    (package / "a.py").write_text("ab")
    (package / "b.py").write_text("c")
    before = fingerprint()

    (package / "a.py").write_text("a")
    (package / "b.py").write_text("bc")

    assert fingerprint() != before


def test_each_setting_changes_the_hash(package: Path) -> None:  # noqa: ARG001 - in the place of the real package
    assert len({fingerprint(*facts) for facts in [(), ("a",), ("b",), ("a", "b"), ("ab",)]}) == 5


def test_variant_lock_runtime_and_architecture_change_the_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aws_cdk import aws_lambda as lambda_

    found = {FunctionBundle(variant).asset_hash for variant in Variant}
    lock = tmp_path / "functions.lock"
    lock.write_text("other==1")
    for name, other in [
        ("LOCK", lock),
        ("RUNTIME", lambda_.Runtime.PYTHON_3_14),
        ("ARCHITECTURE", lambda_.Architecture.X86_64),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(asset, name, other)
            found.add(FunctionBundle(Variant.AWS).asset_hash)

    assert len(found) == 5


def test_compiled_files_change_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are where the machine runs the functions' own version of Python, and only there."""
    found = {}
    for ours in ((3, 11, 9), (3, 12, 1), (3, 13, 0), (3, 13, 7)):
        monkeypatch.setattr(sys, "version_info", ours)
        found[ours] = FunctionBundle(Variant.AWS).asset_hash

    assert found[3, 11, 9] == found[3, 12, 1] != found[3, 13, 0] == found[3, 13, 7]
