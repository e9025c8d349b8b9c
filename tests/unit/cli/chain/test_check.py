from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_jitr_cli.chain import ChainReport, CheckId, Status, check_chain
from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.pki import DevelopmentCa, DeviceSpec, KeyKind, Validity
from iot_jitr_cli.pki.keys import key_pem
from tests.support.identities import ca, ca_under_a_root, device

DEVICE, CA = device().certificate, ca().certificate
SHA256 = hashes.SHA256()


def report(*parts: str, key: bytes | None = None, now: datetime | None = None) -> ChainReport:
    return check_chain("".join(parts).encode(), key, now)


def statuses(found: ChainReport, *expected: Status) -> set[CheckId]:
    return {finding.id for finding in found.findings if finding.status in expected}


def test_the_right_file_passes_every_check_in_their_order() -> None:
    found = report(DEVICE.pem, CA.pem, key=key_pem(device().key))

    assert [finding.id for finding in found.findings] == list(CheckId)
    assert statuses(found, Status.PASSED) == set(CheckId)
    assert found.exit_code == ExitCode.OK
    assert found.failures == ()


@pytest.mark.parametrize("kind", [KeyKind.EC_P256, KeyKind.EC_P384, KeyKind.RSA_2048])
def test_every_kind_of_key_that_the_development_ca_makes_passes(kind: KeyKind) -> None:
    identity = DevelopmentCa.create("Plant CA", kind).issue(DeviceSpec("sensor-1", kind))

    found = report(identity.chain_pem, key=key_pem(identity.key))

    assert statuses(found, Status.PASSED) == set(CheckId)


def test_without_a_key_file_the_key_is_not_checked() -> None:
    found = report(DEVICE.pem, CA.pem)

    assert found.exit_code == ExitCode.OK
    assert not any(finding.id.startswith("key.") for finding in found.findings)
    with pytest.raises(KeyError):
        _ = found[CheckId.KEY_MATCHES]


def test_a_missing_ca_certificate_is_found_and_what_depends_on_it_is_not_claimed() -> None:
    found = report(DEVICE.pem)

    assert statuses(found, Status.FAILED) == {CheckId.CA_INCLUDED}
    assert "CN=Test CA" in found[CheckId.CA_INCLUDED].found
    assert "SNI" in found[CheckId.CA_INCLUDED].fix
    assert statuses(found, Status.NOT_CHECKED) == {
        CheckId.NOTHING_EXTRA,
        CheckId.ISSUER,
        CheckId.SIGNATURE,
        CheckId.CA_MAY_SIGN,
        CheckId.CA_VALIDITY,
        CheckId.CA_KEY_ALGORITHM,
        CheckId.CA_SIGNATURE_ALGORITHM,
    }
    assert found.exit_code == ExitCode.NO


def test_the_wrong_order_is_found_and_nothing_else_is_blamed() -> None:
    found = report(CA.pem, DEVICE.pem)

    assert statuses(found, Status.FAILED) == {CheckId.ORDER}
    assert "number 2 of 2" in found[CheckId.ORDER].found
    assert "cat device.pem ca.pem" in found[CheckId.ORDER].fix


def test_a_lone_certificate_behind_another_devices_is_out_of_order() -> None:
    found = report(device("sensor-2").certificate.pem, DEVICE.pem, key=key_pem(device().key))

    assert CheckId.ORDER in statuses(found, Status.FAILED)


def test_a_ca_certificate_alone_is_not_what_a_device_presents() -> None:
    found = report(CA.pem)

    assert {CheckId.NOT_A_CA, CheckId.CA_INCLUDED} <= statuses(found, Status.FAILED)
    assert "signed by itself" in found[CheckId.CA_INCLUDED].found


def test_a_certificate_of_another_ca_is_found_by_its_issuer() -> None:
    found = report(DEVICE.pem, ca("Other CA").certificate.pem)

    assert statuses(found, Status.FAILED) == {CheckId.ISSUER, CheckId.SIGNATURE} - {CheckId.SIGNATURE}
    assert "CN=Test CA" in found[CheckId.ISSUER].found
    assert "CN=Other CA" in found[CheckId.ISSUER].found
    assert found[CheckId.SIGNATURE].status is Status.NOT_CHECKED


def test_a_ca_of_the_same_name_with_another_key_is_found_by_the_signature() -> None:
    found = report(DEVICE.pem, DevelopmentCa.create("Test CA").certificate.pem)

    assert statuses(found, Status.FAILED) == {CheckId.SIGNATURE}
    assert "another key" in found[CheckId.SIGNATURE].fix


def test_certificates_that_do_not_belong_here_are_named() -> None:
    found = report(DEVICE.pem, CA.pem, ca("Other CA").certificate.pem, device("sensor-2").certificate.pem)

    assert statuses(found, Status.FAILED) == {CheckId.NOTHING_EXTRA}
    assert "'CN=Other CA', 'CN=sensor-2'" in found[CheckId.NOTHING_EXTRA].found


def test_the_device_certificate_twice_is_one_too_many() -> None:
    found = report(DEVICE.pem, CA.pem, DEVICE.pem)

    assert statuses(found, Status.FAILED) == {CheckId.NOTHING_EXTRA}


def test_the_cas_own_issuer_is_only_a_warning() -> None:
    root, authority = ca_under_a_root()

    found = report(authority.issue(DeviceSpec("s")).chain_pem, root.pem)

    assert statuses(found, Status.WARNING) == {CheckId.NOTHING_EXTRA}
    assert found.exit_code == ExitCode.OK


def test_a_private_key_in_the_chain_file_is_a_warning_and_not_shown() -> None:
    pem = key_pem(device().key).decode()

    found = report(DEVICE.pem, CA.pem, pem)

    assert statuses(found, Status.WARNING) == {CheckId.NO_PRIVATE_KEY}
    assert pem.splitlines()[1] not in str(found)


@pytest.mark.parametrize(
    ("validity", "fix"),
    [(Validity.expired(), "new certificate"), (Validity.future(), "clock")],
)
def test_a_certificate_outside_its_validity_is_found(validity: Validity, fix: str) -> None:
    found = report(ca().issue(DeviceSpec("s", validity=validity)).chain_pem)

    assert statuses(found, Status.FAILED) == {CheckId.VALIDITY}
    assert fix in found[CheckId.VALIDITY].fix


def test_an_expired_ca_is_found() -> None:
    old = DevelopmentCa.create("Old CA", validity=Validity.expired())

    found = report(old.issue(DeviceSpec("s")).chain_pem)

    assert statuses(found, Status.FAILED) == {CheckId.CA_VALIDITY}
    assert "register" in found[CheckId.CA_VALIDITY].fix


def test_validity_is_checked_at_the_time_given() -> None:
    later = datetime.now(UTC) + timedelta(days=1000)

    found = report(DEVICE.pem, CA.pem, now=later)

    assert statuses(found, Status.FAILED) == {CheckId.VALIDITY}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (DeviceSpec(None), "0 common names"),
        (DeviceSpec("a", more_common_names=("b",)), "2 common names"),
        (DeviceSpec("a/b"), "'/'"),
        (DeviceSpec("$aws"), r"'\$'"),
    ],
)
def test_a_common_name_that_cannot_be_an_identity_is_found(spec: DeviceSpec, reason: str) -> None:
    found = report(ca().issue(spec).chain_pem)

    assert statuses(found, Status.FAILED) == {CheckId.COMMON_NAME}
    assert reason.replace("\\", "") in found[CheckId.COMMON_NAME].found


def test_a_common_name_that_cannot_be_a_things_name_is_a_warning() -> None:
    found = report(ca().issue(DeviceSpec("sensor.1")).chain_pem)

    assert statuses(found, Status.WARNING) == {CheckId.COMMON_NAME}
    assert found.exit_code == ExitCode.OK


def test_another_devices_key_does_not_match() -> None:
    found = report(DEVICE.pem, CA.pem, key=key_pem(device("sensor-2").key))

    assert statuses(found, Status.FAILED) == {CheckId.KEY_MATCHES}
    assert "CN=sensor-1" in found[CheckId.KEY_MATCHES].found


def test_the_cas_key_is_recognised_and_warned_of() -> None:
    found = report(DEVICE.pem, CA.pem, key=key_pem(ca().key))

    assert statuses(found, Status.FAILED) == {CheckId.KEY_MATCHES}
    assert "never be on a device" in found[CheckId.KEY_MATCHES].fix


def test_a_key_that_cannot_be_read_is_a_finding() -> None:
    found = report(DEVICE.pem, CA.pem, key=b"not a key")

    assert statuses(found, Status.FAILED) == {CheckId.KEY_READABLE}
    assert statuses(found, Status.NOT_CHECKED) == {CheckId.KEY_MATCHES}


def test_a_file_without_certificates_is_one_finding_and_the_key_is_still_read() -> None:
    found = report("nothing", key=key_pem(device().key))

    assert [(finding.id, finding.status) for finding in found.findings] == [
        (CheckId.READABLE, Status.FAILED),
        (CheckId.KEY_READABLE, Status.PASSED),
        (CheckId.KEY_MATCHES, Status.NOT_CHECKED),
    ]
    assert found.exit_code == ExitCode.NO


def test_every_failure_and_warning_says_what_to_do() -> None:
    reports = [report(DEVICE.pem), report(CA.pem, DEVICE.pem), report("x"), report(CA.pem, key=b"x")]

    for found in reports:
        for finding in found.findings:
            assert bool(finding.fix) == (finding.status in {Status.FAILED, Status.WARNING})


@pytest.mark.parametrize(
    ("make_key", "named"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), "RSA 1024 bits"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "EC secp256k1"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
        (lambda: dsa.generate_private_key(2048), "DSA"),
    ],
)
def test_a_key_that_aws_iot_does_not_take_is_found(make_key: Callable[[], object], named: str) -> None:
    leaf = certificate(make_key(), subject=common_name("s"), issuer=CA.x509.subject, signer=ca().key)

    found = report(leaf, CA.pem)

    assert statuses(found, Status.FAILED) == {CheckId.KEY_ALGORITHM}
    assert named in found[CheckId.KEY_ALGORITHM].found


def test_a_key_on_an_unknown_curve_is_found_and_does_not_match() -> None:
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    data = DEVICE.der.replace(p256, unknown) + CA.der

    found = check_chain(data, key_pem(device().key))

    assert "cannot be read" in found[CheckId.KEY_ALGORITHM].found
    assert found[CheckId.KEY_MATCHES].status is Status.FAILED


def test_an_unsupported_ca_key_leaves_its_signatures_algorithm_refused_too() -> None:
    key, name = ed25519.Ed25519PrivateKey.generate(), common_name("Edwards CA")
    authority = certificate(key, subject=name, issuer=name, signer=key, digest=None, ca_flag=True)
    leaf = certificate(
        KeyKind.EC_P256.generate(), subject=common_name("s"), issuer=name, signer=key, digest=None
    )

    found = report(leaf, authority)

    assert statuses(found, Status.FAILED) == {
        CheckId.CA_KEY_ALGORITHM,
        CheckId.CA_SIGNATURE_ALGORITHM,
        CheckId.SIGNATURE_ALGORITHM,
    }


def test_a_hash_that_aws_iot_does_not_take_is_named() -> None:
    leaf = certificate(
        device().key,
        subject=common_name("s"),
        issuer=CA.x509.subject,
        signer=ca().key,
        digest=hashes.SHA224(),
    )

    found = report(leaf, CA.pem)

    assert statuses(found, Status.FAILED) == {CheckId.SIGNATURE_ALGORITHM}
    assert "SHA224" in found[CheckId.SIGNATURE_ALGORITHM].found


def test_rsa_pss_signatures_pass() -> None:
    key, name = KeyKind.RSA_2048.generate(), common_name("PSS CA")
    builder = unsigned(key, subject=name, issuer=name, ca_flag=True)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    authority = builder.sign(key, hashes.SHA256(), rsa_padding=pss)

    found = report(pem(authority))

    assert found[CheckId.SIGNATURE_ALGORITHM].found == "RSASSA-PSS with SHA256"


def test_a_certificate_for_servers_only_fails() -> None:
    builder = unsigned(device().key, subject=common_name("s"), issuer=CA.x509.subject)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    leaf = builder.add_extension(usage, critical=False).sign(ca().key, hashes.SHA256())

    found = report(pem(leaf), CA.pem)

    assert statuses(found, Status.FAILED) == {CheckId.CLIENT_USE}


def test_a_key_usage_that_cannot_be_read_is_not_checked() -> None:
    builder = unsigned(device().key, subject=common_name("s"), issuer=CA.x509.subject)
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x04\x00")
    leaf = builder.add_extension(broken, critical=False).sign(ca().key, hashes.SHA256())

    assert report(pem(leaf), CA.pem)[CheckId.CLIENT_USE].status is Status.NOT_CHECKED


def test_a_certificate_without_an_end_is_within_its_validity() -> None:
    end = Validity(datetime(2020, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    identity = DevelopmentCa.create("Plant CA", validity=end).issue(DeviceSpec("sensor-1", validity=end))

    found = report(identity.chain_pem, key=key_pem(identity.key))

    assert statuses(found, Status.PASSED) == set(CheckId)


def test_a_ca_without_ca_flag_is_found() -> None:
    key, name = KeyKind.EC_P256.generate(), common_name("Not a CA")
    authority = certificate(key, subject=name, issuer=name, signer=key)
    leaf = certificate(device().key, subject=common_name("s"), issuer=name, signer=key)

    found = report(leaf, authority)

    assert statuses(found, Status.FAILED) == {CheckId.CA_MAY_SIGN}
    assert "CA:TRUE" in found[CheckId.CA_MAY_SIGN].found


@pytest.mark.parametrize(("may_sign", "status"), [(True, Status.PASSED), (False, Status.FAILED)])
def test_a_cas_key_usage_is_checked_where_there_is_one(may_sign: bool, status: Status) -> None:  # noqa: FBT001
    key, name = KeyKind.EC_P256.generate(), common_name("Usage CA")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=may_sign,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = unsigned(key, subject=name, issuer=name, ca_flag=True).add_extension(usage, critical=True)
    leaf = certificate(device().key, subject=common_name("s"), issuer=name, signer=key)

    found = report(leaf, pem(builder.sign(key, hashes.SHA256())))

    assert found[CheckId.CA_MAY_SIGN].status is status


def test_a_ca_without_key_usage_may_sign() -> None:
    key, name = KeyKind.EC_P256.generate(), common_name("Plain CA")
    authority = certificate(key, subject=name, issuer=name, signer=key, ca_flag=True)
    leaf = certificate(device().key, subject=common_name("s"), issuer=name, signer=key)

    found = report(leaf, authority)

    assert found[CheckId.CA_MAY_SIGN].found == "CA:TRUE"
    assert found[CheckId.CLIENT_USE].found == "not restricted"


def test_a_check_that_could_not_be_made_leaves_the_answer_open() -> None:
    passed, left_open = report(DEVICE.pem, CA.pem), report(DEVICE.pem)
    open_findings = tuple(f for f in left_open.findings if f.status is Status.NOT_CHECKED)

    assert ChainReport(passed.findings + open_findings).exit_code == ExitCode.UNDETERMINED


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(DEVICE.der) - 1), st.integers(1, 255), st.booleans())
def test_a_damaged_certificate_yields_findings_and_never_the_answer_yes(
    position: int,
    change: int,
    last: bool,  # noqa: FBT001
) -> None:
    damaged = bytearray(DEVICE.der)
    damaged[position] ^= change
    parts = [CA.der, bytes(damaged)] if last else [bytes(damaged), CA.der]

    found = check_chain(b"".join(parts))

    assert found.exit_code is not ExitCode.OK


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def unsigned(
    key: object, *, subject: x509.Name, issuer: x509.Name, ca_flag: bool = False
) -> x509.CertificateBuilder:
    validity = Validity.days(1)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), 1, validity.not_before, validity.not_after
    )
    constraints = x509.BasicConstraints(ca=ca_flag, path_length=None)
    return builder.add_extension(constraints, critical=True)


def certificate(
    key: object,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    signer: object,
    digest: hashes.HashAlgorithm | None = SHA256,
    ca_flag: bool = False,
) -> str:
    return pem(unsigned(key, subject=subject, issuer=issuer, ca_flag=ca_flag).sign(signer, digest))


def pem(made: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return made.public_bytes(Encoding.PEM).decode()
