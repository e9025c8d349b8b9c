"""The `jitr` context: what is read, and the one line that says what is wrong with it."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr import ConfigurationError
from iot_jitr.allowed import shown
from iot_jitr.configuration import (
    CaConfiguration,
    JitrConfiguration,
    NoRevocation,
    Removal,
)
from iot_jitr.configuration.ca import CaOptions
from iot_jitr.retention import RETENTION_OF
from iot_jitr_runtime.ca_registration.properties import CaStatus, Mode, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import PolicyKind
from tests.support.ca_certificates import FACTORY, WORKSHOP

KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/1"
BOUNDARY_ARN = "arn:aws:iam::123456789012:policy/boundary"
PCA_ARN = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text(FACTORY)
    return tmp_path


def minimal() -> dict[str, Any]:
    return {
        "cas": [
            {
                "name": "Factory",
                "certificate": "ca/ca.pem",
                "signer": {"type": "secret", "secret": "factory-ca-key"},
                "revocation": "none",
            }
        ]
    }


def changed(**changes: Any) -> dict[str, Any]:
    return minimal() | changes


def with_ca(**changes: Any) -> dict[str, Any]:
    """The minimum with keys of its CA changed; None takes a key away."""
    context = minimal()
    (ca,) = context["cas"]
    ca.update(changes)
    context["cas"] = [{key: value for key, value in ca.items() if value is not None}]
    return context


def read_ca(folder: Path, **changes: Any) -> CaConfiguration:
    (ca,) = JitrConfiguration.parse(with_ca(**changes), folder).cas
    return ca


def test_the_minimum_has_the_documented_defaults(folder: Path) -> None:
    configuration = JitrConfiguration.parse(minimal(), folder)

    (ca,) = configuration.cas
    assert ca == CaConfiguration(
        name="Factory",
        revocation=NoRevocation(),
        certificate=FACTORY,
        signer=SecretSigner("factory-ca-key"),
        mode=Mode.DEFAULT,
        status=CaStatus.ACTIVE,
        auto_registration=True,
        on_existing=OnExisting.ADOPT,
        on_delete=OnDelete.DISABLE,
    )
    assert configuration == JitrConfiguration(cas=configuration.cas)
    assert configuration.activations_per_second == 10
    assert configuration.log_retention_days == 30
    assert configuration.removal is Removal.RETAIN
    assert configuration.policy.kind is PolicyKind.SHARED


def test_every_key_can_be_set(folder: Path) -> None:
    context = changed(
        policy={"kind": "per_device", "options": ["shadow"]},
        activations_per_second=100,
        log_retention_days=365,
        log_level="DEBUG",
        metrics_namespace="Fleet/Jitr",
        encryption_key=KEY_ARN,
        permissions_boundary=BOUNDARY_ARN,
        removal="destroy",
        stack_name="fleet-jitr",
    )

    configuration = JitrConfiguration.parse(context, folder)

    assert configuration.policy.kind is PolicyKind.PER_DEVICE
    assert configuration.policy.needs_thing
    assert configuration.activations_per_second == 100
    assert configuration.log_retention_days == 365
    assert configuration.log_level == "DEBUG"
    assert configuration.metrics_namespace == "Fleet/Jitr"
    assert configuration.encryption_key == KEY_ARN
    assert configuration.permissions_boundary == BOUNDARY_ARN
    assert configuration.removal is Removal.DESTROY
    assert configuration.stack_name == "fleet-jitr"


def test_every_key_of_a_ca_can_be_set(folder: Path) -> None:
    ca = read_ca(
        folder,
        status="INACTIVE",
        auto_registration=False,
        on_existing="fail",
        on_delete="delete",
        accept_ca_certificates_as_devices=True,
    )

    assert ca.status is CaStatus.INACTIVE
    assert ca.auto_registration is False
    assert ca.on_existing is OnExisting.FAIL
    assert ca.on_delete is OnDelete.DELETE
    assert ca.accept_ca_certificates_as_devices is True


def test_the_context_may_come_as_json_from_the_command_line(folder: Path) -> None:
    from_text = JitrConfiguration.parse(json.dumps(minimal()), folder)

    assert from_text == JitrConfiguration.parse(minimal(), folder)


def test_a_policy_template_is_read_relative_to_the_folder(folder: Path) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Connect",
                "Resource": "arn:aws:iot:*:123456789012:client/${iot:Certificate.Subject.CommonName}",
            }
        ],
    }
    (folder / "device.json").write_text(json.dumps(policy))

    configuration = JitrConfiguration.parse(changed(policy={"template": "device.json"}), folder)

    assert configuration.policy.document.plain() == policy


def test_a_certificate_may_be_der(folder: Path) -> None:
    certificate = x509.load_pem_x509_certificate(FACTORY.encode())
    (folder / "ca.der").write_bytes(certificate.public_bytes(Encoding.DER))

    assert read_ca(folder, certificate="ca.der").certificate_pem == FACTORY


@pytest.mark.parametrize(
    ("signer", "source"),
    [
        ({"type": "secret", "secret": "key"}, SecretSigner("key")),
        ({"type": "secret", "secret": "key", "encryption_key": KEY_ARN}, SecretSigner("key", KEY_ARN)),
        ({"type": "kms", "key": KEY_ARN}, KmsSigner(KEY_ARN)),
        ({"type": "acm-pca", "arn": PCA_ARN}, PrivateCaSigner(PCA_ARN)),
        ({"type": "presigned", "verification_certificate": "proof.pem"}, PresignedSigner(WORKSHOP)),
    ],
)
def test_each_signer_is_read(folder: Path, signer: dict[str, Any], source: object) -> None:
    (folder / "proof.pem").write_text(WORKSHOP)

    assert read_ca(folder, signer=signer).signer == source


@pytest.mark.parametrize("signer", [None, {"type": "none"}])
def test_sni_only_needs_no_signer(folder: Path, signer: object) -> None:
    ca = read_ca(folder, mode="SNI_ONLY", signer=signer)

    assert (ca.mode, ca.signer) == (Mode.SNI_ONLY, NoSigner())


def test_a_private_ca_is_asked_for_its_own_certificate(folder: Path) -> None:
    ca = read_ca(folder, certificate=None, signer={"type": "acm-pca", "arn": PCA_ARN})

    assert ca.certificate_pem is None


SIGNERS = "secret, kms, acm-pca, presigned, none"
WRONG = [
    pytest.param(changed(cas=None), "jitr.cas: found null", id="CAs null"),
    pytest.param({}, "jitr.cas: found nothing", id="no CAs"),
    pytest.param(changed(account_logging=None), "jitr.account_logging: found null", id="null"),
    pytest.param(
        # What JavaScript, and with it the CDK, makes of 1e400.
        changed(activations_per_second=None),
        "jitr.activations_per_second: found null",
        id="a number beyond JSON's",
    ),
    *(
        pytest.param(
            json.dumps(changed(activations_per_second=float(number))),
            f"jitr.activations_per_second: found {shown}",
            id=f"rate {number}",
        )
        for number, shown in (("inf", "Infinity"), ("nan", "NaN"))
    ),
    pytest.param(changed(cas=[]), "jitr.cas: found no CA", id="empty CAs"),
    pytest.param(changed(cas={}), "jitr.cas: found {}", id="CAs not a list"),
    pytest.param(changed(cas=["x"]), 'jitr.cas[0]: found "x"', id="CA not an object"),
    pytest.param(with_ca(name=None), "jitr.cas[0].name: found nothing", id="no name"),
    *(
        pytest.param(
            with_ca(name=name),
            f'jitr.cas[0].name: found "{name}"',
            id=f"name {name}",
        )
        for name in ("Registration", "Role")
    ),
    pytest.param(with_ca(name="a-b"), 'jitr.cas[0].name: found "a-b"', id="name"),
    pytest.param(
        changed(cas=minimal()["cas"] * 2),
        "jitr.cas: found the name 'Factory' twice",
        id="twice",
    ),
    pytest.param(
        with_ca(certificate=None),
        "jitr.cas[0].certificate: found nothing; allowed: the path of the CA certificate, PEM or DER; "
        "make a development CA with: jitr pki ca ca",
        id="no certificate",
    ),
    pytest.param(with_ca(certificate=7), "jitr.cas[0].certificate: found 7", id="certificate"),
    pytest.param(
        with_ca(certificate="mine/ca.pem"),
        "mine/ca.pem', no such file or directory; allowed: the path of the CA certificate, PEM or DER; "
        "make a development CA with: jitr pki ca ca",
        id="certificate missing",
    ),
    pytest.param(with_ca(certificate="ca"), "ca', is a directory", id="certificate is a folder"),
    pytest.param(with_ca(certificate="garbage"), "garbage', not a certificate", id="garbage"),
    pytest.param(with_ca(mode="default"), 'jitr.cas[0].mode: found "default"', id="mode"),
    pytest.param(with_ca(status="active"), 'jitr.cas[0].status: found "active"', id="status"),
    pytest.param(
        with_ca(on_delete="keep"),
        'jitr.cas[0].on_delete: found "keep"',
        id="on_delete",
    ),
    pytest.param(with_ca(on_existing="x"), 'jitr.cas[0].on_existing: found "x"', id="on_existing"),
    pytest.param(
        with_ca(auto_registration="yes"),
        'jitr.cas[0].auto_registration: found "yes"',
        id="auto_registration",
    ),
    pytest.param(
        with_ca(revocation=None),
        "jitr.cas[0].revocation: found nothing",
        id="revocation",
    ),
    pytest.param(with_ca(revocation="no"), 'jitr.cas[0].revocation: found "no"', id="revocation word"),
    pytest.param(
        with_ca(certficate="ca.pem"),
        "jitr.cas[0].certficate: found an unknown key",
        id="unknown key of a CA",
    ),
    pytest.param(with_ca(signer=None), "jitr.cas[0].signer: found none with mode DEFAULT", id="no signer"),
    pytest.param(with_ca(signer="kms"), 'jitr.cas[0].signer: found "kms"', id="signer"),
    pytest.param(
        with_ca(signer={"type": "hsm"}),
        'jitr.cas[0].signer.type: found "hsm"',
        id="signer type",
    ),
    pytest.param(
        with_ca(signer={"type": ["kms"]}),
        'jitr.cas[0].signer.type: found ["kms"]',
        id="signer type, a list",
    ),
    pytest.param(
        with_ca(certificate="~nobody-of-this-name/ca.pem"),
        'jitr.cas[0].certificate: found "~nobody-of-this-name/ca.pem"',
        id="the home of nobody",
    ),
    pytest.param(
        with_ca(certificate="ca\0.pem"),
        'jitr.cas[0].certificate: found "ca\\u0000.pem"',
        id="a zero in a path",
    ),
    pytest.param(
        with_ca(signer={"type": "none"}),
        "jitr.cas[0].signer: found none with mode DEFAULT",
        id="DEFAULT without a signer",
    ),
    pytest.param(
        with_ca(mode="SNI_ONLY"),
        "jitr.cas[0].signer: found a signer with mode SNI_ONLY",
        id="SNI_ONLY with a signer",
    ),
    pytest.param(
        with_ca(signer={"type": "secret"}),
        "jitr.cas[0].signer.secret: found nothing",
        id="no secret",
    ),
    pytest.param(
        with_ca(signer={"type": "secret", "secret": "k", "encryption_key": "alias/k"}),
        'jitr.cas[0].signer.encryption_key: found "alias/k"',
        id="encryption key",
    ),
    pytest.param(
        with_ca(signer={"type": "kms", "key": PCA_ARN}),
        f'jitr.cas[0].signer.key: found "{PCA_ARN[:59]}…',
        id="KMS key",
    ),
    pytest.param(
        with_ca(signer={"type": "acm-pca"}),
        "jitr.cas[0].signer.arn: found nothing",
        id="PCA",
    ),
    pytest.param(
        with_ca(signer={"type": "presigned"}),
        "jitr.cas[0].signer.verification_certificate: found nothing; allowed: the path of the verification "
        "certificate; make one with: jitr ca registration-code, jitr ca sign-verification",
        id="presigned",
    ),
    pytest.param(
        with_ca(signer={"type": "presigned", "verification_certificate": "none.pem"}),
        "none.pem', no such file or directory",
        id="presigned missing",
    ),
    pytest.param(
        with_ca(signer={"type": "kms", "key": KEY_ARN, "secret": "x"}),
        "jitr.cas[0].signer.secret: found an unknown key",
        id="another signer's key",
    ),
    pytest.param(
        changed(activations_per_second=0),
        "jitr.activations_per_second: found 0",
        id="rate too low",
    ),
    pytest.param(
        changed(activations_per_second=1001),
        "jitr.activations_per_second: found 1001",
        id="rate too high",
    ),
    pytest.param(
        changed(activations_per_second="10"),
        'jitr.activations_per_second: found "10"',
        id="rate is a text",
    ),
    pytest.param(
        changed(activations_per_second=True),
        "jitr.activations_per_second: found true",
        id="rate is a flag",
    ),
    pytest.param(
        changed(log_retention_days=31),
        "jitr.log_retention_days: found 31",
        id="days",
    ),
    pytest.param(
        changed(log_retention_days="30"),
        'jitr.log_retention_days: found "30"',
        id="days are a text",
    ),
    pytest.param(changed(log_level="info"), 'jitr.log_level: found "info"', id="log level"),
    pytest.param(
        changed(metrics_namespace="AWS/IoT"),
        'jitr.metrics_namespace: found "AWS/IoT"',
        id="namespace",
    ),
    pytest.param(
        changed(encryption_key=f"{KEY_ARN.partition(':key/')[0]}:alias/mine"),
        "allowed: the ARN of a KMS key, arn:…:key/…",
        id="alias of a key",
    ),
    pytest.param(
        changed(permissions_boundary="boundary"),
        'jitr.permissions_boundary: found "boundary"',
        id="name of a boundary",
    ),
    pytest.param(changed(removal="delete"), 'jitr.removal: found "delete"', id="removal"),
    pytest.param(changed(stack_name="-x"), 'jitr.stack_name: found "-x"', id="stack name"),
    pytest.param(
        changed(activation_per_second=5),
        "jitr.activation_per_second: found an unknown key",
        id="unknown key",
    ),
    pytest.param(
        changed(zzz=5),
        "jitr.zzz: found an unknown key",
        id="strange key",
    ),
    pytest.param(changed(policy="x.json"), 'jitr.policy: found "x.json"', id="policy"),
    pytest.param(
        changed(policy={"kind": "own"}),
        'jitr.policy.kind: found "own"',
        id="policy kind",
    ),
    pytest.param(
        changed(policy={"options": ["all"]}),
        'jitr.policy.options: found ["all"]',
        id="policy options",
    ),
    pytest.param(
        changed(policy={"options": "shadow"}),
        'jitr.policy.options: found "shadow"',
        id="options text",
    ),
    pytest.param(
        changed(policy={"template": "none.json"}), "none.json: cannot be read (No such file", id="template"
    ),
    pytest.param(
        changed(policy={"templat": "x"}), "jitr.policy.templat: found an unknown key", id="policy key"
    ),
    pytest.param(None, "jitr: found nothing", id="nothing"),
    pytest.param([], "jitr: found []", id="a list"),
    pytest.param("{", 'jitr: found "{"', id="broken JSON"),
]


@pytest.mark.parametrize(("context", "message"), WRONG)
def test_what_is_wrong_is_said_in_one_line(folder: Path, context: object, message: str) -> None:
    (folder / "garbage").write_bytes(b"\0garbage")

    with pytest.raises(JitrError) as caught:
        JitrConfiguration.parse(deepcopy(context), folder)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_a_private_ca_may_go_without_a_certificate() -> None:
    with pytest.raises(ConfigurationError, match=r"CaConfiguration\.certificate: found nothing"):
        CaConfiguration(name="Factory", revocation=NoRevocation(), signer=KmsSigner(KEY_ARN))


def test_a_ca_is_made_of_the_file_of_its_certificate(folder: Path) -> None:
    ca = CaConfiguration.from_file(
        folder / "ca" / "ca.pem", name="Factory", revocation="none", mode="SNI_ONLY"
    )

    assert (ca.name, ca.mode, ca.certificate_pem) == ("Factory", Mode.SNI_ONLY, FACTORY)
    with pytest.raises(ConfigurationError, match=r"^CaConfiguration\.certificate: found '.*none.pem'"):
        CaConfiguration.from_file(folder / "none.pem", name="Factory", revocation="none")


def test_it_takes_the_options_of_a_ca() -> None:
    """Named once more for type checkers, which know no way to derive them."""
    fields = get_type_hints(CaConfiguration)
    others = {"name", "revocation", "certificate"}

    assert get_type_hints(CaOptions) == {name: fields[name] for name in fields if name not in others}


def test_a_name_must_be_good_for_logical_ids() -> None:
    with pytest.raises(ConfigurationError, match=r'CaConfiguration\.name: found "my-ca"'):
        CaConfiguration(name="my-ca", revocation=NoRevocation(), certificate=FACTORY, mode=Mode.SNI_ONLY)


def test_the_key_of_an_error_can_be_asked_for() -> None:
    assert ConfigurationError("jitr.removal", '"x"', "retain").key == "jitr.removal"


def test_a_long_value_is_cut() -> None:
    assert shown("x" * 200) == '"' + "x" * 59 + "…"


def test_every_retention_period_of_cloudwatch_can_be_chosen() -> None:
    from aws_cdk import aws_logs as logs

    assert set(RETENTION_OF.values()) == set(logs.RetentionDays) - {logs.RetentionDays.INFINITE}
