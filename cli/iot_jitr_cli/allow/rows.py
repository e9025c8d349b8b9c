"""Reads files of expected devices row by row, so that a million rows take no more memory than one row.

A CSV file has a header. Its key columns are those of the deployment's `KeyKind`; every other column is an
attribute of the device's thing. A JSON Lines file has one object per line, with the same keys and
`thingAttributes`.
"""

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.admission.keys import (
    ATTRIBUTES,
    TABLE_KEY,
    DeviceKey,
    InvalidKeyError,
    KeyKind,
    ca_serial_key,
    field_key,
)
from iot_jitr_runtime.certificate_fields import Field
from iot_jitr_runtime.things.patterns import (
    ATTRIBUTE_NAME,
    ATTRIBUTE_NAME_IN_WORDS,
    ATTRIBUTE_VALUE,
    ATTRIBUTE_VALUE_IN_WORDS,
)

_SHOWN_ERRORS = 3
_LARGEST_ITEM = 400 * 1024
"""Bytes of one item, names and values (DynamoDB Developer Guide, "Constraints", item size)."""
_PAIR_OVERHEAD = 4
"""Maximum number of bytes that a pair in a map takes in addition to its name and value."""


class _RowError(Exception):
    """A row does not describe a device."""


@dataclass(frozen=True)
class ListedDevice:
    """One expected device."""

    key: DeviceKey
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def item(self) -> dict[str, Any]:
        """The item in the allow list's table, in the format of DynamoDB's API."""
        item: dict[str, Any] = {TABLE_KEY: {"S": self.key}}
        if self.attributes:
            item[ATTRIBUTES] = {"M": {name: {"S": value} for name, value in self.attributes.items()}}
        return item


@dataclass(frozen=True)
class DeviceFile:
    """A file of expected devices.

    Raises:
        WrongUseError: The name ends neither in .csv nor in .jsonl.
    """

    path: Path
    kind: KeyKind
    ca_certificate_id: str | None = None
    """The CA for rows that name no CA; used if devices are listed by CA and serial number."""

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in _FORMATS:
            raise WrongUseError(f"{self.path}: expected a file whose name ends in {' or '.join(_FORMATS)}")

    def devices(self) -> Iterator[ListedDevice]:
        """Return the devices, in the file's order.

        Raises:
            WrongUseError: At the first row that does not describe a device.
        """
        for line, row in self._rows():
            try:
                yield self._device(row)
            except _RowError as error:
                raise WrongUseError(f"{self.path}: line {line}: {error}") from error

    def check(self, on_row: Callable[[], None] = lambda: None) -> int:
        """Read the file through and return how many devices it has.

        Raises:
            WrongUseError: Some rows do not describe a device, or repeat a device. The message names the first
                of these rows.
        """
        count, wrong = 0, list[str]()
        with closing(_Lines()) as lines:
            for line, row in self._rows():
                on_row()
                count += 1
                try:
                    lines.add(self._device(row).key, line)
                except _RowError as error:
                    wrong.append(f"line {line}: {error}")
                if len(wrong) > _SHOWN_ERRORS:
                    break
        if wrong:
            more = ", and more" if len(wrong) > _SHOWN_ERRORS else ""
            raise WrongUseError(f"{self.path}: {'; '.join(wrong[:_SHOWN_ERRORS])}{more}; nothing was loaded")
        return count

    def _rows(self) -> Iterator[tuple[int, Any]]:
        read_rows, _ = _FORMATS[self.path.suffix.lower()]
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            try:
                yield from read_rows(file, self.kind)
            except UnicodeDecodeError as error:
                raise WrongUseError(f"{self.path}: not UTF-8 text; nothing was loaded") from error
            except csv.Error as error:
                raise WrongUseError(f"{self.path}: not CSV: {error}; nothing was loaded") from error
            except _RowError as error:
                raise WrongUseError(f"{self.path}: line 1: {error}; nothing was loaded") from error

    def _device(self, row: Any) -> ListedDevice:
        _, fields_of = _FORMATS[self.path.suffix.lower()]
        fields = fields_of(row, self.kind)
        try:
            device = ListedDevice(self._key(fields), _attributes(fields.get(ATTRIBUTES) or {}))
        except InvalidKeyError as error:
            raise _RowError(str(error)) from error
        size = sum(len(name) + len(value) + _PAIR_OVERHEAD for name, value in device.attributes.items())
        if size + 2 * len(TABLE_KEY + ATTRIBUTES) + len(device.key.encode()) > _LARGEST_ITEM:
            raise _RowError(f"the attributes have {size} bytes, more than DynamoDB's limit of 400 KB")
        return device

    def _key(self, fields: Mapping[str, Any]) -> DeviceKey:
        if self.kind is not KeyKind.CA_SERIAL:
            return field_key(_text(fields, self.kind.value))
        ca = fields.get(Field.CA_CERTIFICATE_ID.value) or self.ca_certificate_id
        if ca is None:
            raise _RowError(f"no '{Field.CA_CERTIFICATE_ID}'; add the column, or name the CA with --ca")
        return ca_serial_key(str(ca), _text(fields, Field.SERIAL_NUMBER.value))


class _Lines:
    """The line number of each device, stored on disk, so that a million devices need little memory."""

    def __init__(self) -> None:
        # A temporary file that SQLite creates and removes.
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE line (key BLOB PRIMARY KEY, number) WITHOUT ROWID")

    def add(self, key: DeviceKey, line: int) -> None:
        """Add a device.

        Raises:
            _RowError: An earlier line has the same device.
        """
        row = (sha256(key.encode()).digest(), line)
        if not self._database.execute("INSERT OR IGNORE INTO line VALUES (?, ?)", row).rowcount:
            [first] = self._database.execute("SELECT number FROM line WHERE key = ?", row[:1]).fetchone()
            raise _RowError(f"'{key}' is listed in line {first} already")

    def close(self) -> None:
        """Remove the file."""
        self._database.close()


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _RowError(f"found no text '{name}'")
    return value


def _attributes(found: object) -> Mapping[str, str]:
    if not isinstance(found, dict):
        raise _RowError(f"'{ATTRIBUTES}' is not an object")
    for name, value in found.items():
        if not ATTRIBUTE_NAME.fullmatch(name):
            raise _RowError(f"attribute name {name[:80]!r} is not {ATTRIBUTE_NAME_IN_WORDS}")
        if not isinstance(value, str) or not ATTRIBUTE_VALUE.fullmatch(value):
            raise _RowError(f"attribute '{name}' is not {ATTRIBUTE_VALUE_IN_WORDS}")
    return found


def _csv_rows(file: TextIO, kind: KeyKind) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file, strict=True)
    header = reader.fieldnames or []
    needed = kind.columns[-1]
    if needed not in header:
        raise _RowError(f"the header has no column '{needed}', found {', '.join(header) or 'nothing'}")
    if twice := _first_duplicate(header):
        raise _RowError(f"the header has the column '{twice}' more than once")
    for row in reader:
        yield reader.line_num, row


def _csv_fields(row: dict[str, str], kind: KeyKind) -> Mapping[str, Any]:
    # DictReader returns None for a missing value, and collects surplus values under the key None.
    if None in row or None in row.values():
        raise _RowError(f"expected {len(row.keys() - {None})} columns as in the header")
    keys = {name: row[name] for name in kind.columns if name in row}
    return {**keys, ATTRIBUTES: {name: value for name, value in row.items() if name not in keys and value}}


def _json_rows(file: TextIO, _: KeyKind) -> Iterator[tuple[int, str]]:
    return ((number, text) for number, text in enumerate(file, 1) if text.strip())


def _json_fields(text: str, kind: KeyKind) -> Mapping[str, Any]:
    try:
        fields = json.loads(text, object_pairs_hook=_object)
    except ValueError as error:
        raise _RowError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise _RowError("not JSON: nested too deeply") from error
    if not isinstance(fields, dict):
        raise _RowError("expected a JSON object")
    known = {*kind.columns, ATTRIBUTES}
    if unknown := sorted(fields.keys() - known):
        raise _RowError(f"unknown key {unknown[0][:80]!r}, known are {', '.join(sorted(known))}")
    return fields


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if twice := _first_duplicate(name for name, _ in pairs):
        raise _RowError(f"the key {twice[:80]!r} is in the object more than once")
    return dict(pairs)


def _first_duplicate(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


_FORMATS: Mapping[str, Any] = {".csv": (_csv_rows, _csv_fields), ".jsonl": (_json_rows, _json_fields)}
"""For each format: the function that reads rows with line numbers, and the function that reads one row."""
