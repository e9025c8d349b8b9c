"""Writes `docs/configuration.md`: what the app reads, from the code that reads it.

The prose is in `configuration_page.md.in`. In its tables, `@default` and `@allowed` stand for what the code
says about the key in the row's first cell, and `@source(CrlUrl.url)` for the link to what defines that option
of the construct. A key that is read and not described, or described and not read, is an error.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from iot_jitr import JitrConfiguration
from iot_jitr.configuration.reader import Section
from iot_jitr_runtime.errors import JitrError
from tools.construct_page import sources
from tools.source_links import link

TEMPLATE = Path(__file__).with_name("configuration_page.md.in")
ROOT_KEY = "jitr."
NOTHING = "\N{EN DASH}"
_FILE = "file.pem"
_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
_PRIVATE_CA = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/1"
_FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:expected"

SIGNERS: list[dict[str, Any]] = [
    {"type": "secret", "secret": "key"},
    {"type": "kms", "key": _KEY},
    {"type": "acm-pca", "arn": _PRIVATE_CA},
    {"type": "presigned", "verification_certificate": _FILE},
]
REVOCATIONS: list[Any] = ["none", {"crl_url": "https://crl.example/ca.crl"}, {"crl_s3": {}}]
PIPELINES: list[dict[str, Any]] = [
    {"admission": {"kind": "allow_list"}, "things": {}},
    {"admission": {"kind": "function", "function": _FUNCTION}},
]
"""Together these walk through every branch of the code that reads."""


class UndescribedKeyError(JitrError):
    """The template and the code do not speak of the same keys."""


class UnknownSourceError(JitrError):
    """The template asks for the link of an option that has none."""


@dataclass
class Key:
    """What the code says about one key."""

    default: str = NOTHING
    allowed: str = ""


def page(certificate_pem: str) -> str:
    """The page.

    Args:
        certificate_pem: Any CA certificate, for the code to read.

    Raises:
        UndescribedKeyError: A key is missing in the template, or in the code.
        UnknownSourceError: An option of the construct is missing, or has no link.
    """
    known, links = keys(certificate_pem), sources()
    described: list[str] = []

    def row(match: re.Match[str]) -> str:
        name = match[1]
        described.append(name)
        key = known.get(name, Key())
        return match[0].replace("@default", key.default).replace("@allowed", key.allowed)

    text = re.sub(r"^\| `([^`]+)` \|.*$", row, TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if sorted(described) != sorted(known):
        differing = sorted(set(described) ^ set(known)) or "a key twice"
        raise UndescribedKeyError(f"{TEMPLATE.name} and the code differ in: {differing}")

    def source(match: re.Match[str]) -> str:
        if match[1] not in links:
            raise UnknownSourceError(
                f"{TEMPLATE.name}: found '{match[1]}', which has no link in its docstring"
            )
        return link(links[match[1]])

    return re.sub(r"@source\(([\w.]+)\)", source, text)


def keys(certificate_pem: str) -> dict[str, Key]:
    """Every key that is read, as a path below `jitr`, and what is said of it when it is read."""
    found: dict[str, Key] = {}
    with TemporaryDirectory() as folder, _recording(found):
        Path(folder, _FILE).write_text(certificate_pem)
        for signer in SIGNERS:
            for revocation in REVOCATIONS:
                for pipeline in PIPELINES:
                    ca = {"name": "Factory", "certificate": _FILE, "signer": signer, "revocation": revocation}
                    JitrConfiguration.parse({"cas": [ca], **pipeline}, Path(folder))
    return found


@contextmanager
def _recording(found: dict[str, Key]) -> Iterator[None]:
    def record(section: Section, name: str) -> Key:
        path = re.sub(r"\[\d+\]", "[]", section.key(name)).removeprefix(ROOT_KEY)
        return found.setdefault(path, Key())

    def wrapped(method: str, note: Callable[..., Key]) -> Any:
        original = getattr(Section, method)

        def recorded(section: Section, name: str, *values: Any, **named: Any) -> Any:
            noted = note(*values, **named)
            key = record(section, name)
            key.default, key.allowed = noted.default, noted.allowed
            return original(section, name, *values, **named)

        return patch.object(Section, method, recorded)

    get = Section.get

    def recorded_get(section: Section, name: str) -> Any:
        record(section, name)
        return get(section, name)

    with (
        patch.object(Section, "get", recorded_get),
        wrapped("choice", lambda default: Key(f"`{default}`", _codes(type(default)))),
        wrapped("number", lambda default, low, high: Key(f"{default:,}", f"{low:,} to {high:,}")),
        wrapped("number_among", lambda default, allowed: Key(f"{default:,}", _numbers(allowed))),
        wrapped("flag", lambda default: Key(f"`{str(default).lower()}`", "`true`, `false`")),
        wrapped("text", lambda default=None, *, allowed="a text", **_: Key(_text(default), allowed)),
    ):
        yield


def _codes(kind: type[StrEnum]) -> str:
    return ", ".join(f"`{member}`" for member in kind)


def _numbers(values: Any) -> str:
    return ", ".join(str(value) for value in values)


def _text(default: Any) -> str:
    return f"`{default}`" if isinstance(default, str) else NOTHING
