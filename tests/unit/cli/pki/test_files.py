"""Files that are replaced as a whole."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.files import replace_private, replace_public


@pytest.mark.parametrize(("replace", "mode"), [(replace_private, 0o600), (replace_public, 0o644)])
def test_a_replaced_file_has_the_right_mode(
    tmp_path: Path, replace: Callable[[Path, bytes], None], mode: int
) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    path.chmod(0o640)

    replace(path, b"new")

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == mode
    assert [*tmp_path.iterdir()] == [path]


def test_replacing_a_link_replaces_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)

    replace_private(link, b"new")

    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_special_file_is_refused_and_not_changed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(WrongUseError, match="not a regular file"):
        replace_private(pipe, b"new")

    assert pipe.is_fifo()


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(OSError, match="No space left"):
        replace_private(path, b"new")
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]
