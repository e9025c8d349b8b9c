"""The entry point of the `jitr` script; it imports only modules that the wheel contains.

An installation for synthesis has the script too, but not the libraries of the command line.
"""

import sys
from typing import NoReturn

_OURS = ("iot_jitr_cli", "iot_jitr_runtime")
_UNDETERMINED = 3
"""The value of `ExitCode.UNDETERMINED`; its module cannot be imported if the libraries are missing."""


def main() -> NoReturn:
    """Run `jitr`, or print the name of the extra that is missing."""
    try:
        from iot_jitr_cli.main import main as jitr  # noqa: PLC0415  its libraries may be missing
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in _OURS:
            raise
        sys.stderr.write(
            f"error: 'jitr' needs the Python package '{missing.name}', which is not installed: "
            "pip install 'iot-jitr[cli]'\n"
        )
        sys.exit(_UNDETERMINED)
    jitr()
