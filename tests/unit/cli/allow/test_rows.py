import csv
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.allow.rows import DeviceFile
from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.admission.keys import KeyKind

CA = "c0ffee" + "0" * 58


def file(folder: Path, name: str, text: str | bytes, kind: KeyKind = KeyKind.COMMON_NAME) -> DeviceFile:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return DeviceFile(path, kind)


def with_attributes(attributes: object) -> str:
    return json.dumps({"common_name": "x", "thingAttributes": attributes})


WRONG = {
    "no header": ("d.csv", "", "line 1: the header has no column 'common_name', found nothing"),
    "wrong header": ("d.csv", "cn\nx\n", "line 1: the header has no column 'common_name', found cn"),
    "a column twice": ("d.csv", "common_name,a,a\nx,1,2\n", "line 1: the header has the column 'a' more"),
    "no text": ("d.csv", "common_name,site\n,lab\n", "line 2: found no text 'common_name'"),
    "blanks in CSV": ("d.csv", "common_name\n g1 \n", "line 2: ' g1 ' begins or ends with white space"),
    "a device twice": ("d.csv", "common_name\nx\ny\nx\n", "line 4: 'x' is listed in line 2 already"),
    "too few columns": ("d.csv", "common_name,site\nx\n", "line 2: expected 2 columns"),
    "too many columns": ("d.csv", "common_name\nx,y\n", "line 2: expected 1 columns"),
    "an open quote": ("d.csv", 'common_name\n"x\n', "not CSV"),
    "not UTF-8": ("d.csv", b"common_name\n\xff\xfe\n", "not UTF-8"),
    "not JSON": ("d.jsonl", "x\n", "line 1: not JSON"),
    "a list": ("d.jsonl", '["x"]\n', "line 1: expected a JSON object"),
    "an unknown key": ("d.jsonl", '{"cn": "x"}\n', "line 1: unknown key 'cn', known are common_name, thingA"),
    "a number": ("d.jsonl", '{"common_name": 7}\n', "line 1: found no text 'common_name'"),
    "no name": ("d.jsonl", '{"common_name": ""}', "line 1: found no text 'common_name'"),
    "a lone surrogate": ("d.jsonl", r'{"common_name": "\ud800"}', "line 1: "),
    "a wildcard": ("d.jsonl", '{"common_name": "a*"}', "line 1: 'a*'"),
    "a control character": ("d.jsonl", r'{"common_name": "a\u0007"}', "line 1: "),
    "blanks": ("d.jsonl", '{"common_name": " g1 "}', "line 1: ' g1 ' begins or ends with white space"),
    "a key twice": ("d.jsonl", '{"common_name": "a", "common_name": "b"}', "line 1: the key 'common_name'"),
    "an attribute twice": (
        "d.jsonl",
        '{"common_name": "a", "thingAttributes": {"x": "1", "x": "2"}}',
        "line 1: the key 'x'",
    ),
    "nested JSON": ("d.jsonl", "[" * 100_000, "line 1: not JSON"),
    "too long": ("d.jsonl", json.dumps({"common_name": "x" * 257}), "line 1: found 257 characters"),
    "attributes in a list": ("d.jsonl", with_attributes(["a"]), "'thingAttributes' is not an object"),
    "attribute name": ("d.jsonl", with_attributes({"a b": "c"}), "attribute name 'a b' is not 1 to 128"),
    "attribute value": ("d.jsonl", with_attributes({"a": 7}), "attribute 'a' is not 1 to 800"),
}


@pytest.mark.parametrize(("name", "text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_row_that_is_no_device_is_named_with_its_line(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    with pytest.raises(WrongUseError) as refused:
        file(tmp_path, name, text).check()

    assert message in str(refused.value)
    assert str(refused.value).endswith("nothing was loaded")


def test_the_first_wrong_rows_are_named_and_the_rest_only_mentioned(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError) as refused:
        file(tmp_path, "d.jsonl", "x\n" * 100).check()

    assert str(refused.value).count("not JSON") == 3
    assert ", and more;" in str(refused.value)


def test_reading_stops_at_a_wrong_row_that_was_right_when_the_file_was_checked(tmp_path: Path) -> None:
    devices = file(tmp_path, "d.csv", "common_name\na\n\n").devices()

    assert next(devices).key == "a"
    with pytest.raises(WrongUseError):
        list(file(tmp_path, "e.csv", "common_name,x\na\n").devices())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("serial_number\na1b\n", "name the CA with --ca"),
        (f"ca_certificate_id,serial_number\n{CA},xyz\n", "line 2: 'xyz' is not a serial number"),
    ],
)
def test_a_wrong_ca_or_serial_number_is_refused(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(WrongUseError, match=found):
        file(tmp_path, "d.csv", text, KeyKind.CA_SERIAL).check()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match=r"ends in \.csv or \.jsonl"):
        file(tmp_path, "devices.xlsx", "")


def test_a_file_from_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    devices = file(tmp_path, "d.csv", b"\xef\xbb\xbfcommon_name\r\nsensor-7\r\n").devices()

    assert [each.key for each in devices] == ["sensor-7"]


KEYS = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"), exclude_characters="*?"),
    min_size=1,
    max_size=20,
).filter(lambda text: text == text.strip())


@given(names=st.lists(KEYS, max_size=20, unique=True))
def test_both_formats_keep_any_name(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    with (folder / "d.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["common_name"], *([name] for name in names)])
    lines = "".join(json.dumps({"common_name": name}) + "\n" for name in names)

    from_csv = DeviceFile(folder / "d.csv", KeyKind.COMMON_NAME)
    from_json = file(folder, "d.jsonl", lines)

    assert [each.key for each in from_csv.devices()] == names
    assert [each.key for each in from_json.devices()] == names
    assert from_csv.check() == from_json.check() == len(names)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
)
ALMOST_ROWS = st.fixed_dictionaries(
    {"common_name": KEYS | ANY_TEXT},
    optional={"thingAttributes": st.dictionaries(st.just("site") | ANY_TEXT, st.just("lab") | ANY_TEXT)},
)


@given(kind=st.sampled_from(KeyKind), content=st.binary(max_size=200))
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_any_bytes_give_devices_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, kind: KeyKind, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("rows") / f"d.{suffix}"
    path.write_bytes(kind.columns[-1].encode() + b"\n" + content if suffix == "csv" else content)

    assert_checked_is_loadable(DeviceFile(path, kind, CA))


@given(rows=st.lists(ALMOST_ROWS | ANY_JSON, max_size=5))
def test_rows_that_pass_the_check_can_be_stored(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)

    assert_checked_is_loadable(file(tmp_path_factory.mktemp("rows"), "d.jsonl", lines))


def assert_checked_is_loadable(devices: DeviceFile) -> None:
    """Either the check names a row, or every device can be stored, under a key of its own."""
    try:
        count = devices.check()
    except WrongUseError:
        return
    items = [device.item for device in devices.devices()]
    assert len({item["deviceKey"]["S"] for item in items}) == len(items) == count
    for item in items:
        json.dumps(item, ensure_ascii=False).encode()


@pytest.mark.parametrize(("length", "passes"), [(307, True), (308, False)])
def test_an_item_may_have_400_kilobytes_at_most(tmp_path: Path, length: int, *, passes: bool) -> None:
    """509 attributes of 804 bytes each, and one with the rest of the bytes."""
    attributes = {f"n{number:03}": "v" * 796 for number in range(509)} | {"last": "v" * length}
    devices = file(tmp_path, "d.jsonl", json.dumps({"common_name": "x", "thingAttributes": attributes}))

    with nullcontext() if passes else pytest.raises(WrongUseError, match="400 KB"):
        assert devices.check() == 1
