"""The JSON schema of outcome events, as it is shipped."""

import json
from importlib.resources import files
from typing import Any

SCHEMA: dict[str, Any] = json.loads(files("iot_jitr").joinpath("schemas/outcome-event-1.json").read_text())
