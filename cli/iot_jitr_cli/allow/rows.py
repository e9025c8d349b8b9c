"""Files of expected devices: read row by row, so that a million of them take no more memory than one.

CSV has a header; its key columns are those of the deployment's `KeyKind`, every other column is an attribute
of the device's thing. JSON Lines has one object a line, with the same keys and `thingAttributes`.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.admission.keys import DeviceKey, InvalidKeyError, KeyKind, ca_serial_key, field_key
from iot_jitr_runtime.certificate_fields import Field
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.things.patterns import (
    ATTRIBUTE_NAME,
    ATTRIBUTE_NAME_IN_WORDS,
    ATTRIBUTE_VALUE,
    ATTRIBUTE_VALUE_IN_WORDS,
)

_SHOWN_ERRORS = 3
_ATTRIBUTES = "thingAttributes"


class UnknownFormatError(WrongUseError):
    """The file's name ends neither in .csv nor in .jsonl."""


class InvalidRowsError(WrongUseError):
    """The file has rows that are no devices; nothing of it is loaded."""


class _InvalidRowError(JitrError):
    """One row is no device."""


@dataclass(frozen=True)
class ListedDevice:
    """One expected device."""

    key: DeviceKey
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceFile:
    """A file of expected devices.

    Raises:
        UnknownFormatError: The name ends neither in .csv nor in .jsonl.
    """

    path: Path
    kind: KeyKind
    ca_certificate_id: str | None = None
    """For devices listed by CA and serial number: the CA of rows that name none."""

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in _READERS:
            raise UnknownFormatError(
                f"{self.path}: expected a file whose name ends in {' or '.join(_READERS)}"
            )

    def devices(self) -> Iterator[ListedDevice]:
        """Return the devices, in the file's order.

        Raises:
            InvalidRowsError: At the first row that is none.
        """
        for line, device in self._rows():
            if isinstance(device, _InvalidRowError):
                raise InvalidRowsError(f"{self.path}: line {line}: {device}")
            yield device

    def check(self, on_row: Callable[[], None] = lambda: None) -> int:
        """Read the file through and return how many devices it has.

        Raises:
            InvalidRowsError: Some rows are none; the first ones are named.
        """
        count, wrong = 0, []
        for line, device in self._rows():
            on_row()
            if isinstance(device, _InvalidRowError):
                wrong.append(f"line {line}: {device}")
                if len(wrong) > _SHOWN_ERRORS:
                    break
            count += 1
        if wrong:
            more = ", and more" if len(wrong) > _SHOWN_ERRORS else ""
            raise InvalidRowsError(
                f"{self.path}: {'; '.join(wrong[:_SHOWN_ERRORS])}{more}; nothing was loaded"
            )
        return count

    def _rows(self) -> Iterator[tuple[int, "ListedDevice | _InvalidRowError"]]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            try:
                for line, raw in _READERS[self.path.suffix.lower()](file, self.kind):
                    yield line, self._device(raw)
            except UnicodeDecodeError as error:
                raise InvalidRowsError(f"{self.path}: not UTF-8 text; nothing was loaded") from error
            except csv.Error as error:
                raise InvalidRowsError(f"{self.path}: not CSV: {error}; nothing was loaded") from error

    def _device(self, raw: "Mapping[str, Any] | _InvalidRowError") -> "ListedDevice | _InvalidRowError":
        if isinstance(raw, _InvalidRowError):
            return raw
        try:
            return ListedDevice(self._key(raw), _attributes(raw.get(_ATTRIBUTES) or {}))
        except (InvalidKeyError, _InvalidRowError) as error:
            return _InvalidRowError(str(error))

    def _key(self, raw: Mapping[str, Any]) -> DeviceKey:
        if self.kind is not KeyKind.CA_SERIAL:
            return field_key(_text(raw, self.kind.value))
        ca = raw.get(Field.CA_CERTIFICATE_ID.value) or self.ca_certificate_id
        if ca is None:
            raise _InvalidRowError(
                f"no '{Field.CA_CERTIFICATE_ID}'; add the column, or name the CA with --ca"
            )
        return ca_serial_key(str(ca), _text(raw, Field.SERIAL_NUMBER.value))


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        raise _InvalidRowError(f"found no text '{name}'")
    return value


def _attributes(raw: object) -> Mapping[str, str]:
    if not isinstance(raw, dict):
        raise _InvalidRowError(f"'{_ATTRIBUTES}' is not an object")
    for name, value in raw.items():
        if not ATTRIBUTE_NAME.fullmatch(name):
            raise _InvalidRowError(f"attribute name '{name[:80]}' is not {ATTRIBUTE_NAME_IN_WORDS}")
        if not isinstance(value, str) or not ATTRIBUTE_VALUE.fullmatch(value):
            raise _InvalidRowError(f"attribute '{name}' is not {ATTRIBUTE_VALUE_IN_WORDS}")
    return raw


def _read_csv(file: TextIO, kind: KeyKind) -> Iterator[tuple[int, "Mapping[str, Any] | _InvalidRowError"]]:
    reader = csv.DictReader(file, strict=True)
    header = reader.fieldnames or []
    needed = kind.columns[-1]
    if needed not in header:
        yield (
            1,
            _InvalidRowError(f"the header has no column '{needed}', found {', '.join(header) or 'nothing'}"),
        )
        return
    for row in reader:
        if None in row or None in row.values():
            yield reader.line_num, _InvalidRowError(f"expected {len(header)} columns as in the header")
            continue
        keys = {name: row[name] for name in kind.columns if name in row}
        attributes = {name: value for name, value in row.items() if name not in keys and value}
        yield reader.line_num, {**keys, _ATTRIBUTES: attributes}


def _read_json_lines(
    file: TextIO, kind: KeyKind
) -> Iterator[tuple[int, "Mapping[str, Any] | _InvalidRowError"]]:
    known = {*kind.columns, _ATTRIBUTES}
    for number, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            yield number, _InvalidRowError(f"not JSON: {error}")
            continue
        if not isinstance(row, dict):
            yield number, _InvalidRowError("expected a JSON object")
        elif unknown := sorted(row.keys() - known):
            yield (
                number,
                _InvalidRowError(f"unknown key '{unknown[0]}', known are {', '.join(sorted(known))}"),
            )
        else:
            yield number, row


_READERS: Mapping[str, Any] = {".csv": _read_csv, ".jsonl": _read_json_lines}
