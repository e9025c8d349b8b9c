"""For any bytes the engine has a result or raises its one error, that the CRL is unusable.

Bytes that the CA did not sign must never be usable; signed bytes may have any content.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.entries import entries as read_entries
from iot_jitr_runtime.revocation.model import UnusableCrlError
from iot_jitr_runtime.revocation.verification import check_time, verify
from tests.support.crls import HOLD, KEY_COMPROMISE, NOW, CrlSpec, Entry, idp, make_crl, raw_crl
from tests.support.pkix_der import entry, extension, tlv, utc_time

CA = DevelopmentCa.create()
SEEDS = [
    make_crl(CA),
    make_crl(CA, CrlSpec(entries=[Entry(5), Entry(6, HOLD), Entry(2**100, KEY_COMPROMISE)])),
    make_crl(CA, CrlSpec(extensions=[idp("http://crl.example/1", only_contains_user_certs=True)])),
    raw_crl(CA, entries=[entry(b"\x05", b"\x18\x0f20510101000000Z")]),
]
KNOWN_OIDS = ["551d15", "551d18", "551d1d", "551d14", "551d1c", "551d1b", "551d23", "551d2e", "2a030405"]

oids = st.sampled_from(KNOWN_OIDS)
tags = st.sampled_from(
    [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x16, 0x17, 0x30, 0x31, 0x80, 0x81, 0xA0, 0xA1]
)
values = st.recursive(
    st.builds(tlv, tags, st.binary(max_size=6)),
    lambda inner: st.builds(tlv, tags, st.lists(inner, max_size=3).map(b"".join)),
    max_leaves=6,
)
extensions = st.builds(
    extension, oids, values | st.binary(max_size=6), critical=st.sampled_from([None, True])
)
entries = st.builds(
    lambda serial, more: entry(serial, utc_time(NOW), *more),
    st.binary(min_size=1, max_size=22),
    st.lists(extensions, max_size=2),
)
signed_crls = st.builds(
    raw_crl,
    st.just(CA),
    entries=st.lists(entries | values, max_size=4),
    next_update=st.sampled_from([b"", utc_time(NOW)]),
    version=st.sampled_from([b"", b"\x02\x01\x00", b"\x02\x01\x01", b"\x02\x01\x02"]),
    extensions=st.lists(extensions, max_size=3).map(lambda each: dict(enumerate(each))),
)
MUTATED = 400


def examine(data: bytes) -> Crl | None:
    """Check the CRL as the publisher does."""
    try:
        crl = Crl.load(data)
        verify(crl, CA.certificate)
        check_time(crl, NOW)
        list(read_entries(crl))
    except UnusableCrlError:
        return None
    return crl


@settings(max_examples=MUTATED)
@given(st.binary(max_size=400))
def test_random_bytes_are_never_usable(data: bytes) -> None:
    assert examine(data) is None


@settings(max_examples=MUTATED)
@given(st.data())
def test_changed_bytes_are_never_usable_with_another_content(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS))
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["set", "drop", "insert", "cut"])):
            case "set":
                changed[at] = data.draw(st.integers(0, 255))
            case "drop" if at:
                del changed[at]
            case "insert":
                changed.insert(at, data.draw(st.integers(0, 255)))
            case "cut" if at:
                del changed[at:]
    usable = examine(bytes(changed))

    if usable is not None:
        assert usable.signed == Crl.load(seed).signed


@settings(max_examples=MUTATED)
@given(signed_crls)
def test_any_bytes_that_the_ca_signs_raise_nothing_but_unusable_crl_error(crl: bytes) -> None:
    examine(crl)
