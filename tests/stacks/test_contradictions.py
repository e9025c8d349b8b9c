"""Options out of range, and options that contradict one another, are refused by a message that names both."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.aws_logs import RetentionDays

from iot_jitr import (
    AccountLoggingMode,
    AdmissionFunction,
    AlarmSettings,
    AllowList,
    ConnectGuard,
    CrlBucket,
    DevicePolicy,
    JitrPipeline,
    RevocationSettings,
    ThingRegistration,
)
from iot_jitr_runtime.errors import JitrError
from tests.support.scenarios import EXPECTED
from tests.support.stacks import FACTORY_CA, app_without_bundling

WITH_CRL = replace(FACTORY_CA, revocation=CrlBucket())
CONNECT = {
    "Effect": "Allow",
    "Action": "iot:Connect",
    "Resource": "arn:aws:iot:*:*:client/${iot:Certificate.Subject.CommonName}-console",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[cdk.Stack]:
    with app_without_bundling() as app:
        yield cdk.Stack(app, "Foreign")


OF_A_PIPELINE: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "CRL settings, and no CRL": (
        {"revocation": RevocationSettings()},
        ("revocation: found settings", "revocation: none"),
    ),
    "a connect guard, and no CRL": (
        {"connect_guard": ConnectGuard(on_unknown="admit")},
        ("connect_guard: found a guard", "revocation: none"),
    ),
    "sessions to close, and several client ids": (
        {
            "cas": [WITH_CRL],
            "revocation": RevocationSettings(close_sessions=True),
            "device_policy": DevicePolicy.shared(extra_statements=[CONNECT]),
        },
        ("revocation.close_sessions: found true", "several client ids"),
    ),
    "an alias in the place of a key": (
        {"encryption_key": kms.Alias.from_alias_name(cdk.Stack(), "Alias", "alias/mine")},
        ("encryption_key: found an alias", "the key itself"),
    ),
    "a threshold for CRLs, and no CRL": (
        {"alarms": AlarmSettings(crl_time_left=timedelta(minutes=30))},
        ("alarms.crl_time_left", "revocation: none"),
    ),
    "a status for revoked certificates, and no CRL": (
        {"on_refusal": {"revoked": "inactive"}},
        ("on_refusal: found 'revoked'", "revocation: none"),
    ),
    "a threshold for AWS IoT's log, which is not read": (
        {"alarms": AlarmSettings(registration_failures=3)},
        ("alarms.registration_failures", "account_logging: none"),
    ),
    "a status for things that are taken, and no things": (
        {"on_refusal": {"thing_taken": "inactive"}},
        ("on_refusal: found 'thing_taken'", "no things"),
    ),
    "a status for refusals by a function, and an allow list": (
        {"on_refusal": {"refused_by_function": "inactive"}, "admission": AllowList()},
        ("on_refusal: found 'refused_by_function'", "no admission function"),
    ),
    "an unknown log level": ({"log_level": "TRACE"}, ('log_level: found "TRACE"', "DEBUG, INFO")),
    "AWS's own namespace": ({"metrics_namespace": "AWS/IoT"}, ('"AWS/IoT"', "not beginning with AWS/")),
    "logs without an end": (
        {"log_retention": RetentionDays.INFINITE},
        ("log_retention: found INFINITE", "ONE_DAY to TEN_YEARS"),
    ),
    "no CA": ({"cas": []}, ("cas: found no CA", "at least one")),
    "a name twice": ({"cas": [FACTORY_CA, FACTORY_CA]}, ("Factory, Factory", "each name once")),
}


@pytest.mark.parametrize("case", OF_A_PIPELINE)
def test_a_pipeline_refuses(stack: cdk.Stack, case: str) -> None:
    options, both = OF_A_PIPELINE[case]
    name = f"Pipeline{list(OF_A_PIPELINE).index(case)}"

    with pytest.raises(JitrError) as caught:
        JitrPipeline(stack, name, **{"cas": [FACTORY_CA], **options})

    assert [part for part in both if part not in str(caught.value)] == []


def test_the_same_options_are_allowed_with_what_they_need(stack: cdk.Stack) -> None:
    JitrPipeline(
        stack,
        "Pipeline",
        cas=[WITH_CRL],
        admission=AdmissionFunction(EXPECTED),
        things=ThingRegistration(),
        on_refusal={"revoked": "inactive", "thing_taken": "inactive", "refused_by_function": "inactive"},
        revocation=RevocationSettings(),
        alarms=AlarmSettings(crl_time_left=timedelta(minutes=30), registration_failures=3),
        account_logging=AccountLoggingMode.ADOPT,
        log_level="DEBUG",
    )
