"""The JSON schema of the context `jitr` of `cdk.json`: `python -m iot_jitr.schema > cdk.schema.json`.

An editor uses it to complete keys and values, to show their descriptions and to mark errors. It does not
check ranges of times, contradictory options and files: only the synthesis checks these.
"""

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from iot_jitr.allowed import time_in_words
from iot_jitr.configuration import CONTEXT_KEY, JitrConfiguration

if TYPE_CHECKING:
    from pydantic_core import core_schema


class _Generator(GenerateJsonSchema):
    """Generates a schema for the values in `cdk.json`: no null, and times as texts."""

    def nullable_schema(self, schema: "core_schema.NullableSchema") -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def encode_default(self, dft: Any) -> Any:
        return time_in_words(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema() -> dict[str, Any]:
    """Return a schema for a whole `cdk.json`; it describes only the context `jitr`."""
    found = pydantic.TypeAdapter(JitrConfiguration).json_schema(schema_generator=_Generator)
    definitions = found.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cdk.json of iot-jitr",
        "type": "object",
        "properties": {
            "context": {"type": "object", "properties": {CONTEXT_KEY: _without_null(found)}},
        },
        "$defs": _without_null(definitions),
    }


def _without_null(value: Any) -> Any:
    match value:
        case dict():
            kept = {key: each for key, each in value.items() if not (key == "default" and each is None)}
            return {key: _without_null(each) for key, each in kept.items()}
        case list():
            return [_without_null(each) for each in value]
    return value


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
