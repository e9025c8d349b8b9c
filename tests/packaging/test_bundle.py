"""The Lambda asset as it goes to AWS: the right libraries for the right machine, and nothing else."""

import ast
import os
import re
import stat
import struct
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from uv import find_uv_bin

import iot_jitr_runtime
from iot_jitr.bundling import FunctionBundle, Variant, asset
from tests.support.package_index import settings_for_uv
from tools.locks import FUNCTIONS, REQUIREMENTS, entries

ELF = b"\x7fELF"
AARCH64 = 0xB7
"""`e_machine` of an ELF header (ELF for the Arm 64-bit Architecture, section 4.1)."""
LIBRARIES = {
    "aws_lambda_powertools",
    "cffi",
    "cryptography",
    "jmespath",
    "pycparser",
    "typing_extensions.py",
}
CFFI_EXTENSION = re.compile(r"_cffi_backend\.cpython-313-aarch64-linux-gnu\.so")


def locked(lock: Path = FUNCTIONS) -> dict[str, str]:
    return {each.name: each.version for each in entries(lock.read_text())}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    before = os.umask(0o077)
    try:
        FunctionBundle(Variant.AWS).build(folder)
    finally:
        os.umask(before)
    return folder


def machine_of(library: Path) -> int:
    header = library.read_bytes()[:20]
    assert header.startswith(ELF), library
    (machine,) = struct.unpack_from("<H", header, offset=18)
    return int(machine)


@pytest.mark.exhaustive
def test_uv_makes_the_same_files_as_pip(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset, "find_spec", lambda _name: None)
    monkeypatch.setenv("UV", find_uv_bin())
    for name, value in settings_for_uv().items():
        monkeypatch.setenv(name, value)

    FunctionBundle(Variant.AWS).build(tmp_path)

    assert contents(tmp_path) == contents(bundle)


def contents(folder: Path) -> dict[str, bytes]:
    """The files but those in which an installer writes about itself, and those compiled here."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name not in {"INSTALLER", "RECORD", "REQUESTED"}
    }


def test_every_native_library_is_for_arm64(bundle: Path) -> None:
    native = [path for path in bundle.rglob("*") if path.is_file() and path.read_bytes()[:4] == ELF]

    assert {path.name.split(".")[0] for path in native} >= {"_rust", "_cffi_backend"}
    assert {machine_of(path) for path in native} == {AARCH64}


def test_native_libraries_are_for_python_313_or_its_stable_abi(bundle: Path) -> None:
    names = {path.name for path in bundle.rglob("*.so")}

    assert names
    assert all("abi3" in name or "cpython-313-aarch64" in name for name in names)


def test_it_contains_only_our_sources_and_the_libraries(bundle: Path) -> None:
    top = {path.name for path in bundle.iterdir()}
    own_and_libraries = {
        name for name in top if not name.endswith(".dist-info") and not CFFI_EXTENSION.fullmatch(name)
    }

    # Where this Python is the functions' version, `__pycache__` holds the compiled `typing_extensions.py`.
    assert own_and_libraries - {"__pycache__"} == LIBRARIES | {"iot_jitr_runtime"}


def test_the_libraries_are_the_locked_ones(bundle: Path) -> None:
    installed = [PathDistribution(path) for path in bundle.glob("*.dist-info")]

    assert {each.name.replace("_", "-"): each.version for each in installed} == locked()


def test_every_wheel_is_for_lambda(bundle: Path) -> None:
    tags = {
        line.removeprefix("Tag: ")
        for path in bundle.glob("*.dist-info/WHEEL")
        for line in path.read_text().splitlines()
        if line.startswith("Tag: ")
    }

    assert tags
    assert all(tag.endswith(("-any", "_aarch64")) for tag in tags)


def test_it_contains_all_sources_and_no_tests_or_caches(bundle: Path) -> None:
    package = Path(iot_jitr_runtime.__file__).parent
    ours = {
        path.relative_to(bundle / "iot_jitr_runtime").as_posix()
        for path in (bundle / "iot_jitr_runtime").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert ours >= {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert {Path(name).suffix for name in ours} <= {".py", ".json", ".sql"}
    assert not [name for name in ours if "test" in name]


def test_lambdas_user_may_read_everything_under_any_umask(bundle: Path) -> None:
    for path in bundle.rglob("*"):
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_it_fits_into_lambda(bundle: Path) -> None:
    """250 MB unzipped is the quota of a function with its layers (AWS Lambda Developer Guide, quotas)."""
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())

    assert size < 50_000_000


def test_packages_of_the_lambda_runtime_are_not_in_it(bundle: Path) -> None:
    assert not [name for name in ("boto3", "botocore", "urllib3") if (bundle / name).exists()]


def test_the_shipped_versions_are_the_tested_versions() -> None:
    assert locked()
    assert locked().items() <= locked(REQUIREMENTS).items()


def test_the_local_variant_has_our_sources_only(tmp_path: Path) -> None:
    FunctionBundle(Variant.LOCAL).build(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"iot_jitr_runtime"}


def imported_at_run_time(source: Path) -> set[str]:
    """Top-level packages that a module imports, wherever in it, but not for the type checker only."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(source.read_text())]
    while pending:
        match pending.pop():
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                pending += orelse
            case ast.Import(names=names):
                found |= {each.name.split(".")[0] for each in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.split(".")[0])
            case node:
                pending += ast.iter_child_nodes(node)
    return found


def test_every_import_of_a_function_is_in_the_bundle_or_the_runtime(bundle: Path) -> None:
    needed = set().union(*map(imported_at_run_time, (bundle / "iot_jitr_runtime").rglob("*.py")))
    shipped = {path.name.removesuffix(".py") for path in bundle.iterdir()}

    assert {"cryptography", "boto3"} <= needed
    assert needed - set(sys.stdlib_module_names) - {"boto3", "botocore"} <= shipped
