"""Each option with a range is held to it, at both ends; each text is looked at; no key takes nonsense."""

import copy
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

import iot_jitr
from iot_jitr import (
    Admission,
    AlarmSettings,
    AlarmThresholds,
    ConfigurationError,
    CrlBucket,
    CrlUrl,
    DevicePolicy,
    FunctionNetwork,
    JitrConfiguration,
    KmsSigner,
    PrivateCaSigner,
    Renewal,
    SecretSigner,
    ThingRegistration,
)
from iot_jitr_runtime.errors import JitrError
from tests.support.ca_certificates import FACTORY
from tests.support.stacks import FACTORY_CA
from tools import configuration_page
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


RANGES = {
    "Admission.function.timeout_seconds": Range(1, 10, beside={"function": FUNCTION}),
    "Admission.timeout_seconds": Range(1, 10, beside={"asked": FUNCTION}),
    **{f"AlarmThresholds.{each.name}": Range(1, 1_000_000) for each in fields(AlarmThresholds)},
    "Capacity.activations_per_second": Range(1, 1000),
    "CrlBucket.max_age": Range(HOUR, 8784 * HOUR, HOUR),
    "CrlUrl.max_age": Range(HOUR, 8784 * HOUR, HOUR, {"url": CRL}),
    "ReconcilerSettings.every": Range(MINUTE, DAY, MINUTE),
    "ReconcilerSettings.full_pass_every": Range(HOUR, 366 * DAY, SECOND),
    "ReconcilerSettings.pending_after": Range(MINUTE, 14 * DAY, SECOND),
    "RevocationSettings.catch_minimum": Range(1, 1_000_000),
    "RevocationSettings.catch_percent": Range(1, 100),
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
    assert set(RANGES) == among_the_parts("int|timedelta")


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
    "Admission.asked": (lambda: Admission(asked="is-it-ours"), "'is-it-ours', expected the ARN"),
    "Admission.function.function": (lambda: Admission.function(FUNCTION[:-12]), "expected the ARN"),
    "AlarmSettings.runbook_url": (lambda: AlarmSettings(runbook_url="docs/runbook.md"), "found 'docs/runb"),
    "CaConfiguration.name": (lambda: replace(FACTORY_CA, name="a b"), "CA: name: found 'a b'"),
    "CaConfiguration.tags": (lambda: replace(FACTORY_CA, tags={"aws:x": "y"}), "no key may begin with aws:"),
    "CrlBucket.bucket": (lambda: CrlBucket("x", "s3://mine"), r"crl_s3\.bucket: found 's3://mine'"),
    "CrlBucket.encryption_key_arn": (lambda: CrlBucket("x", "mine", None, "alias/x"), "found 'alias/x'"),
    "CrlBucket.prefix": (lambda: CrlBucket("crl/*"), r"crl_s3\.prefix: found 'crl/\*'"),
    "CrlUrl.url": (lambda: CrlUrl("ldap://crl.example/ca"), "crl_url: found 'ldap://"),
    "DevicePolicy.per_device.template": (lambda: DevicePolicy.per_device("none.json"), "cannot be read"),
    "DevicePolicy.shared.template": (lambda: DevicePolicy.shared("none.json"), "cannot be read"),
    "KmsSigner.key_arn": (
        lambda: replace(FACTORY_CA, signer=KmsSigner("key/1")),
        "signer: key: found 'key/1'",
    ),
    "PrivateCaSigner.certificate_authority_arn": (
        lambda: replace(FACTORY_CA, signer=PrivateCaSigner("1")),
        "signer: arn: found '1'",
    ),
    "SecretSigner.encryption_key_arn": (
        lambda: replace(
            FACTORY_CA, signer=SecretSigner("key", "arn:aws:kms:eu-central-1:123456789012:alias/x")
        ),
        "signer: encryption_key: found .*arn:…:key/…",
    ),
    "SecretSigner.secret_id": (
        lambda: replace(FACTORY_CA, signer=SecretSigner("")),
        "signer: secret: found ''",
    ),
    "ThingRegistration.attributes": (lambda: ThingRegistration(attributes={"a b": "x"}), "'a b' is not poss"),
    "ThingRegistration.groups": (lambda: ThingRegistration(groups=["a b"]), "group 'a b' is not possible"),
    "ThingRegistration.name": (lambda: ThingRegistration(name="all"), "the same for many devices"),
    "ThingRegistration.type": (lambda: ThingRegistration(type="a b"), "type 'a b' is not possible"),
}
READ_AT_THE_REGISTRATION = {
    "CaConfiguration.certificate_pem",
    "PresignedSigner.verification_certificate_pem",
}
"""Certificates: `test_ca_registration.py`."""


def test_no_text_is_forgotten() -> None:
    assert set(TEXTS) == among_the_parts("str") - READ_AT_THE_REGISTRATION


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_none_of_those_allowed_is_refused(name: str) -> None:
    make, message = TEXTS[name]

    with pytest.raises(JitrError, match=message):
        make()


def test_a_text_that_is_known_at_deployment_only_is_taken() -> None:
    token = cdk.Fn.import_value("of-another-stack")

    Admission.function(token)
    AlarmSettings(runbook_url=token)
    CrlUrl(token)
    replace(FACTORY_CA, signer=PrivateCaSigner(token))


def test_a_bucket_of_others_needs_a_prefix() -> None:
    with pytest.raises(ConfigurationError, match=r"crl_s3\.prefix: found nothing with bucket 'mine'"):
        CrlBucket(bucket="mine")


def test_lambda_takes_five_security_groups() -> None:
    group: Any = object()

    FunctionNetwork(group, security_groups=[group] * 5)
    with pytest.raises(ConfigurationError, match=r"security_groups: found 6 of them; allowed: 5 at most"):
        FunctionNetwork(group, security_groups=[group] * 6)


def contexts() -> list[dict[str, Any]]:
    """What the page of the configuration is written from: together they read every key."""
    return [
        {
            "cas": [
                {"name": "Factory", "certificate": "file.pem", "signer": signer, "revocation": revocation}
            ],
            **pipeline,
        }
        for revocation, signer, pipeline in itertools.product(
            configuration_page.REVOCATIONS, configuration_page.SIGNERS, configuration_page.PIPELINES
        )
    ]


def with_nonsense(context: dict[str, Any], key: str) -> dict[str, Any]:
    changed = copy.deepcopy(context)
    at: Any = changed
    *above, last = key.split(".")
    for part in above:
        name = part.removesuffix("[]")
        if not isinstance(at.get(name), dict | list):
            at[name] = {}
        at = at[name][0] if part.endswith("[]") else at[name]
    at[last] = 0.5
    return changed


def is_refused(key: str, folder: Path) -> bool:
    """Whether the message names the key, in the context in which the key is read."""

    def said(context: dict[str, Any]) -> str:
        with pytest.raises(JitrError) as caught:
            JitrConfiguration.parse(with_nonsense(context, key), folder)
        return str(caught.value)

    named = f"jitr.{key.replace('[]', '[0]')}: found 0.5; allowed: "
    return any(said(context).startswith(named) for context in contexts())


def test_no_key_takes_nonsense(tmp_path: Path) -> None:
    (tmp_path / "file.pem").write_text(FACTORY)

    assert [key for key in configuration_page.keys(FACTORY) if not is_refused(key, tmp_path)] == []
