"""The files of `iot_jitr_runtime` in the Lambda asset, and the asset's hash.

The hash is computed from the inputs (sources, lock, variant, runtime, architecture, and whether files are
compiled), not from the built files: compiled files differ between machines. So it is the same in a checkout
and from the installed wheel, for one version of Python.
"""

import hashlib
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path

import iot_jitr_runtime

PACKAGE = Path(iot_jitr_runtime.__file__).parent
LOCK = Path(str(files("iot_jitr.bundling"))) / "functions.lock"
"""The libraries vendored for AWS: names, versions and hashes."""

_SUFFIXES = frozenset({".py", ".json", ".sql"})
"""The file types of the package. Other files in its folder (editors' files, caches) are not included."""


def source_files() -> list[Path]:
    """The package's files, relative to the folder that holds the package, in a stable order."""
    return sorted(
        path.relative_to(PACKAGE.parent)
        for path in PACKAGE.rglob("*")
        if path.suffix in _SUFFIXES and "__pycache__" not in path.parts and path.is_file()
    )


def copy_sources(to: Path) -> None:
    """Copy the package into the folder `to`."""
    for relative in source_files():
        (to / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE.parent / relative, to / relative)


@cache
def fingerprint(*facts: str) -> str:
    """SHA-256 over the sources and `facts`, in hexadecimal."""
    digest = hashlib.sha256()
    for name, content in [
        *((relative.as_posix(), (PACKAGE.parent / relative).read_bytes()) for relative in source_files()),
        *(("", fact.encode()) for fact in facts),
    ]:
        # With the lengths, the end of a file and the start of the next one cannot be confused.
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
