"""Python programs in place of the CDK command line."""

import sys
from typing import TYPE_CHECKING

from iot_jitr_cli.lab import lab
from iot_jitr_cli.lab.cdk import Cdk

if TYPE_CHECKING:
    import pytest

DEPLOYS = """
import json, pathlib, sys
for argument in sys.argv:
    if argument.startswith("--outputs-file="):
        pathlib.Path(argument.partition("=")[2]).write_text(json.dumps({"iot-jitr": {"LedgerTable": "t"}}))
"""
"""Deploys nothing, with success."""
FAILS = "print('no such thing'); raise SystemExit(1)"


def replace_cdk(monkeypatch: "pytest.MonkeyPatch", program: str) -> None:
    """Let the lab run `program` instead of the CDK command line."""
    monkeypatch.setattr(lab, "find_cdk", lambda: Cdk((sys.executable, "-c", program), {}))
