"""The client id of a certificate, from its row: the one that its policy allows, or None."""

import pytest

from iot_jitr_runtime.identifiers import CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.policy.client_id import LONGEST_CLIENT_ID, client_id

ROW = Row(
    CertificateId("c1"), common_name="device-1", serial_number=SerialNumber("a1b"), thing_name="thing:1"
)
EMPTY = Row(CertificateId("c2"))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{common_name}}", "device-1"),
        ("{{thing_name}}", "thing:1"),
        ("{{serial_number}}", "a1b"),
        ("factory-{{common_name}}-{{serial_number}}", "factory-device-1-a1b"),
    ],
)
def test_the_placeholders_are_replaced_by_the_values_of_the_row(template: str, expected: str) -> None:
    assert client_id(template, ROW) == expected
    assert client_id(template, EMPTY) is None


@pytest.mark.parametrize(
    "name", ["", "a/b", "a*", "${iot:ClientId}", "a+b", "#", "a b", "{{thing_name}}", "n" * 65, "\u00e9"]
)
def test_a_value_that_policies_cannot_contain_gives_no_client_id(name: str) -> None:
    assert client_id("{{common_name}}", Row(CertificateId("c"), common_name=name)) is None
    if name not in {"#", "n" * 65}:
        assert client_id("{{thing_name}}", Row(CertificateId("c"), thing_name=name)) is None


def test_an_invalid_client_id_is_none() -> None:
    assert client_id("x" * (LONGEST_CLIENT_ID - 7) + "{{common_name}}", ROW) is None
    assert client_id("$-{{common_name}}", ROW) is None
