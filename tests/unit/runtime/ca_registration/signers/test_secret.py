"""The key is a PEM in Secrets Manager: every form of it, and no error quotes it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from iot_jitr_runtime.ca_registration.signers import SecretSigner, SignerError
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from tests.support.ca_builder import CaSpec, pem_of, rsa_key
from tests.support.ca_registry import CaAccount
from tests.support.ca_resource import CaResource
from tests.support.ca_states import ca_of, properties

CURVES = [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1]


class TestSecret:
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
        self,
        account: CaAccount,
        resource: CaResource,
        key: Any,
        secret: Callable[[Any], str],
    ) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=secret(key))

        ca_id = resource.create(properties(ca_of(key), SecretSigner("ca-key")))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    @pytest.mark.parametrize(
        ("secret", "found"),
        [
            ("", "neither PEM nor JSON"),
            ("hunter2", "neither PEM nor JSON"),
            ("[]", "JSON without a text under 'privateKey'"),
            ('{"key": "x"}', "JSON without a text under 'privateKey'"),
            ('{"privateKey": 5}', "JSON without a text under 'privateKey'"),
            ('{"privateKey": "hunter2"}', "the PEM holds no private key"),
            (
                "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
                "the PEM holds no private key",
            ),
            (CaSpec().build().pem, "the PEM holds no private key"),
            (pem_of(CaSpec().key, "hunter2"), "encrypted, without a passphrase"),
            (
                json.dumps({"privateKey": pem_of(CaSpec().key, "right"), "passphrase": "hunter2"}),
                "no private key, or the passphrase is wrong",
            ),
            (
                json.dumps({"privateKey": pem_of(CaSpec().key), "passphrase": "hunter2"}),
                "not encrypted, but has a passphrase",
            ),
            (
                json.dumps({"privateKey": pem_of(CaSpec().key), "passphrase": ["hunter2"]}),
                "'passphrase' is not a text",
            ),
            (pem_of(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor EC"),
        ],
    )
    def test_says_what_is_wrong_with_the_secret_and_nothing_of_what_is_in_it(
        self, account: CaAccount, resource: CaResource, secret: str, found: str
    ) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=secret or " ")

        with pytest.raises(SignerError) as caught:
            resource.create(properties(CaSpec().build(), SecretSigner("ca-key")))

        message = str(caught.value)
        assert "secret 'ca-key' cannot be used: " in message
        assert found in message
        assert "hunter2" not in message
        assert not [line for line in secret.splitlines() if len(line) > 20 and line in message]
        assert account.registry.cas == {}

    def test_refuses_a_binary_secret(self, account: CaAccount, resource: CaResource) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretBinary=b"\x00")

        with pytest.raises(SignerError, match="it is binary"):
            resource.create(properties(CaSpec().build(), SecretSigner("ca-key")))

    def test_refuses_the_key_of_another_ca(self, account: CaAccount, resource: CaResource) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(CaSpec().key))

        with pytest.raises(CaCertificateError, match="secret 'ca-key'") as caught:
            resource.create(properties(CaSpec().build(), SecretSigner("ca-key")))

        assert caught.value.fault is CaFault.KEY_MISMATCH

    def test_says_that_the_secret_does_not_exist(self, resource: CaResource) -> None:
        with pytest.raises(SignerError, match=r"ResourceNotFoundException; it must exist"):
            resource.create(properties(CaSpec().build(), SecretSigner("ca-key")))
