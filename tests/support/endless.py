"""A CA and a device that are valid from the first date that X.509 can write to the last one.

notAfter 99991231235959Z: no well-defined expiration date (RFC 5280 section 4.1.2.5), as every IEEE 802.1AR
device identity has it.
"""

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from iot_jitr_cli.pki import DevelopmentCa, DeviceIdentity, DeviceSpec, Validity
from iot_jitr_runtime.certificates import Certificate

LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
# cryptography writes no date before 1950, but reads them.
_WRITABLE = datetime(2050, 1, 1, tzinfo=UTC)
_VALIDITY = Validity(_WRITABLE, LAST)
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


@cache
def endless_ca() -> DevelopmentCa:
    """The CA."""
    made = DevelopmentCa.create("Endless CA", validity=_VALIDITY)
    return DevelopmentCa(_from_the_year_one(made.certificate, made), made.key)


@cache
def endless_device() -> DeviceIdentity:
    """A device of the CA."""
    made = endless_ca().issue(DeviceSpec("sensor-9999", validity=_VALIDITY))
    return DeviceIdentity(
        _from_the_year_one(made.certificate, endless_ca()), made.key, endless_ca().certificate
    )


def _from_the_year_one(certificate: Certificate, signer: DevelopmentCa) -> Certificate:
    signed = certificate.x509.tbs_certificate_bytes
    changed = signed.replace(b"20500101000000Z", b"00010101000000Z")
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    signature = signer.key.sign(changed, ec.ECDSA(SHA256()))
    whole = changed + _ECDSA_WITH_SHA256 + bytes([0x03, len(signature) + 1, 0]) + signature
    return Certificate.load(b"\x30\x82" + len(whole).to_bytes(2, "big") + whole)
