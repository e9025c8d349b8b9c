"""An option refuses the same values in Python and in `cdk.json`, with an error that names it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr import (
    AdmissionFunction,
    AlarmSettings,
    Attachment,
    CaStatus,
    ConfigurationError,
    CrlUrl,
    FunctionNetwork,
    JitrConfiguration,
    KmsSigner,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    Renewal,
    SecretSigner,
    ThingRegistration,
)
from iot_jitr_runtime.errors import JitrError
from tests.support.options import CA, PLACES, context, made
from tests.support.scenarios import EXPECTED, KEY, PRIVATE_CA
from tests.support.stacks import FACTORY_CA
from tools.construct_page import options

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
ALIAS = "arn:aws:kms:eu-central-1:123456789012:alias/mine"
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("AdmissionFunction", {"function": ...}, "function", "found nothing"),
    ("AdmissionFunction", {"function": EXPECTED[:-12]}, "function", "or the ARN of one"),
    ("AdmissionFunction", {"key": "cn"}, "key", "found an unknown key"),
    ("AdmissionFunction", {"timeout": "60 seconds"}, "timeout", "1 second to 10 seconds"),
    ("AdmissionFunction", {"timeout": 5}, "timeout", 'a time with its unit ("5 minutes")'),
    ("AlarmSettings", {"runbook_url": "docs/runbook.md"}, "runbook_url", 'found "docs/runbook.md"'),
    ("AlarmSettings", {"topic": "operators"}, "topic", 'found "operators"'),
    ("AllowList", {"key": "cn"}, "key", "allowed: ca_serial"),
    ("CaConfiguration", {"auto_registration": "yes"}, "auto_registration", 'found "yes"; allowed: true, f'),
    ("CaConfiguration", {"certficate": "ca.pem"}, "certficate", "did you mean 'certificate'?"),
    ("CaConfiguration", {"certificate": ...}, "certificate", "found nothing; allowed: the path of the CA"),
    ("CaConfiguration", {"certificate": 7}, "certificate", "found 7"),
    ("CaConfiguration", {"certificate": "ca"}, "certificate", "ca', is a directory"),
    ("CaConfiguration", {"certificate": "ca\0.pem"}, "certificate", 'found "ca\\u0000.pem"'),
    ("CaConfiguration", {"certificate": "garbage"}, "certificate", "garbage', not a certificate"),
    ("CaConfiguration", {"certificate": "none.pem"}, "certificate", "no such file or directory"),
    ("CaConfiguration", {"certificate": "~nobody-of-this-name/ca.pem"}, "certificate", 'found "~nobody'),
    ("CaConfiguration", {"mode": "default"}, "mode", "found \"default\"; allowed: did you mean 'DEFAULT'?"),
    ("CaConfiguration", {"mode": CaStatus.ACTIVE}, "mode", "found 'ACTIVE'"),
    ("CaConfiguration", {"mode": "SNI_ONLY"}, "signer", "found a signer with mode SNI_ONLY"),
    ("CaConfiguration", {"name": ...}, "name", "found nothing"),
    ("CaConfiguration", {"name": "Registration"}, "name", 'found "Registration"'),
    ("CaConfiguration", {"name": "Role"}, "name", 'found "Role"'),
    ("CaConfiguration", {"name": "my-ca"}, "name", 'found "my-ca"'),
    ("CaConfiguration", {"on_delete": "keep"}, "on_delete", 'found "keep"'),
    ("CaConfiguration", {"on_existing": "x"}, "on_existing", 'found "x"'),
    ("CaConfiguration", {"revocation": ...}, "revocation", "found nothing"),
    ("CaConfiguration", {"revocation": "no"}, "revocation", 'found "no"'),
    ("CaConfiguration", {"revocation": "None"}, "revocation", "did you mean 'none'?"),
    ("CaConfiguration", {"revocation": {}}, "revocation.type", "found nothing; allowed: none, url, bucket"),
    ("CaConfiguration", {"revocation": {"type": ["url"]}}, "revocation.type", 'found ["url"]'),
    ("CaConfiguration", {"revocation": {"type": "none", "url": "x"}}, "revocation.url", "an unknown key"),
    ("CaConfiguration", {"signer": ...}, "signer", "found none with mode DEFAULT"),
    ("CaConfiguration", {"signer": {"type": "none"}}, "signer", "found none with mode DEFAULT"),
    ("CaConfiguration", {"signer": NoSigner()}, "signer", "found none with mode DEFAULT"),
    (
        "CaConfiguration",
        {"mode": "SNI_ONLY", "signer": {"type": "none", "key": KEY}},
        "signer.key",
        "found an unknown key; allowed: type",
    ),
    ("CaConfiguration", {"signer": "kms"}, "signer", 'found "kms"; allowed: a signer, an object'),
    ("CaConfiguration", {"signer": {"type": "hsm"}}, "signer.type", 'found "hsm"; allowed: secret, kms'),
    ("CaConfiguration", {"signer": {"type": "presined"}}, "signer.type", "did you mean 'presigned'?"),
    ("CaConfiguration", {"signer": {"type": ["kms"]}}, "signer.type", 'found ["kms"]'),
    ("CaConfiguration", {"signer": {"type": "secret"}}, "signer.secret", "found nothing; allowed: the ARN"),
    ("CaConfiguration", {"signer": SecretSigner("")}, "signer.secret", 'found ""'),
    ("CaConfiguration", {"signer": SecretSigner("key", ALIAS)}, "signer.encryption_key", "the ARN of a KMS"),
    ("CaConfiguration", {"signer": {"type": "kms", "key": PRIVATE_CA}}, "signer.key", f'"{PRIVATE_CA[:59]}…'),
    ("CaConfiguration", {"signer": KmsSigner("key/1")}, "signer.key", 'found "key/1"; allowed: the ARN of'),
    (
        "CaConfiguration",
        {"signer": {"type": "kms", "key": KEY, "secret": "x"}},
        "signer.secret",
        "found an unknown key; allowed: key, type",
    ),
    ("CaConfiguration", {"signer": {"type": "acm-pca"}}, "signer.arn", "found nothing"),
    ("CaConfiguration", {"signer": PrivateCaSigner("1")}, "signer.arn", 'found "1"'),
    (
        "CaConfiguration",
        {"signer": {"type": "presigned"}},
        "signer.verification_certificate",
        "found nothing; allowed: the path of the verification certificate; make one with: jitr ca reg",
    ),
    (
        "CaConfiguration",
        {"signer": PresignedSigner("none.pem")},
        "signer.verification_certificate",
        "none.pem', no such file or directory",
    ),
    ("CaConfiguration", {"status": "active"}, "status", 'found "active"'),
    ("CaConfiguration", {"tags": {"aws:x": "y"}}, "tags", "no key may begin with aws:"),
    ("CaConfiguration", {"tags": {"jitr:owner": "me"}}, "tags", "jitr:"),
    ("ConnectGuard", {"on_unknown": ...}, "on_unknown", "found nothing; allowed: admit, refuse"),
    (
        "ConnectGuard",
        {"snap_start": True, "provisioned_concurrency": 1},
        "snap_start",
        "found true with provisioned_concurrency",
    ),
    ("CrlBucket", {"bucket": "mine"}, "prefix", "found nothing beside a bucket"),
    ("CrlBucket", {"prefix": "x", "bucket": "s3://mine"}, "bucket", 'found "s3://mine"'),
    ("CrlBucket", {"encryption_key": KEY}, "encryption_key", "found a key and no bucket"),
    ("CrlBucket", {"encryption_key": "alias/x"}, "encryption_key", 'found "alias/x"'),
    ("CrlBucket", {"max_age": 548 * DAY}, "max_age", "found 548 days"),
    ("CrlBucket", {"prefix": "crl/*"}, "prefix", 'found "crl/*"'),
    ("CrlBucket", {"prefix": "index/"}, "prefix", "the pipeline's own"),
    ("CrlBucket", {"prefix": "ind"}, "prefix", "the pipeline's own"),
    ("CrlBucket", {"prefix": ""}, "prefix", "the pipeline's own"),
    (
        "CrlUrl",
        {"max_age": 30 * MINUTE},
        "max_age",
        "found 30 minutes; allowed: 1 hour to 366 days, in whole",
    ),
    ("CrlUrl", {"max_age": cdk.Duration.minutes(30)}, "max_age", "found 30 minutes"),
    ("CrlUrl", {"max_age_hours": 5}, "max_age_hours", "found an unknown key"),
    ("CrlUrl", {"url": ...}, "url", "found nothing; allowed: an https://"),
    ("CrlUrl", {"url": "ldap://crl.example/ca"}, "url", 'found "ldap://crl.example/ca"'),
    ("CrlUrl", {"url": "https://user:secret@x/y"}, "url", "URL without credentials"),
    ("CustomDomain", {"certificate": "x"}, "certificate", 'found "x"'),
    ("CustomDomain", {"name": "https://x.y"}, "name", 'found "https://x.y"'),
    ("CustomDomain", {"validation_certificate": "x"}, "validation_certificate", 'found "x"'),
    ("DevicePolicy", {"kind": "own"}, "kind", 'found "own"'),
    ("DevicePolicy", {"options": ["all"]}, "options", 'found ["all"]'),
    ("DevicePolicy", {"options": "shadow"}, "options", 'found "shadow"'),
    ("DevicePolicy", {"templat": "x"}, "templat", "found an unknown key"),
    ("ExistingDomain", {"name": "a b"}, "name", 'found "a b"'),
    ("JitrConfiguration", {"account_logging": "mange"}, "account_logging", "did you mean 'manage'?"),
    ("JitrConfiguration", {"activation_per_second": 5}, "activation_per_second", "'activations_per_second'?"),
    (
        "JitrConfiguration",
        {"activations_per_second": 0},
        "activations_per_second",
        "found 0; allowed: a whol",
    ),
    ("JitrConfiguration", {"activations_per_second": 1001}, "activations_per_second", "found 1001"),
    ("JitrConfiguration", {"activations_per_second": "10"}, "activations_per_second", 'found "10"'),
    ("JitrConfiguration", {"activations_per_second": True}, "activations_per_second", "found true"),
    ("JitrConfiguration", {"activations_per_second": float("inf")}, "activations_per_second", "Infinity"),
    ("JitrConfiguration", {"activations_per_second": float("nan")}, "activations_per_second", "found NaN"),
    (
        "JitrConfiguration",
        {"admission": {"type": "allowlist"}},
        "admission.type",
        "did you mean 'allow_list'?",
    ),
    ("JitrConfiguration", {"alarms": "nine"}, "alarms", "did you mean 'none'?"),
    ("JitrConfiguration", {"alarms": []}, "alarms", 'or "none" for no alarms'),
    ("JitrConfiguration", {"cas": ...}, "cas", "found nothing; allowed: a list of CaConfiguration"),
    ("JitrConfiguration", {"cas": []}, "cas", "found no CA"),
    ("JitrConfiguration", {"cas": {}}, "cas", "found {}"),
    ("JitrConfiguration", {"cas": ["x"]}, "cas[0]", 'found "x"'),
    ("JitrConfiguration", {"cas": [CA, CA]}, "cas", "found the name 'Factory' twice"),
    ("JitrConfiguration", {"encryption_key": ALIAS}, "encryption_key", "allowed: the ARN of a KMS key, arn:"),
    ("JitrConfiguration", {"log_level": "debug"}, "log_level", "did you mean 'DEBUG'?"),
    ("JitrConfiguration", {"log_retention_days": 31}, "log_retention_days", "found 31"),
    ("JitrConfiguration", {"log_retention_days": "30"}, "log_retention_days", 'found "30"'),
    ("JitrConfiguration", {"metrics_namespace": "AWS/IoT"}, "metrics_namespace", 'found "AWS/IoT"'),
    ("JitrConfiguration", {"on_refusal": ["expired"]}, "on_refusal", 'found ["expired"]'),
    ("JitrConfiguration", {"on_refusal": {"not_listed": "revoked"}}, "on_refusal", "can pass"),
    ("JitrConfiguration", {"on_refusal": {"on_hold": "inactive"}}, "on_refusal", "can pass"),
    ("JitrConfiguration", {"permissions_boundary": "boundary"}, "permissions_boundary", 'found "boundary"'),
    ("JitrConfiguration", {"policy": "x.json"}, "policy", 'found "x.json"; allowed: a DevicePolicy'),
    ("JitrConfiguration", {"removal": "Retain"}, "removal", "did you mean 'retain'?"),
    ("JitrConfiguration", {"stack_name": "-x"}, "stack_name", 'found "-x"'),
    ("JitrConfiguration", {"things": []}, "things", "found []; allowed: a ThingRegistration"),
    ("JitrConfiguration", {"zzz": 5}, "zzz", "found an unknown key; allowed: account_logging"),
    ("OutcomeEvents", {"event_bus": EXPECTED}, "event_bus", "an event bus (events.IEventBus), or the ARN of"),
    ("ReconcilerSettings", {"every": 90 * SECOND}, "every", "whole minutes"),
    (
        "ReconcilerSettings",
        {"every": 6 * HOUR, "full_pass_every": HOUR},
        "full_pass_every",
        "found 1 hour with every 6 hours",
    ),
    ("ReconcilerSettings", {"pending_after": timedelta(0)}, "pending_after", "1 minute to 14 days"),
    ("RevocationSettings", {"every": 330 * SECOND}, "every", "5 minutes to 1 day, in whole minutes"),
    ("ThingRegistration", {"attributes": {"a": 7}}, "attributes", "allowed: an object of texts"),
    ("ThingRegistration", {"attributes": {"a b": "x"}}, "attributes", "found 'a b'; allowed: names of"),
    ("ThingRegistration", {"attributes": {"site": "a b"}}, "attributes", "found 'a b'; allowed: 1 to 800"),
    (
        "ThingRegistration",
        {"attributes": dict.fromkeys("abcd", "x")},
        "attributes",
        "found 4 of them; allowed: 3 at most for a thing without a type",
    ),
    (
        "ThingRegistration",
        {"attributes": {f"a{number}": "x" for number in range(51)}, "type": "Sensor"},
        "attributes",
        "found 51 of them; allowed: 50 at most for a thing with a type",
    ),
    (
        "ThingRegistration",
        {"renewal": Renewal.ALLOW, "attachment": Attachment.NON_EXCLUSIVE},
        "attachment",
        "found NON_EXCLUSIVE_THING with renewal 'allow'",
    ),
    ("ThingRegistration", {"grace_period": 2 * HOUR}, "grace_period", "found 2 hours with renewal 'refuse'"),
    ("ThingRegistration", {"groups": "fleet"}, "groups", 'found "fleet"; allowed: a list'),
    ("ThingRegistration", {"groups": ["a b"]}, "groups", "found 'a b'"),
    ("ThingRegistration", {"groups": ("",)}, "groups", 'found [""]'),
    ("ThingRegistration", {"name": "sensor"}, "name", "which is the same for many devices"),
    ("ThingRegistration", {"name": "{{organization}}"}, "name", "which is the same for many devices"),
    ("ThingRegistration", {"name": "{{cn}}"}, "name", "unknown field '{{cn}}'"),
    ("ThingRegistration", {"name": "my {{common_name}}"}, "name", "1 to 128 of a-z A-Z 0-9 : _ -"),
    ("ThingRegistration", {"names": "x"}, "names", "found an unknown key"),
    ("ThingRegistration", {"renewal": "yes"}, "renewal", "allowed: refuse, allow"),
    ("ThingRegistration", {"type": "a/b"}, "type", "found 'a/b'"),
]
"""Option class, options, and the option that the error names with a part of its message."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ca").mkdir()
    (tmp_path / "garbage").write_bytes(b"\0garbage")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("kind", "values", "option", "part"), WRONG)
def test_a_wrong_value_is_refused_in_python_and_in_cdk_json(
    folder: Path, kind: str, values: dict[str, Any], option: str, part: str
) -> None:
    with pytest.raises(ConfigurationError) as in_python:
        made(kind, **values)
    with pytest.raises(ConfigurationError) as in_json:
        JitrConfiguration.parse(context(kind, **values), folder)

    place = ".".join(filter(None, ("jitr", PLACES[kind][0], option)))
    assert (in_python.value.key, in_json.value.key) == (f"{kind}.{option}", place)
    for error in (in_python, in_json):
        assert part in str(error.value)
        assert "\n" not in str(error.value)


def test_each_key_refuses_a_value_of_a_wrong_type(tmp_path: Path) -> None:
    for option in fields(JitrConfiguration):
        with pytest.raises(ConfigurationError) as caught:
            JitrConfiguration.parse(context("JitrConfiguration", **{option.name: 0.5}), tmp_path)
        assert caught.value.key == f"jitr.{option.name}"


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
    "AdmissionFunction.timeout": Range(SECOND, 10 * SECOND, SECOND),
    **{f"AlarmSettings.{name}": Range(1, 1_000_000) for name in COUNTS},
    **{f"AlarmSettings.{name}": Range(MINUTE, 10_000 * DAY, SECOND) for name in TIMES},
    "Capacity.activations_per_second": Range(1, 1000),
    "ConnectGuard.provisioned_concurrency": Range(0, 10_000),
    "ConnectGuard.refresh": Range(SECOND, MINUTE, SECOND),
    "CrlBucket.max_age": Range(HOUR, 8784 * HOUR, HOUR),
    "CrlUrl.max_age": Range(HOUR, 8784 * HOUR, HOUR),
    "ReconcilerSettings.every": Range(MINUTE, DAY, MINUTE),
    "ReconcilerSettings.full_pass_every": Range(HOUR, 366 * DAY, SECOND),
    "ReconcilerSettings.pending_after": Range(MINUTE, 14 * DAY, SECOND),
    "RevocationSettings.mass_revocation_limit_minimum": Range(1, 1_000_000),
    "RevocationSettings.mass_revocation_limit_percent": Range(1, 100),
    "RevocationSettings.every": Range(5 * MINUTE, DAY, MINUTE),
    "RevocationSettings.refresh": Range(SECOND, MINUTE, SECOND),
    "ThingRegistration.grace_period": Range(0 * DAY, 365 * DAY, SECOND, {"renewal": Renewal.ALLOW}),
}
OF_THE_WHOLE = ("JitrPipeline.", "JitrStack.", "JitrConfiguration.")
"""Their numbers are in the table above, in `test_contradictions.py` and in `test_capacity.py`."""


def test_the_table_of_ranges_is_complete() -> None:
    assert set(RANGES) == {
        name
        for name, option in options().items()
        if re.search(r"\b(int|timedelta|_Count|_Time)\b", option.annotation)
        and not name.startswith(OF_THE_WHOLE)
    }


@pytest.mark.parametrize("name", RANGES)
def test_a_range_includes_its_ends_and_excludes_the_next_values(name: str) -> None:
    kind, _, option = name.partition(".")
    range_ = RANGES[name]

    for value in (range_.low, range_.high):
        made(kind, **range_.beside, **{option: value})
    for value in (range_.low - range_.step, range_.high + range_.step):
        with pytest.raises(JitrError):
            made(kind, **range_.beside, **{option: value})


def test_a_time_may_be_given_as_a_cdk_duration() -> None:
    assert CrlUrl("https://crl.example/ca.crl", cdk.Duration.hours(2)).max_age == 2 * HOUR


def test_a_text_known_only_at_deployment_is_accepted() -> None:
    token = cdk.Fn.import_value("of-another-stack")

    AdmissionFunction(token)
    AlarmSettings(runbook_url=token)
    CrlUrl(token)
    ThingRegistration(type=token, groups=[token])
    replace(FACTORY_CA, signer=PrivateCaSigner(token))


@pytest.mark.parametrize(
    ("option", "make", "itself"),
    [
        ("signer", SecretSigner, "the secret itself (ISecret)"),
        ("signer", KmsSigner, "the key itself (IKey)"),
        ("certificate", str, "a certificate that is known at synthesis, where it is checked"),
        ("name", str, "a letter, then up to 31 letters and digits; not one of Registration, Role"),
    ],
)
def test_a_text_that_must_be_known_at_synthesis_is_refused(
    option: str, make: Callable[[str], object], itself: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        made("CaConfiguration", **{option: make(cdk.Fn.import_value("of-another-stack"))})

    assert str(refused.value).endswith(f"found a value that is known at deployment only; allowed: {itself}")


def test_more_than_five_security_groups_are_refused() -> None:
    vpc: Any = SimpleNamespace(vpc_id="vpc-1")
    group: Any = SimpleNamespace(security_group_id="sg-1")

    FunctionNetwork(vpc, security_groups=[group] * 5)
    with pytest.raises(ConfigurationError, match=r"security_groups: found 6 of them; allowed: 5 at most"):
        FunctionNetwork(vpc, security_groups=[group] * 6)
