"""Signs with a key from Secrets Manager, inside the function."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from iot_jitr_runtime.ca_registration.signers.base import RegistrationCode, Signer
from iot_jitr_runtime.ca_registration.verification import (
    SigningKey,
    check_key_belongs,
    make_verification_certificate,
)
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_FORMAT = (
    "expected the key's PEM, or a JSON object with the PEM under 'privateKey' and, for an encrypted key, its "
    "'passphrase'"
)


class SecretUnavailableError(JitrError):
    """The secret does not exist or cannot be read."""


class MalformedSecretError(JitrError):
    """The secret's value is no private key this project can use."""


class SecretSigner(Signer):
    """Reads the CA's key, plain or encrypted, signs, and forgets it."""

    def __init__(self, client: "SecretsManagerClient", secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    def verification_certificate(self, ca: Certificate, registration_code: RegistrationCode) -> str:
        """Read the key and sign with it."""
        key = self._load()
        check_key_belongs(key, ca, where=f"the secret '{self._secret_id}'")
        return make_verification_certificate(ca, key, registration_code())

    def _load(self) -> SigningKey:
        pem, passphrase = self._parse(self._fetch())
        try:
            key = load_pem_private_key(pem, passphrase)
        except TypeError:
            problem = (
                "is encrypted, but no passphrase is given"
                if passphrase is None
                else ("is not encrypted, but a passphrase is given")
            )
            raise self._malformed(f"the key {problem}") from None
        except (ValueError, UnsupportedAlgorithm):
            # The cause stays behind: nothing that has seen the key may reach a log.
            problem = (
                "not a private key in PEM"
                if passphrase is None
                else "not a private key, or a wrong passphrase"
            )
            raise self._malformed(problem) from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise self._malformed("the key is neither RSA nor EC")
        return key

    def _fetch(self) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise SecretUnavailableError(
                f"cannot read the secret '{self._secret_id}': {code}; it must exist in this account and "
                "region, hold the CA's private key and be readable by the registration function"
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
        if not isinstance(fields, dict) or not isinstance(fields.get("privateKey"), str):
            raise self._malformed("JSON without 'privateKey'")
        passphrase = fields.get("passphrase")
        if passphrase is not None and not isinstance(passphrase, str):
            raise self._malformed("'passphrase' is not a string")
        return fields["privateKey"].encode(), passphrase.encode() if passphrase else None

    def _malformed(self, found: str) -> MalformedSecretError:
        return MalformedSecretError(f"the secret '{self._secret_id}' cannot be used: {found}; {_FORMAT}")
