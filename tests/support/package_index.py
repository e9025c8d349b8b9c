"""The package index: one in a folder, with wheels made for a test, and the one that pip is set to use."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str] | None = None,
    *,
    requires: Iterable[str] = (),
    commands: Mapping[str, str] | None = None,
) -> Path:
    """Write a wheel for any Python. `commands` are its console scripts, as `module:function`."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = f"{stem}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += ["Provides-Extra: toml", *(f"Requires-Dist: {each}" for each in requires)]
    content = {
        **(files or {}),
        f"{about}/METADATA": "\n".join(metadata) + "\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if commands:
        scripts = "".join(f"{command} = {target}\n" for command, target in commands.items())
        content[f"{about}/entry_points.txt"] = f"[console_scripts]\n{scripts}"
    record = "".join(
        f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items()
    )
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in (content | {f"{about}/RECORD": f"{record}{about}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_index(folder: Path, wheels: Iterable[Path]) -> str:
    """Lay the wheels out as a simple index (PEP 503) and return its address."""
    for wheel in wheels:
        page = folder / wheel.name.partition("-")[0].replace("_", "-").lower() / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        with page.open("a") as text:
            text.write(f'<a href="{wheel.as_uri()}#sha256={digest}">{wheel.name}</a><br>\n')
    return folder.as_uri()


def only_from(index: str) -> dict[str, str]:
    """The environment for a pip that uses only this index and no other setting."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "COV_"))
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "PIP_NO_CACHE_DIR": "1"}


@cache
def settings_for_uv() -> dict[str, str]:
    """Environment variables for uv, which does not read pip's settings: the index and certificates of pip."""
    found = {}
    for ours, its in {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}.items():
        command = [sys.executable, "-m", "pip", "config", "get", f"global.{ours}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        value = os.environ.get(f"PIP_{ours.replace('-', '_').upper()}") or done.stdout.strip()
        if value and its not in os.environ:
            found[its] = value
    return found
