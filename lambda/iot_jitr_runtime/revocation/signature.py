"""The signature on a CRL, verified over the signed bytes where they lie (`Crl.signed`)."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.unusable import Rule, UnusableCrlError

_WEAK = (hashes.MD5, hashes.SHA1)


def check_signature(crl: Crl, ca: Certificate) -> None:
    """Check that the CA's key signed the CRL (RFC 5280 sections 5.1.1.2, 5.1.1.3 and 6.3.3 (g)).

    Raises:
        UnusableCrlError: `SIGNATURE_ALGORITHM` or `BAD_SIGNATURE`.
    """
    try:
        algorithm = crl.parsed.signature_hash_algorithm
        if isinstance(algorithm, _WEAK):
            raise UnusableCrlError(
                Rule.SIGNATURE_ALGORITHM, f"it is signed with the weak {algorithm.name.upper()}"
            )
        if not _verifies(crl, ca, algorithm):
            raise UnusableCrlError(Rule.BAD_SIGNATURE, f"its signature is not by the key of '{ca.subject}'")
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise UnusableCrlError(
            Rule.SIGNATURE_ALGORITHM, f"its signature algorithm cannot be verified here: {error}"
        ) from error


def _verifies(crl: Crl, ca: Certificate, algorithm: hashes.HashAlgorithm | None) -> bool:
    key = ca.x509.public_key()
    parameters = crl.parsed.signature_algorithm_parameters
    try:
        match key, parameters:
            case rsa.RSAPublicKey(), PKCS1v15() | PSS() as padding if algorithm is not None:
                # Any buffer will do; its type says bytes.
                key.verify(crl.parsed.signature, crl.signed, padding, algorithm)  # type: ignore[arg-type]
            case ec.EllipticCurvePublicKey(), ec.ECDSA() as ecdsa:
                key.verify(crl.parsed.signature, crl.signed, ecdsa)
            case _:
                # It refuses keys that cannot sign, and algorithms of other keys.
                return crl.parsed.is_signature_valid(key)  # type: ignore[arg-type]
    except InvalidSignature:
        return False
    return True
