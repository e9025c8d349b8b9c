import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy.common_name import check_common_name
from tests.support.device_certificates import device_certificate

# The certificates of these tests are of a kind that no CA should issue, and `cryptography` warns of them.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length must be")

HOSTILE = {
    "wildcard": "sensor-*",
    "single wildcard": "sensor-?",
    "MQTT wildcards": "+",
    "MQTT multi-level wildcard": "a#",
    "policy variable": "${iot:ClientId}",
    "any policy variable": "${*}",
    "placeholder": "{{serial_number}}",
    "another placeholder": "{{thing_name}}",
    "another device's topics": "sensor-7/8",
    "slash": "/",
    "quote": 'a","b',
    "another resource": '","Resource":"*',
    "single quote": "a'b",
    "backslash": "a\\u002a",
    "space": "sensor 7",
    "newline": "sensor\n7",
    "null": "sensor\x007",
    "delete": "sensor\x7f7",
    "letter that looks like another": "sens\u043er",
    "full-width asterisk": "\uff0a",
    "right-to-left override": "a\u202eb",
    "65 characters": "x" * 65,
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_common_name_with_special_characters_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_common_name(device_certificate(name))

    assert refused.value.reason is Reason.INVALID_COMMON_NAME


@pytest.mark.parametrize("name", ["sensor-7", "x" * 64, "a=b,c", "urn:dev:7", "7", "SN_00.01@line~2"])
def test_an_ordinary_common_name_is_returned_unchanged(name: str) -> None:
    assert check_common_name(device_certificate(name)) == name


def test_a_certificate_without_common_name_is_refused() -> None:
    with pytest.raises(RefusedError, match="found 0 common names"):
        check_common_name(device_certificate(organization="Acme"))


def test_two_common_names_are_refused() -> None:
    with pytest.raises(RefusedError, match="found 2 common names"):
        check_common_name(device_certificate("sensor-7", "sensor-8"))


def test_the_refusal_of_a_long_name_does_not_contain_the_name() -> None:
    with pytest.raises(RefusedError) as refused:
        check_common_name(device_certificate("x" * 5000))

    assert len(str(refused.value)) < 200


@given(st.text(min_size=1, max_size=70))
def test_an_accepted_name_is_plain_ascii_without_a_character_of_policies_or_topics(name: str) -> None:
    try:
        passed = check_common_name(device_certificate(name))
    except (RefusedError, ValueError):  # cryptography itself refuses what UTF-8 cannot hold
        return
    assert passed == name
    assert passed.isascii()
    assert passed.isprintable()
    assert not set(passed) & set("*?$+#/{}\"'\\ ")
