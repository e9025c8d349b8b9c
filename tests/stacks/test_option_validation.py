"""Each option with a range is held to it, at both ends; each text is looked at; no key takes nonsense."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import partial
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aws_cdk as cdk
import pytest

import iot_jitr
from iot_jitr import (
    AdmissionFunction,
    AlarmSettings,
    ConfigurationError,
    CrlBucket,
    CrlUrl,
    CustomDomain,
    DevicePolicy,
    ExistingDomain,
    FunctionNetwork,
    JitrConfiguration,
    KmsSigner,
    PrivateCaSigner,
    Renewal,
    SecretSigner,
    ThingRegistration,
)
from iot_jitr.validation import option_class
from iot_jitr_runtime.errors import JitrError
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import SERVER
from tests.support.stacks import FACTORY_CA
from tools.construct_page import options

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:is-it-ours"
CRL = "https://crl.example/ca.crl"


@dataclass(frozen=True)
class Range:
    low: Any
    high: Any
    step: Any = 1
    beside: dict[str, Any] = field(default_factory=dict)
    """What else must be given."""


COUNTS = (
    *("dead_letters", "events_unpublished", "function_errors", "blocked"),
    *("refused", "registration_failures", "throttles"),
)
TIMES = ("ca_time_left", "crl_time_left", "dead_letter_age", "oldest_message", "pending")
RANGES = {
    "AdmissionFunction.timeout": Range(SECOND, 10 * SECOND, SECOND, {"function": FUNCTION}),
    **{f"AlarmSettings.{name}": Range(1, 1_000_000) for name in COUNTS},
    **{f"AlarmSettings.{name}": Range(MINUTE, 10_000 * DAY, SECOND) for name in TIMES},
    "Capacity.activations_per_second": Range(1, 1000),
    "ConnectGuard.provisioned_concurrency": Range(0, 10_000, 1, {"on_unknown": "admit"}),
    "ConnectGuard.refresh": Range(SECOND, MINUTE, SECOND, {"on_unknown": "admit"}),
    "CrlBucket.max_age": Range(HOUR, 8784 * HOUR, HOUR),
    "CrlUrl.max_age": Range(HOUR, 8784 * HOUR, HOUR, {"url": CRL}),
    "ReconcilerSettings.every": Range(MINUTE, DAY, MINUTE),
    "ReconcilerSettings.full_pass_every": Range(HOUR, 366 * DAY, SECOND),
    "ReconcilerSettings.pending_after": Range(MINUTE, 14 * DAY, SECOND),
    "RevocationSettings.mass_revocation_limit_minimum": Range(1, 1_000_000),
    "RevocationSettings.mass_revocation_limit_percent": Range(1, 100),
    "RevocationSettings.every": Range(5 * MINUTE, DAY, SECOND),
    "RevocationSettings.refresh": Range(SECOND, MINUTE, SECOND),
    "ThingRegistration.grace_period": Range(0 * DAY, 365 * DAY, SECOND, {"renewal": Renewal.ALLOW}),
}
OF_THE_WHOLE = ("JitrPipeline.", "JitrStack.", "JitrConfiguration.")
"""These are held to their ranges where they are read and put together: `test_configuration.py`,
`test_contradictions.py`, `test_capacity.py`."""


def among_the_parts(type_: str) -> set[str]:
    return {
        name
        for name, option in options().items()
        if re.search(rf"\b({type_})\b", option.annotation) and not name.startswith(OF_THE_WHOLE)
    }


def test_no_range_is_forgotten() -> None:
    assert set(RANGES) == among_the_parts("int|timedelta|_Count|_Time")


@pytest.mark.parametrize("name", RANGES)
def test_a_range_includes_its_ends_and_nothing_beyond(name: str) -> None:
    maker, _, option = name.rpartition(".")
    make: Any = iot_jitr
    for part in maker.split("."):
        make = getattr(make, part)
    range_ = RANGES[name]

    for value in (range_.low, range_.high):
        make(**range_.beside, **{option: value})
    for value in (range_.low - range_.step, range_.high + range_.step):
        with pytest.raises(JitrError):
            make(**range_.beside, **{option: value})


TEXTS: dict[str, tuple[Callable[[], object], str]] = {
    "AdmissionFunction.function": (lambda: AdmissionFunction(FUNCTION[:-12]), "or the ARN of one"),
    "AlarmSettings.runbook_url": (lambda: AlarmSettings(runbook_url="docs/runbook.md"), 'found "docs/runb'),
    "AlarmSettings.topic": (lambda: AlarmSettings(topic="operators"), 'topic: found "operators"'),
    "CaConfiguration.certificate": (lambda: replace(FACTORY_CA, certificate="x"), "certificate: found 'x'"),
    "CaConfiguration.name": (lambda: replace(FACTORY_CA, name="a b"), 'CaConfiguration.name: found "a b"'),
    "CaConfiguration.revocation": (lambda: replace(FACTORY_CA, revocation="no"), 'revocation: found "no"'),
    "CaConfiguration.tags": (lambda: replace(FACTORY_CA, tags={"aws:x": "y"}), "no key may begin with aws:"),
    "CrlBucket.bucket": (lambda: CrlBucket("x", "s3://mine"), 'CrlBucket.bucket: found "s3://mine"'),
    "CrlBucket.encryption_key": (lambda: CrlBucket("x", "mine", None, "alias/x"), 'found "alias/x"'),
    "CrlBucket.prefix": (lambda: CrlBucket("crl/*"), r'prefix: found "crl/\*"'),
    "CrlUrl.url": (lambda: CrlUrl("ldap://crl.example/ca"), 'CrlUrl.url: found "ldap://'),
    "CustomDomain.certificate": (lambda: CustomDomain("iot.example.com", "x"), 'certificate: found "x"'),
    "CustomDomain.name": (lambda: CustomDomain("https://x.y", SERVER), 'name: found "https://x.y"'),
    "CustomDomain.validation_certificate": (
        lambda: CustomDomain("iot.example.com", SERVER, "x"),
        'validation_certificate: found "x"',
    ),
    "ExistingDomain.name": (lambda: ExistingDomain("a b"), 'name: found "a b"'),
    "DevicePolicy.from_file.path": (lambda: DevicePolicy.from_file("none.json"), "cannot be read"),
    "KmsSigner.key_arn": (
        lambda: replace(FACTORY_CA, signer=KmsSigner("key/1")),
        'signer.key: found "key/1"',
    ),
    "PrivateCaSigner.certificate_authority_arn": (
        lambda: replace(FACTORY_CA, signer=PrivateCaSigner("1")),
        'signer.arn: found "1"',
    ),
    "SecretSigner.encryption_key_arn": (
        lambda: replace(
            FACTORY_CA, signer=SecretSigner("key", "arn:aws:kms:eu-central-1:123456789012:alias/x")
        ),
        "signer.encryption_key: found .*arn:…:key/…",
    ),
    "SecretSigner.secret_id": (
        lambda: replace(FACTORY_CA, signer=SecretSigner("")),
        'signer.secret: found ""',
    ),
    "ThingRegistration.attributes": (
        lambda: ThingRegistration(attributes={"a b": "x"}),
        "attributes: found 'a b'",
    ),
    "ThingRegistration.groups": (lambda: ThingRegistration(groups=["a b"]), "groups: found 'a b'"),
    "ThingRegistration.name": (lambda: ThingRegistration(name="all"), "the same for many devices"),
    "ThingRegistration.type": (lambda: ThingRegistration(type="a b"), "type: found 'a b'"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_none_of_those_allowed_is_refused(name: str) -> None:
    make, message = TEXTS[name]

    with pytest.raises(JitrError, match=message):
        make()


def test_a_text_that_is_known_at_deployment_only_is_taken() -> None:
    token = cdk.Fn.import_value("of-another-stack")

    AdmissionFunction(token)
    AlarmSettings(runbook_url=token)
    CrlUrl(token)
    replace(FACTORY_CA, signer=PrivateCaSigner(token))


def test_a_bucket_of_others_needs_a_prefix() -> None:
    with pytest.raises(ConfigurationError, match=r"prefix: found nothing beside a bucket"):
        CrlBucket(bucket="mine")


def test_lambda_takes_five_security_groups() -> None:
    vpc: Any = SimpleNamespace(vpc_id="vpc-1")
    group: Any = SimpleNamespace(security_group_id="sg-1")

    FunctionNetwork(vpc, security_groups=[group] * 5)
    with pytest.raises(ConfigurationError, match=r"security_groups: found 6 of them; allowed: 5 at most"):
        FunctionNetwork(vpc, security_groups=[group] * 6)


PLACE = cdk.Stack()
KINDS: dict[str, Any] = {
    "None": None,
    "int": 7,
    "float": 0.5,
    "str": "nonsense",
    "dict": {"nonsense": 1},
    "Path": Path("nonsense"),
    "list": ["nonsense"],
    "construct": PLACE,
}
"""One value of each kind: whatever an option takes, most of these are wrong."""
MAY_BE: dict[str, set[str]] = {
    "activations_per_second": {"int"},
    "construct_id": {"str"},
    "metrics_namespace": {"str"},
    "on_refusal": {"None"},
    "scope": {"construct"},
}
"""The kinds that an argument of the pipeline takes besides objects of its own class."""
MINIMAL: dict[str, dict[str, Any]] = {
    "AdmissionFunction": {"function": FUNCTION},
    "CaConfiguration": {"name": "Factory", "revocation": "none", "certificate": FACTORY, "mode": "SNI_ONLY"},
    "ConnectGuard": {"on_unknown": "admit"},
    "CrlUrl": {"url": CRL},
    "CustomDomain": {"name": "iot.example.com", "certificate": SERVER},
    "ExistingDomain": {"name": "devices"},
    "FunctionNetwork": {"vpc": SimpleNamespace(vpc_id="vpc-1")},
    "JitrConfiguration": {"cas": [FACTORY_CA]},
}
OPTION_CLASSES = [
    each
    for name in iot_jitr.__all__
    if (each := option_class(getattr(iot_jitr, name))) and each.__module__.startswith("iot_jitr.")
]


def error_of(make: Callable[[], object]) -> JitrError | None:
    """What is raised, None where all is well. Anything but an error of ours fails the test."""
    try:
        make()
    except JitrError as error:
        return error
    return None


@pytest.mark.parametrize("kind", OPTION_CLASSES, ids=lambda kind: kind.__name__)
def test_a_value_of_a_wrong_kind_is_refused_by_the_name_of_its_option(kind: Any) -> None:
    for option in fields(kind):
        given = MINIMAL.get(kind.__name__, {})
        errors = [error_of(partial(kind, **{**given, option.name: value})) for value in KINDS.values()]
        named = [e for e in errors if isinstance(e, ConfigurationError) and e.key.startswith(kind.__name__)]
        assert all("\n" not in str(error) for error in errors)
        assert len(named) >= 4, option.name


@pytest.mark.parametrize("name", [*signature(iot_jitr.JitrPipeline.__init__).parameters][1:])
def test_an_argument_of_a_wrong_kind_is_refused_by_its_name(name: str) -> None:
    arguments = {"scope": PLACE, "construct_id": "Jitr"}
    wrong = [value for kind, value in KINDS.items() if kind not in MAY_BE.get(name, {"None"})]

    for value in wrong:
        error = error_of(partial(iot_jitr.JitrPipeline, **{**arguments, "cas": [], name: value}))
        assert isinstance(error, ConfigurationError), (name, value)
        assert error.key.startswith(f"JitrPipeline.{name}")


@pytest.mark.parametrize(
    ("option", "value", "meant"),
    [
        ("account_logging", "mange", "manage"),
        ("log_level", "debug", "DEBUG"),
        ("removal", "Retain", "retain"),
    ],
)
def test_a_word_that_is_nearly_right_is_shown_the_right_one(option: str, value: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"did you mean '{meant}'"):
        JitrConfiguration(**{"cas": [FACTORY_CA], option: value})


def test_a_text_is_no_list_of_its_letters() -> None:
    with pytest.raises(ConfigurationError, match=r'ThingRegistration\.groups: found "fleet"'):
        ThingRegistration(groups="fleet")


def test_no_key_takes_nonsense(tmp_path: Path) -> None:
    context = {
        "cas": [{"name": "Factory", "certificate": FACTORY, "mode": "SNI_ONLY", "revocation": "none"}],
    }
    for option in fields(JitrConfiguration):
        with pytest.raises(ConfigurationError) as caught:
            JitrConfiguration.parse({**context, option.name: 0.5}, tmp_path)
        assert caught.value.key == f"jitr.{option.name}"
