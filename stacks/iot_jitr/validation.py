"""Refuses values of the configuration and of the constructs' arguments, in one line each."""

import json
import re

import aws_cdk as cdk

from iot_jitr_runtime.errors import JitrError

_SHOWN_CHARACTERS = 60


class ConfigurationError(JitrError):
    """A value of the configuration is wrong or missing."""

    def __init__(self, key: str, found: str, allowed: str) -> None:
        super().__init__(f"{key}: found {found}; allowed: {allowed}")
        self.key = key


def check_text(key: str, value: str | None, pattern: str, allowed: str) -> None:
    """Refuse a text that does not match all of `pattern`; None, and what is known at deployment only, pass.

    Raises:
        ConfigurationError: It does not match; `allowed` puts the pattern into words.
    """
    if value is None or re.fullmatch(pattern, value) or cdk.Token.is_unresolved(value):
        return
    raise ConfigurationError(key, f"'{value}'", allowed)


def shown(value: object) -> str:
    """A value as error messages show it: as JSON, cut where it is long."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
