"""Options whose value is an object of one of several option classes, or a word instead of an object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pydantic
from pydantic import GetJsonSchemaHandler
from pydantic_core import core_schema

from iot_jitr.allowed import did_you_mean, or_none, refusal, shown

TAG: Final = "type="
"""Prefix of the part of an error's location that contains the name of the chosen class."""
TYPE: Final = "type"
"""The key in `cdk.json` that contains the name of the chosen class."""


@dataclass(frozen=True)
class OneOfClasses:
    """One of several option classes: an object in Python, and in `cdk.json` one whose key `type` names it."""

    classes: Mapping[str, type]
    """Name in `cdk.json` → class. A single class may have the empty name; its object has no key `type`."""
    words: str
    alone: tuple[str, ...] = ()
    """Words that are allowed instead of an object. The name of a class without options creates an object of
    that class; any other word is the value itself."""

    def __get_pydantic_core_schema__(self, annotated: object, handler: Any) -> core_schema.CoreSchema:
        choices: dict[Any, Any] = {f"{TAG}{word}": core_schema.literal_schema([word]) for word in self.alone}
        for name, kind in self.classes.items():
            schema = handler.generate_schema(kind)
            choices[f"{TAG}{name}"] = (
                core_schema.no_info_before_validator_function(_without_type, schema) if name else schema
            )
        chosen = core_schema.tagged_union_schema(
            choices, discriminator=lambda value: f"{TAG}{self._name(value)}"
        )
        return or_none(annotated, core_schema.no_info_before_validator_function(self._check, chosen))

    def __get_pydantic_json_schema__(self, _: object, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        forms: list[dict[str, Any]] = [{"const": each} for each in self.alone]
        for name, kind in self.classes.items():
            schema = handler(pydantic.TypeAdapter(kind).core_schema)
            if name:
                schema = dict(handler.resolve_ref_schema(schema))
                if name in self.alone and not schema.get("properties"):
                    continue
                schema["properties"] = {TYPE: {"const": name}, **schema.get("properties", {})}
                schema["required"] = [TYPE, *schema.get("required", [])]
            forms.append(schema)
        return {"anyOf": forms}

    def _name(self, value: Any) -> str | None:
        if isinstance(value, Mapping):
            value = value.get(TYPE) if "" not in self.classes else ""
            return next((name for name in self.classes if name == value), None)
        named = (name for name, kind in self.classes.items() if isinstance(value, kind))
        return next((word for word in self.alone if word == value), next(named, None))

    def _check(self, value: Any) -> Any:
        if self._name(value) is None:
            if isinstance(value, Mapping):
                found, names = value.get(TYPE), ", ".join(self.classes)
                raise refusal(TYPE, shown(found), did_you_mean(found, self.classes) + names)
            raise refusal("", shown(value), did_you_mean(value, self.alone) + self.words)
        return value


def _without_type(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: each for key, each in value.items() if key != TYPE}
    return {} if isinstance(value, str) else value
