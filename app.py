"""What `cdk.json` runs: the app of `iot_jitr`, in this checkout."""

import sys

try:
    from iot_jitr.app import main
except ModuleNotFoundError as missing:
    sys.exit(f"iot-jitr: {sys.executable} has no package '{missing.name}'; run: make setup")

sys.exit(main())
