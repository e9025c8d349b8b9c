"""Runs the apps in `examples/` in a separate folder, with the command of the CDK."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.ca_certificates import FACTORY, WORKSHOP
from tests.support.limits import LONGEST_WAIT

EXAMPLES = Path(__file__).parents[2] / "examples"
WITHOUT_BUNDLING: dict[str, Any] = {"aws:cdk:bundling-stacks": []}
"""Context that leaves the Lambda asset unbuilt."""


def lay_out(name: str, folder: Path) -> Path:
    """Copy an example below `folder`, with CA certificates where it reads them."""
    copy = folder / name
    shutil.copytree(EXAMPLES / name, copy)
    for file, content in {"ca.pem": FACTORY, "old.pem": FACTORY, "new.pem": WORKSHOP}.items():
        (copy / file).write_text(content)
    return copy


def run(
    folder: Path,
    command: list[str],
    *,
    context: dict[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` as the CDK does, in this process's environment or in another."""
    return subprocess.run(
        command,
        cwd=folder,
        env={
            **(os.environ if environment is None else environment),
            "CDK_OUTDIR": str(folder / "cdk.out"),
            "CDK_CONTEXT_JSON": json.dumps(context or {}),
        },
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=False,
    )


def synthesize(
    folder: Path,
    *,
    python: str = sys.executable,
    context: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> Path:
    """Run the app in `folder`; return its cloud assembly."""
    done = run(folder, [python, "app.py"], context=context, environment=environment)
    assert done.returncode == 0, done.stderr
    return folder / "cdk.out"


def templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """The templates of an assembly and of the stages in it, by file, relative to the assembly."""
    return {
        str(path.relative_to(assembly)).removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted(assembly.rglob("*.template.json"))
    }
