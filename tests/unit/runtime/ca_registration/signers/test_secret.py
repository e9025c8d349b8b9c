"""The key is a PEM in Secrets Manager: every form of it, and no error quotes it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from iot_jitr_runtime.ca_registration.properties import CaProperties
from iot_jitr_runtime.ca_registration.signers import SecretSigner, SignerError
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from tests.support.ca_builder import CaSpec, ca_of, pem_of, rsa_key
from tests.support.ca_registry import CaAccount
from tests.support.ca_resource import CA, ON, CaResource

CURVES = [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1]
KEY = CaSpec().key


@pytest.mark.parametrize("key", [*(ec.generate_private_key(curve()) for curve in CURVES), rsa_key()])
@pytest.mark.parametrize(
    "secret",
    [
        pem_of,
        lambda key: (
            f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem_of(key)}"
        ),
        lambda key: json.dumps({"privateKey": pem_of(key)}),
        lambda key: json.dumps({"privateKey": pem_of(key, "s3cret"), "passphrase": "s3cret"}),
    ],
    ids=["PEM", "PEM as openssl ecparam writes it", "JSON", "encrypted"],
)
def test_registers_the_ca(
    account: CaAccount, resource: CaResource, key: Any, secret: Callable[[Any], str]
) -> None:
    account.client("secretsmanager").create_secret(Name="ca-key", SecretString=secret(key))

    ca_id = resource.create(CaProperties(ca_of(key).pem, SecretSigner("ca-key")))

    assert account.iot.state(ca_id) == ON


@pytest.mark.parametrize(
    ("secret", "found"),
    [
        (b"\x00", "it is binary"),
        (" ", "neither PEM nor JSON"),
        ("hunter2", "neither PEM nor JSON"),
        ("[]", "JSON without a text under 'privateKey'"),
        ('{"key": "x"}', "JSON without a text under 'privateKey'"),
        ('{"privateKey": 5}', "JSON without a text under 'privateKey'"),
        ('{"privateKey": "hunter2"}', "the PEM holds no private key"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "the PEM holds no private key"),
        (CA.pem, "the PEM holds no private key"),
        (pem_of(KEY, "hunter2"), "encrypted, without a passphrase"),
        (
            json.dumps({"privateKey": pem_of(KEY, "right"), "passphrase": "hunter2"}),
            "no private key, or the passphrase is wrong",
        ),
        (
            json.dumps({"privateKey": pem_of(KEY), "passphrase": "hunter2"}),
            "not encrypted, but has a passphrase",
        ),
        (json.dumps({"privateKey": pem_of(KEY), "passphrase": ["hunter2"]}), "'passphrase' is not a text"),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor EC"),
    ],
)
def test_an_unusable_secret_is_explained_without_its_value(
    account: CaAccount, resource: CaResource, secret: str | bytes, found: str
) -> None:
    form = "SecretString" if isinstance(secret, str) else "SecretBinary"
    account.client("secretsmanager").create_secret(Name="ca-key", **{form: secret})

    with pytest.raises(SignerError, match="secret 'ca-key' cannot be used: ") as caught:
        resource.create(CaProperties(CA.pem, SecretSigner("ca-key")))

    message = str(caught.value)
    assert found in message
    assert "hunter2" not in message
    assert not [line for line in str(secret).splitlines() if len(line) > 20 and line in message]
    assert account.iot.cas == {}


def test_refuses_the_key_of_another_ca(account: CaAccount, resource: CaResource) -> None:
    account.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(KEY))

    with pytest.raises(CaCertificateError, match="secret 'ca-key'") as caught:
        resource.create(CaProperties(CA.pem, SecretSigner("ca-key")))

    assert caught.value.fault is CaFault.KEY_MISMATCH


def test_names_a_secret_that_does_not_exist(resource: CaResource) -> None:
    with pytest.raises(SignerError, match="ResourceNotFoundException; it must exist"):
        resource.create(CaProperties(CA.pem, SecretSigner("ca-key")))
