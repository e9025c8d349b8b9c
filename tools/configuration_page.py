"""Writes `docs/configuration.md`: every option, from the option classes and their docstrings.

The prose is in `configuration_page.md.in`. `@table(CaConfiguration, cas[].)` is replaced by the table of a
class, with the prefix of its keys in `cdk.json`; `@signers()` by the table of the signers.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import iot_jitr
from iot_jitr.allowed import time_in_words
from iot_jitr.configuration.signer import SIGNERS
from iot_jitr.validation import in_words
from iot_jitr_runtime.ca_registration.signers import KINDS, NoSigner
from tools.construct_page import docstrings
from tools.source_links import linked

TEMPLATE = Path(__file__).with_name("configuration_page.md.in")
NOTHING = "\N{EN DASH}"
_HEAD = "| key | default | allowed | meaning |\n|---|---|---|---|"


def page() -> str:
    """Return the page."""
    text = TEMPLATE.read_text(encoding="utf-8")
    text = re.sub(r"@table\((\w+), (\S*?)\)", lambda found: table(found[1], found[2]), text)
    return text.replace("@signers()", signers())


def documented() -> list[str]:
    """Return the names of the classes whose options are on the page."""
    return re.findall(r"@table\((\w+),", TEMPLATE.read_text(encoding="utf-8"))


def table(name: str, path: str) -> str:
    """Return the table of an option class whose keys begin with `path`."""
    kind: Any = getattr(iot_jitr, name)
    hints, said = get_type_hints(kind, include_extras=True), docstrings(kind)
    rows = [
        _row(f"`{path}{each.name}`", _default(each), in_words(hints[each.name]), said[each.name])
        for each in fields(kind)
    ]
    return "\n".join([_HEAD, *rows])


def signers() -> str:
    """Return the table of the signers, one row for each key of each type."""
    return "\n".join([_HEAD, *_signers()])


def _signers() -> Iterator[str]:
    yield _row(
        "`cas[].signer.type`", NOTHING, ", ".join(KINDS), "How the verification certificate is signed."
    )
    for name, signer in KINDS.items():
        keys: Any = SIGNERS.classes[name]
        hints, said = get_type_hints(keys, include_extras=True), [*docstrings(signer).values()]
        about = (signer.__doc__ or "").strip().splitlines()[0]
        if signer is NoSigner:
            yield _row(f"`{name}`", "", "", about)
        for key, text in zip(fields(keys), said, strict=True):
            meaning = f"`{name}` (`{signer.__name__}`): {about} {text}"
            yield _row(f"`cas[].signer.{key.name}`", NOTHING, in_words(hints[key.name]), meaning)


def _default(each: Any) -> str:
    if each.default_factory is not MISSING:
        return NOTHING if each.default_factory is NoSigner else "`{}`"
    value = each.default
    if isinstance(value, timedelta):
        return time_in_words(value)
    if value is MISSING or value is None:
        return NOTHING
    text = str(value.value) if isinstance(value, Enum) else value
    return f"`{text}`" if isinstance(text, str) else f"`{json.dumps(text)}`"


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(linked(cell).split()).replace("|", "\\|") for cell in cells) + " |"
