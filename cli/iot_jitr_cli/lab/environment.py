"""Environments of the lab's child processes, built from nothing.

A variable of the caller's reaches a child only if it is named here: an `AWS_PROFILE`, an `AWS_ENDPOINT_URL`
or a variable that MiniStack reads must never send a call to a real account or change the lab.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from iot_jitr_cli.lab.node import node_directory
from iot_jitr_cli.lab.process import LAB_FOLDER

_KEPT = (
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    # Interpreters in unusual places find their libraries through these.
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
"""The folder for temporary files, in the lab's folder."""


def child_environment(folder: Path, additions: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child process: a few harmless variables of the caller's, and `additions`.

    `node` is the one that came with the virtual environment. Temporary files go into the lab's `folder`, by
    which the process is found again. The AWS SDKs find no configuration file and ask no instance metadata.
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
    """What npm needs in addition to reach its registry: proxies, extra CAs, npm's own configuration."""
    npm = (name for name in os.environ if name.lower().startswith("npm_config_"))
    return {**_callers((*_KEPT_FOR_DOWNLOADS, *npm)), "NO_PROXY": f"{LOOPBACK},localhost"}


def _callers(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
