"""Files of the development PKI: written once and never overwritten; only the owner may read keys."""

import os
import tempfile
from pathlib import Path

from iot_jitr_cli.console import WrongUseError

_PUBLIC = 0o644
_PRIVATE = 0o600


def write_public(path: Path, content: bytes) -> None:
    """Write a new file that all users may read.

    Raises:
        WrongUseError: It is there already; it is left as it is.
    """
    _write_new(path, content, _PUBLIC)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read; it is created with this mode.

    Raises:
        WrongUseError: It is there already; it is left as it is.
    """
    _write_new(path, content, _PRIVATE)


def replace_public(path: Path, content: bytes) -> None:
    """Write a file that all users may read, as a whole or not at all; an existing file is replaced.

    Raises:
        WrongUseError: Something else than a file is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, content, _PUBLIC)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, as a whole or not at all; an existing file is replaced.

    Raises:
        WrongUseError: Something else than a file is there.
    """
    _replace(path, content, _PRIVATE)


def refuse_existing(*paths: Path) -> None:
    """Check before the first write that none of the files exists.

    Raises:
        WrongUseError: One of the files exists.
    """
    for path in paths:
        if path.exists():
            raise WrongUseError(
                f"{path} exists already and is never overwritten; choose another name or directory"
            )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        refuse_existing(path)
        raise
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _replace(path: Path, content: bytes, mode: int) -> None:
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise WrongUseError(f"{path} is not a regular file: name a file to write, or one to replace")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        new.chmod(mode)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
