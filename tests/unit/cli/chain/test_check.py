"""Each way in which a chain file can be wrong: which check finds it, and what it reports."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_jitr_cli.chain import ChainReport, ChainStatus, CheckId, check_chain
from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.pki import DevelopmentCa, DeviceSpec, KeyKind, Validity
from iot_jitr_cli.pki.extensions import key_usage
from iot_jitr_cli.pki.keys import key_pem
from tests.support.device_certificates import certificate_of
from tests.support.identities import ca, ca_under_a_root, common_name, device, unsigned

DEVICE, CA = device().certificate, ca().certificate
SHA256 = hashes.SHA256()


def report(*parts: str, key: bytes | None = None, now: datetime | None = None) -> ChainReport:
    return check_chain("".join(parts).encode(), key, now)


def statuses(found: ChainReport, *expected: ChainStatus) -> set[CheckId]:
    return {finding.id for finding in found.findings if finding.status in expected}


def pem(made: x509.Certificate) -> str:
    return made.public_bytes(Encoding.PEM).decode()


def issued(spec: DeviceSpec) -> ChainReport:
    return report(ca().issue(spec).chain_pem)


def with_common_names(*names: str) -> ChainReport:
    subject = [(NameOID.COMMON_NAME, name) for name in names]
    return report(certificate_of(subject, ca=ca()).pem, CA.pem)


def signed_by_our_ca(
    extension: x509.ExtensionType | None = None, digest: hashes.HashAlgorithm = SHA256, key: object = None
) -> ChainReport:
    """A chain whose device certificate is otherwise bare."""
    builder = unsigned(key or device().key, common_name("s"), CA.x509.subject)
    if extension:
        builder = builder.add_extension(extension, critical=False)
    return report(pem(builder.sign(ca().key, digest)), CA.pem)


def signed_by(*, ca_flag: bool = True, usage: x509.KeyUsage | None = None) -> ChainReport:
    """A chain of a CA with these properties."""
    key, name = KeyKind.EC_P256.generate(), common_name("Special CA")
    builder = unsigned(key, name, is_ca=ca_flag)
    if usage:
        builder = builder.add_extension(usage, critical=True)
    leaf = unsigned(device().key, common_name("s"), name).sign(key, SHA256)
    return report(pem(leaf), pem(builder.sign(key, SHA256)))


def with_expired_ca() -> ChainReport:
    old = DevelopmentCa.create("Old CA", validity=Validity.expired())
    return report(old.issue(DeviceSpec("s")).chain_pem)


def with_issuer_of_the_ca() -> ChainReport:
    root, authority = ca_under_a_root()
    return report(authority.issue(DeviceSpec("s")).chain_pem, root.pem)


CASES: dict[str, tuple[Callable[[], ChainReport], CheckId, str]] = {
    "no CA certificate": (partial(report, DEVICE.pem), CheckId.CA_INCLUDED, "CN=Test CA"),
    "wrong order": (partial(report, CA.pem, DEVICE.pem), CheckId.ORDER, "number 2 of 2"),
    "another CA": (
        partial(report, DEVICE.pem, ca("Other CA").certificate.pem),
        CheckId.ISSUER,
        "issued by 'CN=Test CA', but the CA in the file is 'CN=Other CA'",
    ),
    "a CA of the same name": (
        partial(report, DEVICE.pem, DevelopmentCa.create("Test CA").certificate.pem),
        CheckId.SIGNATURE,
        "not by the key of 'CN=Test CA'",
    ),
    "other certificates": (
        partial(
            report, DEVICE.pem, CA.pem, ca("Other CA").certificate.pem, device("sensor-2").certificate.pem
        ),
        CheckId.NOTHING_EXTRA,
        "'CN=Other CA', 'CN=sensor-2'",
    ),
    "the device certificate twice": (
        partial(report, DEVICE.pem, CA.pem, DEVICE.pem),
        CheckId.NOTHING_EXTRA,
        "'CN=sensor-1'",
    ),
    "expired at the time given": (
        partial(report, DEVICE.pem, CA.pem, now=datetime.now(UTC) + timedelta(days=1000)),
        CheckId.VALIDITY,
        "",
    ),
    "an expired CA": (with_expired_ca, CheckId.CA_VALIDITY, ""),
    "no common name": (partial(issued, DeviceSpec(None)), CheckId.COMMON_NAME, "0 common names"),
    "two common names": (
        partial(with_common_names, "a", "b"),
        CheckId.COMMON_NAME,
        "2 common names",
    ),
    "a common name with a slash": (partial(issued, DeviceSpec("a/b")), CheckId.COMMON_NAME, "'/'"),
    "a reserved common name": (partial(issued, DeviceSpec("$aws")), CheckId.COMMON_NAME, "'$'"),
    "another device's key": (
        partial(report, DEVICE.pem, CA.pem, key=key_pem(device("sensor-2").key)),
        CheckId.KEY_MATCHES,
        "CN=sensor-1",
    ),
    "the CA's key": (
        partial(report, DEVICE.pem, CA.pem, key=key_pem(ca().key)),
        CheckId.KEY_MATCHES,
        "the CA's",
    ),
    "no key": (partial(report, DEVICE.pem, CA.pem, key=b"not a key"), CheckId.KEY_READABLE, "private key"),
    "no certificates": (partial(report, "nothing"), CheckId.READABLE, "no well-formed"),
    **{
        name: (partial(signed_by_our_ca, key=key), CheckId.KEY_ALGORITHM, name)
        for name, key in {
            "RSA 1024 bits": rsa.generate_private_key(65537, 1024),
            "EC secp256k1": ec.generate_private_key(ec.SECP256K1()),
            "Ed25519": ed25519.Ed25519PrivateKey.generate(),
            "DSA": dsa.generate_private_key(1024),
        }.items()
    },
    "another hash": (
        partial(signed_by_our_ca, digest=hashes.SHA224()),
        CheckId.SIGNATURE_ALGORITHM,
        "SHA224",
    ),
    "for servers only": (
        partial(signed_by_our_ca, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        CheckId.CLIENT_USE,
        "",
    ),
    "a CA without the CA flag": (partial(signed_by, ca_flag=False), CheckId.CA_MAY_SIGN, "CA:TRUE"),
    "a CA that may not sign": (
        partial(signed_by, usage=key_usage(crl_sign=True)),
        CheckId.CA_MAY_SIGN,
        "keyCertSign",
    ),
}


@pytest.mark.parametrize(("make", "check", "text"), CASES.values(), ids=CASES.keys())
def test_one_check_fails_with_its_finding_and_fix(
    make: Callable[[], ChainReport], check: CheckId, text: str
) -> None:
    found = make()

    assert statuses(found, ChainStatus.FAILED) == {check}
    assert statuses(found, ChainStatus.WARNING) == set()
    assert text in found[check].found
    assert all(bool(each.fix) == (each.status is ChainStatus.FAILED) for each in found.findings)
    assert found.exit_code is ExitCode.NO


KEY = key_pem(device().key).decode()


@pytest.mark.parametrize(
    ("make", "check"),
    [
        pytest.param(with_issuer_of_the_ca, CheckId.NOTHING_EXTRA, id="the CA's own issuer"),
        pytest.param(partial(report, DEVICE.pem, CA.pem, KEY), CheckId.NO_PRIVATE_KEY, id="a private key"),
        pytest.param(partial(issued, DeviceSpec("sensor.1")), CheckId.COMMON_NAME, id="no thing's name"),
    ],
)
def test_a_deviation_that_still_works_is_a_warning(make: Callable[[], ChainReport], check: CheckId) -> None:
    found = make()

    assert statuses(found, ChainStatus.WARNING) == {check}
    assert found[check].fix
    assert KEY.splitlines()[1] not in str(found)
    assert found.exit_code is ExitCode.OK


@pytest.mark.parametrize(
    ("validity", "fix"), [(Validity.expired(), "new certificate"), (Validity.future(), "clock")]
)
def test_the_fix_of_the_validity_is_for_the_wrong_date(validity: Validity, fix: str) -> None:
    found = issued(DeviceSpec("s", validity=validity))

    assert statuses(found, ChainStatus.FAILED) == {CheckId.VALIDITY}
    assert fix in found[CheckId.VALIDITY].fix


def test_a_correct_file_passes_every_check_in_order() -> None:
    found = report(DEVICE.pem, CA.pem, key=key_pem(device().key))

    assert [finding.id for finding in found.findings] == list(CheckId)
    assert statuses(found, ChainStatus.PASSED) == set(CheckId)
    assert found.exit_code is ExitCode.OK


NO_END = Validity(datetime(2020, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("kind", "validity"),
    [
        *((kind, Validity.days(1)) for kind in (KeyKind.EC_P256, KeyKind.EC_P384, KeyKind.RSA_2048)),
        (KeyKind.EC_P256, NO_END),
    ],
)
def test_every_kind_of_certificate_of_the_development_ca_passes(kind: KeyKind, validity: Validity) -> None:
    identity = DevelopmentCa.create("Plant CA", kind, validity).issue(DeviceSpec("s", kind, validity))

    found = report(identity.chain_pem, key=key_pem(identity.key))

    assert statuses(found, ChainStatus.PASSED) == set(CheckId)


def test_without_a_key_file_the_key_is_not_checked() -> None:
    found = report(DEVICE.pem, CA.pem)

    assert not any(finding.id.startswith("key.") for finding in found.findings)
    with pytest.raises(KeyError):
        _ = found[CheckId.KEY_MATCHES]


def test_checks_that_need_a_missing_ca_certificate_are_not_made() -> None:
    assert statuses(report(DEVICE.pem), ChainStatus.NOT_CHECKED) == {
        CheckId.NOTHING_EXTRA,
        CheckId.ISSUER,
        CheckId.SIGNATURE,
        CheckId.CA_MAY_SIGN,
        CheckId.CA_VALIDITY,
        CheckId.CA_KEY_ALGORITHM,
        CheckId.CA_SIGNATURE_ALGORITHM,
    }


def test_a_certificate_after_one_of_another_device_is_out_of_order() -> None:
    found = report(device("sensor-2").certificate.pem, DEVICE.pem, key=key_pem(device().key))

    assert CheckId.ORDER in statuses(found, ChainStatus.FAILED)


def test_a_ca_certificate_alone_fails_the_check() -> None:
    found = report(CA.pem)

    assert {CheckId.NOT_A_CA, CheckId.CA_INCLUDED} <= statuses(found, ChainStatus.FAILED)
    assert "signed by itself" in found[CheckId.CA_INCLUDED].found


def test_the_key_is_read_even_if_the_chain_file_is_unreadable() -> None:
    found = report("nothing", key=key_pem(device().key))

    assert [(finding.id, finding.status) for finding in found.findings] == [
        (CheckId.READABLE, ChainStatus.FAILED),
        (CheckId.KEY_READABLE, ChainStatus.PASSED),
        (CheckId.KEY_MATCHES, ChainStatus.NOT_CHECKED),
    ]


def test_an_unreadable_key_is_not_compared() -> None:
    found = report(DEVICE.pem, CA.pem, key=b"not a key")

    assert statuses(found, ChainStatus.NOT_CHECKED) == {CheckId.KEY_MATCHES}


def test_a_key_on_an_unknown_curve_is_found_and_does_not_match() -> None:
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    data = DEVICE.der.replace(p256, unknown) + CA.der

    found = check_chain(data, key_pem(device().key))

    assert "cannot be read" in found[CheckId.KEY_ALGORITHM].found
    assert found[CheckId.KEY_MATCHES].status is ChainStatus.FAILED


def test_an_unsupported_ca_key_fails_the_checks_of_key_and_signature() -> None:
    key, name = ed25519.Ed25519PrivateKey.generate(), common_name("Edwards CA")
    authority = unsigned(key, name, is_ca=True).sign(key, None)
    leaf = unsigned(KeyKind.EC_P256.generate(), common_name("s"), name).sign(key, None)

    found = report(pem(leaf), pem(authority))

    assert statuses(found, ChainStatus.FAILED) == {
        CheckId.CA_KEY_ALGORITHM,
        CheckId.CA_SIGNATURE_ALGORITHM,
        CheckId.SIGNATURE_ALGORITHM,
    }


def test_rsa_pss_signatures_pass() -> None:
    key, name = KeyKind.RSA_2048.generate(), common_name("PSS CA")
    builder = unsigned(key, name, is_ca=True)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    authority = builder.sign(key, hashes.SHA256(), rsa_padding=pss)

    found = report(pem(authority))

    assert found[CheckId.SIGNATURE_ALGORITHM].found == "RSASSA-PSS with SHA256"


def test_a_key_usage_that_cannot_be_read_is_not_checked() -> None:
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x04\x00")

    assert signed_by_our_ca(broken)[CheckId.CLIENT_USE].status is ChainStatus.NOT_CHECKED


@pytest.mark.parametrize(
    ("usage", "shown"), [(None, "CA:TRUE"), (key_usage(key_cert_sign=True), "CA:TRUE, keyCertSign")]
)
def test_a_ca_may_sign_unless_its_key_usage_forbids_it(usage: x509.KeyUsage | None, shown: str) -> None:
    found = signed_by(usage=usage)

    assert found[CheckId.CA_MAY_SIGN].found == shown
    assert found[CheckId.CLIENT_USE].found == "not restricted"


def test_a_check_that_is_not_made_leaves_the_result_undetermined() -> None:
    passed, left_open = report(DEVICE.pem, CA.pem), report(DEVICE.pem)
    open_findings = tuple(f for f in left_open.findings if f.status is ChainStatus.NOT_CHECKED)

    assert ChainReport(passed.findings + open_findings).exit_code == ExitCode.UNDETERMINED


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(DEVICE.der) - 1), st.integers(1, 255), st.booleans())
def test_a_damaged_certificate_never_passes(
    position: int,
    change: int,
    last: bool,  # noqa: FBT001
) -> None:
    damaged = bytearray(DEVICE.der)
    damaged[position] ^= change
    parts = [CA.der, bytes(damaged)] if last else [bytes(damaged), CA.der]

    found = check_chain(b"".join(parts))

    assert found.exit_code is not ExitCode.OK
