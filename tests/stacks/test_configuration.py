"""The `jitr` context: which values are read, and which contexts are refused."""

import inspect
import json
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from aws_cdk import aws_logs as logs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr import (
    AdmissionFunction,
    AllowList,
    AwsManagedDomain,
    CaConfiguration,
    CaStatus,
    ConfigurationError,
    ConnectGuard,
    CrlBucket,
    CrlUrl,
    CustomDomain,
    DevicePolicy,
    ExistingDomain,
    JitrConfiguration,
    JitrPipeline,
    KeyKind,
    KmsSigner,
    Mode,
    NoRevocation,
    NoSigner,
    OnDelete,
    OnExisting,
    OnUnknown,
    OutcomeEvents,
    PresignedSigner,
    PrivateCaSigner,
    ReconcilerSettings,
    Renewal,
    RevocationSettings,
    SecretSigner,
    ThingRegistration,
)
from iot_jitr.allowed import shown
from iot_jitr.configuration import Removal
from iot_jitr.configuration.ca import CaOptions
from iot_jitr.retention import RETENTION_OF
from iot_jitr.validation import in_words
from tests.support.ca_certificates import FACTORY, WORKSHOP
from tests.support.scenarios import BOUNDARY, EVENT_BUS, EXPECTED, KEY, PRIVATE_CA, SERVER

CA = {
    "name": "Factory",
    "certificate": "ca/ca.pem",
    "signer": {"type": "secret", "secret": "factory-ca-key"},
    "revocation": "none",
}
MINIMAL = {"cas": [CA]}
ASSUME = {
    "Effect": "Allow",
    "Action": "iot:AssumeRoleWithCertificate",
    "Resource": "arn:aws:iot:*:*:rolealias/devices",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text(FACTORY)
    (tmp_path / "proof.pem").write_text(WORKSHOP)
    return tmp_path


def ca_with(**changes: Any) -> dict[str, Any]:
    """The CA with keys changed; None takes a key away."""
    return {key: value for key, value in {**CA, **changes}.items() if value is not None}


def read_ca(folder: Path, **changes: Any) -> CaConfiguration:
    (ca,) = JitrConfiguration.parse({"cas": [ca_with(**changes)]}, folder).cas
    return ca


def test_the_minimum_has_the_documented_defaults(folder: Path) -> None:
    configuration = JitrConfiguration.parse(MINIMAL, folder)

    assert configuration == JitrConfiguration(
        cas=[
            CaConfiguration(
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
        ],
        policy=DevicePolicy.shared(),
        admission=None,
        things=None,
        on_refusal={},
        activations_per_second=10,
        log_retention_days=30,
        removal=Removal.RETAIN,
    )


@pytest.mark.parametrize(
    ("in_json", "in_python"),
    [
        (
            {"policy": {"kind": "per_device", "options": ["shadow"]}},
            {"policy": DevicePolicy.per_device(options=["shadow"])},
        ),
        (
            {"policy": {"extra_statements": [ASSUME]}},
            {"policy": DevicePolicy.shared(extra_statements=[ASSUME])},
        ),
        (
            {"admission": {"type": "allow_list", "key": "subject_serial_number"}},
            {"admission": AllowList(KeyKind.SUBJECT_SERIAL_NUMBER)},
        ),
        (
            {"admission": {"type": "function", "function": EXPECTED, "timeout": "2 seconds"}},
            {"admission": AdmissionFunction(EXPECTED, timedelta(seconds=2))},
        ),
        ({"things": {}}, {"things": ThingRegistration()}),
        (
            {
                "things": {
                    "name": "dev:{{common_name}}",
                    "type": "Sensor",
                    "groups": ["fleet", "site-{{organizational_unit}}"],
                    "attributes": {"serial": "{{serial_number}}"},
                    "attachment": "EXCLUSIVE_THING",
                    "renewal": "allow",
                    "grace_period": "48 hours",
                }
            },
            {
                "things": ThingRegistration(
                    name="dev:{{common_name}}",
                    type="Sensor",
                    groups=("fleet", "site-{{organizational_unit}}"),
                    attributes={"serial": "{{serial_number}}"},
                    renewal=Renewal.ALLOW,
                    grace_period=timedelta(hours=48),
                )
            },
        ),
        ({"reconciler": {"every": "2 hours"}}, {"reconciler": ReconcilerSettings(every=timedelta(hours=2))}),
        ({"alarms": "none"}, {"alarms": "none"}),
        (
            {
                "revocation": {
                    "every": "5 minutes",
                    "refresh": "1 second",
                    "mass_revocation_limit_percent": 100,
                    "mass_revocation_limit_minimum": 1,
                    "dry_run": True,
                }
            },
            {
                "revocation": RevocationSettings(
                    timedelta(minutes=5), timedelta(seconds=1), 100, 1, dry_run=True
                )
            },
        ),
        *(
            (
                {"connect_guard": {"on_unknown": "refuse", "domain": domain}},
                {"connect_guard": ConnectGuard("refuse", in_python)},
            )
            for domain, in_python in [
                ("aws", AwsManagedDomain()),
                ({"type": "aws"}, AwsManagedDomain()),
                (
                    {"type": "custom", "name": "iot.example.com", "certificate": SERVER},
                    CustomDomain("iot.example.com", SERVER),
                ),
                ({"type": "existing", "name": "devices"}, ExistingDomain("devices")),
            ]
        ),
        ({"connect_guard": {"on_unknown": "admit"}}, {"connect_guard": ConnectGuard(OnUnknown.ADMIT)}),
        ({"outcome_events": {}}, {"outcome_events": OutcomeEvents()}),
        ({"outcome_events": {"event_bus": EVENT_BUS}}, {"outcome_events": OutcomeEvents(EVENT_BUS)}),
        ({"removal": "destroy"}, {"removal": Removal.DESTROY}),
        *(
            ({name: value}, {name: value})
            for name, value in {
                "activations_per_second": 100,
                "dashboard": False,
                "encryption_key": KEY,
                "log_level": "DEBUG",
                "log_retention_days": 365,
                "metrics_namespace": "Fleet/Jitr",
                "on_refusal": {"expired": "revoked"},
                "permissions_boundary": BOUNDARY,
                "stack_name": "fleet-jitr",
            }.items()
        ),
    ],
    ids="-".join,
)
def test_a_key_means_the_same_as_the_option_in_python(
    folder: Path, in_json: dict[str, Any], in_python: dict[str, Any]
) -> None:
    read = JitrConfiguration.parse({**MINIMAL, **in_json}, folder)

    assert read == JitrConfiguration(read.cas, **in_python)
    (name,) = in_python
    assert getattr(read, name) != getattr(JitrConfiguration(read.cas), name)


def test_the_context_may_come_as_json_from_the_command_line(folder: Path) -> None:
    assert JitrConfiguration.parse(json.dumps(MINIMAL), folder) == JitrConfiguration.parse(MINIMAL, folder)


def test_a_policy_template_is_read_relative_to_the_folder(folder: Path) -> None:
    own = "arn:aws:iot:*:123456789012:client/${iot:Certificate.Subject.CommonName}"
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": own}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    (folder / "device.json").write_text(json.dumps(policy))

    configuration = JitrConfiguration.parse({**MINIMAL, "policy": {"template": "device.json"}}, folder)

    assert configuration.policy.document.plain() == policy


def test_a_certificate_may_be_der(folder: Path) -> None:
    certificate = x509.load_pem_x509_certificate(FACTORY.encode())
    (folder / "ca.der").write_bytes(certificate.public_bytes(Encoding.DER))

    assert read_ca(folder, certificate="ca.der").certificate == FACTORY


@pytest.mark.parametrize(
    ("key", "written", "read"),
    [
        ("signer", {"type": "secret", "secret": "key"}, SecretSigner("key")),
        ("signer", {"type": "secret", "secret": "x", "encryption_key": KEY}, SecretSigner("x", KEY)),
        ("signer", {"type": "kms", "key": KEY}, KmsSigner(KEY)),
        ("signer", {"type": "acm-pca", "arn": PRIVATE_CA}, PrivateCaSigner(PRIVATE_CA)),
        ("signer", {"type": "presigned", "verification_certificate": "proof.pem"}, PresignedSigner(WORKSHOP)),
        ("revocation", "none", NoRevocation()),
        ("revocation", {"type": "none"}, NoRevocation()),
        (
            "revocation",
            {"type": "url", "url": "http://crl.example/a.crl"},
            CrlUrl("http://crl.example/a.crl"),
        ),
        (
            "revocation",
            {"type": "url", "url": "https://crl.example:8443/ca.crl?x=1", "max_age": "24 hours"},
            CrlUrl("https://crl.example:8443/ca.crl?x=1", timedelta(days=1)),
        ),
        ("revocation", {"type": "bucket"}, CrlBucket()),
        ("revocation", {"type": "bucket", "prefix": "mine/"}, CrlBucket("mine/")),
        (
            "revocation",
            {"type": "bucket", "bucket": "my-crls", "prefix": "x", "encryption_key": KEY},
            CrlBucket("x", "my-crls", encryption_key=KEY),
        ),
        ("status", "INACTIVE", CaStatus.INACTIVE),
        ("auto_registration", False, False),
        ("on_existing", "fail", OnExisting.FAIL),
        ("on_delete", "delete", OnDelete.DELETE),
        ("accept_ca_certificates_as_devices", True, True),
        ("tags", {"team": "iot"}, {"team": "iot"}),
    ],
)
def test_each_key_of_a_ca_is_read(folder: Path, key: str, written: Any, read: object) -> None:
    assert getattr(read_ca(folder, **{key: written}), key) == read


@pytest.mark.parametrize("signer", [None, {"type": "none"}])
def test_sni_only_needs_no_signer(folder: Path, signer: object) -> None:
    ca = read_ca(folder, mode="SNI_ONLY", signer=signer)

    assert (ca.mode, ca.signer) == (Mode.SNI_ONLY, NoSigner())


def test_only_a_private_ca_may_go_without_a_certificate(folder: Path) -> None:
    ca = read_ca(folder, certificate=None, signer={"type": "acm-pca", "arn": PRIVATE_CA})

    assert ca.certificate is None
    with pytest.raises(ConfigurationError, match=r"cas\[0\]\.certificate: found nothing"):
        read_ca(folder, certificate=None)


@pytest.mark.parametrize(
    ("context", "key"),
    [
        (None, "jitr"),
        ([], "jitr"),
        ("{", "jitr"),
        ("[" * 100_000, "jitr"),
        ({"cas": None}, "jitr.cas"),
        ({**MINIMAL, "account_logging": None}, "jitr.account_logging"),
        ({"cas": [{**CA, "signer": None}]}, "jitr.cas[0].signer"),
        # JavaScript, and so the CDK, reads 1e400 as this value.
        ({**MINIMAL, "activations_per_second": None}, "jitr.activations_per_second"),
        (json.dumps({**MINIMAL, "activations_per_second": float("nan")}), "jitr.activations_per_second"),
    ],
    ids=["nothing", "a list", "broken JSON", "deep JSON", "CAs", "null", "null within", "too large", "NaN"],
)
def test_a_context_without_an_object_or_with_null_is_refused(folder: Path, context: object, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        JitrConfiguration.parse(context, folder)

    assert caught.value.key == key
    assert "\n" not in str(caught.value)


def test_a_ca_is_made_from_the_file_of_its_certificate(folder: Path) -> None:
    ca = CaConfiguration.from_file(
        folder / "ca" / "ca.pem", name="Factory", revocation="none", mode="SNI_ONLY"
    )

    assert (ca.name, ca.mode, ca.certificate) == ("Factory", Mode.SNI_ONLY, FACTORY)
    with pytest.raises(ConfigurationError, match=r"^CaConfiguration\.certificate: found '.*none.pem'"):
        CaConfiguration.from_file(folder / "none.pem", name="Factory", revocation="none")


def test_from_file_takes_the_options_of_a_ca() -> None:
    """They are written twice because type checkers cannot derive them."""
    of_ca = get_type_hints(CaConfiguration)
    others = {"name", "revocation", "certificate"}

    assert get_type_hints(CaOptions) == {name: of_ca[name] for name in of_ca if name not in others}


def test_the_options_of_the_app_and_of_the_construct_agree() -> None:
    """They are written twice: a reader of either finds its forms, `cdk.json` or objects of the CDK."""
    of_app = {each.name: each for each in fields(JitrConfiguration)}
    of_construct = inspect.signature(JitrPipeline.__init__).parameters
    app, construct = (
        get_type_hints(each, include_extras=True) for each in (JitrConfiguration, JitrPipeline.__init__)
    )
    shared = (of_app.keys() & of_construct.keys()) - {"cas"}

    assert of_app.keys() - shared == {
        "cas",
        "log_retention_days",
        "permissions_boundary",
        "policy",
        "removal",
        "stack_name",
    }
    for name in shared:
        # A default that is an object is made by the construct, where None stands for it.
        default = None if of_app[name].default is MISSING else of_app[name].default
        assert of_construct[name].default == default, name
        if name != "encryption_key":  # an ARN, or a key
            assert in_words(app[name]) == in_words(construct[name]), name


def test_a_long_value_is_cut() -> None:
    assert shown("x" * 200) == '"' + "x" * 59 + "…"


def test_every_retention_period_of_cloudwatch_can_be_chosen() -> None:
    assert set(RETENTION_OF.values()) == set(logs.RetentionDays) - {logs.RetentionDays.INFINITE}
