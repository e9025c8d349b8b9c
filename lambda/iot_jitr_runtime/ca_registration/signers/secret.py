"""Signs with a key from Secrets Manager, inside the function."""

import json
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from iot_jitr_runtime.aws_errors import AwsError, error_code
from iot_jitr_runtime.ca_registration.signers.base import RegistrationCode, Signer
from iot_jitr_runtime.ca_registration.verification import (
    SigningKey,
    check_key_belongs,
    make_verification_certificate,
)
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from iot_jitr_runtime.certificates import Certificate

_PRIVATE_KEY = "privateKey"
_PASSPHRASE = "passphrase"  # noqa: S105 -- the name of a field
_EXPECTED = (
    f"expected the key's PEM, or a JSON object with the PEM under '{_PRIVATE_KEY}' and, for an encrypted "
    f"key, its '{_PASSPHRASE}'"
)


class SecretUnavailableError(JitrError):
    """The secret does not exist or cannot be read."""


class MalformedSecretError(JitrError):
    """The secret's value is no private key this project can use."""


class SecretSigner(Signer):
    """Reads the CA's key, plain or encrypted, signs, and forgets it.

    No error here has a cause: what has seen the key must not reach a log.
    """

    def __init__(self, client: "SecretsManagerClient", secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    def verification_certificate(self, ca: "Certificate", registration_code: RegistrationCode) -> str:
        """Sign with the secret's key.

        Raises:
            SecretUnavailableError: The secret cannot be read.
            MalformedSecretError: It holds no usable key.
            KeyMismatchError: It holds the key of another CA.
        """
        key = self._key(*self._parse(self._fetch()))
        check_key_belongs(key.public_key(), ca, f"the secret '{self._secret_id}'")
        return make_verification_certificate(ca, key, registration_code())

    def _fetch(self) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id)
        except AwsError as error:
            raise SecretUnavailableError(
                f"cannot read the secret '{self._secret_id}': {error_code(error)}; it must exist in this "
                "account and region, hold the CA's private key and be readable by the registration function"
            ) from error
        try:
            return answer["SecretString"]
        except KeyError:
            raise self._malformed("it is binary") from None

    def _parse(self, value: str) -> tuple[bytes, bytes | None]:
        if "-----BEGIN" in value and not value.lstrip().startswith("{"):
            return value.encode(), None
        try:
            fields = json.loads(value)
        except ValueError:
            raise self._malformed("neither PEM nor JSON") from None
        if not isinstance(fields, dict) or not isinstance(fields.get(_PRIVATE_KEY), str):
            raise self._malformed(f"JSON without a text under '{_PRIVATE_KEY}'")
        passphrase = fields.get(_PASSPHRASE)
        if passphrase is not None and not isinstance(passphrase, str):
            raise self._malformed(f"'{_PASSPHRASE}' is not a text")
        return fields[_PRIVATE_KEY].encode(), passphrase.encode() if passphrase else None

    def _key(self, pem: bytes, passphrase: bytes | None) -> SigningKey:
        try:
            key = load_pem_private_key(pem, passphrase)
        except TypeError:
            found = (
                "not encrypted, but comes with a passphrase"
                if passphrase
                else "encrypted, without a passphrase"
            )
            raise self._malformed(f"the key is {found}") from None
        except (ValueError, UnsupportedAlgorithm):
            found = "no private key, or the passphrase is wrong" if passphrase else "no private key"
            raise self._malformed(f"the PEM holds {found}") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise self._malformed("the key is neither RSA nor EC")
        return key

    def _malformed(self, found: str) -> MalformedSecretError:
        return MalformedSecretError(f"the secret '{self._secret_id}' cannot be used: {found}; {_EXPECTED}")
