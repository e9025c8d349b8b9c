import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki import DevelopmentCa, DeviceSpec, KeyKind, Validity
from iot_jitr_runtime.ca_registration.validation import check_ca_certificate
from iot_jitr_runtime.certificates import Certificate
from tests.support.identities import ca, common_name, device, unsigned

# A CA's key is made once for each kind; RSA keys take their time.
KINDS = [KeyKind.EC_P256, KeyKind.EC_P384, KeyKind.RSA_2048]


def test_a_ca_has_critical_extensions_and_may_sign_certificates_and_crls_alone() -> None:
    extensions = ca().certificate.x509.extensions

    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert not usage.value.digital_signature
    assert identifier.value == x509.SubjectKeyIdentifier.from_public_key(ca().certificate.x509.public_key())


@pytest.mark.parametrize("ca_kind", KINDS)
@pytest.mark.parametrize("device_kind", KINDS)
def test_a_ca_can_be_registered_and_its_devices_are_verified_by_an_independent_verifier(
    ca_kind: KeyKind, device_kind: KeyKind
) -> None:
    authority = DevelopmentCa.create("Plant CA", ca_kind)
    check_ca_certificate(authority.certificate)
    authority.certificate.check_issued_by(authority.certificate)
    assert authority.certificate.common_names == ["Plant CA"]
    identity = authority.issue(DeviceSpec("sensor-1", device_kind))
    any_ca = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    builder = PolicyBuilder().store(Store([authority.certificate.x509]))
    # The verifier insists on subject alternative names, which device certificates need not have.
    builder = builder.extension_policies(
        ca_policy=any_ca,
        ee_policy=ExtensionPolicy.permit_all().require_present(
            x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None
        ),
    )

    verified = builder.build_client_verifier().verify(identity.certificate.x509, [])

    assert [certificate.subject for certificate in verified.chain] == [
        identity.certificate.x509.subject,
        authority.certificate.x509.subject,
    ]


def test_a_device_certificate_is_for_tls_clients_and_names_the_key_of_its_ca() -> None:
    extensions = device().certificate.x509.extensions

    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    of_the_ca = ca().certificate.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == of_the_ca.digest


def test_a_ca_without_key_identifier_still_signs_certificates_that_point_at_its_key() -> None:
    key = KeyKind.EC_P256.generate()
    bare = unsigned(key, common_name("Old CA"), is_ca=True).sign(key, hashes.SHA256())

    identity = DevelopmentCa(Certificate(bare), key).issue(DeviceSpec("sensor-1"))

    found = identity.certificate.x509.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found.key_identifier == x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


def test_a_certificate_is_valid_for_the_given_days_and_at_once() -> None:
    validity = Validity.days(30)
    certificate = ca().issue(DeviceSpec("sensor-1", validity=validity)).certificate

    certificate.check_validity()
    assert (certificate.not_before, certificate.not_after) == (validity.not_before, validity.not_after)


@given(st.integers(1, 2**159 - 1))
def test_the_given_serial_number_is_used(serial: int) -> None:
    assert ca().issue(DeviceSpec("s", serial_number=serial)).certificate.x509.serial_number == serial


def test_a_certificate_may_have_no_common_name() -> None:
    without, again = (ca().issue(DeviceSpec(None)).certificate for _ in range(2))

    assert without.common_names == []
    assert without.serial_number != again.serial_number, "a serial number is random unless it is given"


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_common_name_that_x509_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(WrongUseError, match="1 to 64"):
        ca().issue(DeviceSpec(name))
    with pytest.raises(WrongUseError, match="1 to 64"):
        DevelopmentCa.create(name)


def test_a_saved_ca_is_loaded_from_pem_or_der_and_only_its_owner_may_read_the_key(tmp_path: Path) -> None:
    certificate_file, key_file = ca().save(tmp_path / "new" / "pki")

    (tmp_path / "c.der").write_bytes(ca().certificate.der)
    (tmp_path / "k.der").write_bytes(
        ca().key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )
    for loaded in (
        DevelopmentCa.load(tmp_path / "new" / "pki"),
        DevelopmentCa.from_files(tmp_path / "c.der", tmp_path / "k.der"),
    ):
        assert loaded.certificate.der == ca().certificate.der
        loaded.issue(DeviceSpec("s")).certificate.check_issued_by(ca().certificate)
    assert certificate_file.name == "ca.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ca.pem", "ca.key"])
def test_save_writes_no_file_if_one_of_them_exists(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")

    with pytest.raises(WrongUseError, match=name):
        ca().save(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("missing", ["ca.pem", "ca.key"])
def test_a_directory_without_a_ca_names_the_command_that_makes_one(tmp_path: Path, missing: str) -> None:
    ca().save(tmp_path)
    (tmp_path / missing).unlink()

    with pytest.raises(WrongUseError, match=f"{missing}.*jitr pki ca"):
        DevelopmentCa.load(tmp_path)


def test_a_key_of_another_ca_is_refused(tmp_path: Path) -> None:
    ca().save(tmp_path / "one")
    ca("Other CA").save(tmp_path / "other")

    with pytest.raises(WrongUseError, match=r"ca\.key is not the private key"):
        DevelopmentCa.from_files(tmp_path / "one" / "ca.pem", tmp_path / "other" / "ca.key")


def test_a_ca_whose_key_cannot_be_read_is_refused(tmp_path: Path) -> None:
    certificate, key = ca().save(tmp_path)
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    certificate.write_bytes(ca().certificate.der.replace(p256, unknown))

    with pytest.raises(WrongUseError, match=r"ca\.key is not the private key"):
        DevelopmentCa.from_files(certificate, key)


def test_keys_are_in_no_representation() -> None:
    assert "key" not in repr(ca()).lower()
    assert "key" not in repr(device()).lower()
