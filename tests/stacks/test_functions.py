"""What Lambda allows a function, checked before a deployment finds out."""

import json
from dataclasses import replace
from functools import cache

import pytest

from iot_jitr import CaConfiguration, CrlUrl, JitrStack
from iot_jitr.functions import EnvironmentTooLargeError
from iot_jitr_cli.pki.authority import DevelopmentCa
from tests.support.scenarios import NAMES, scenario
from tests.support.stacks import DEFAULTS, FACTORY_CA, app_without_bundling, of_type, template_of


@cache
def plants(count: int) -> tuple[CaConfiguration, ...]:
    """So many CAs, each with a certificate of its own."""
    return tuple(
        replace(
            FACTORY_CA,
            name=f"Plant{number:02}",
            certificate_pem=DevelopmentCa.create(f"Plant {number:02}").certificate.pem,
        )
        for number in range(count)
    )


def test_thirty_cas_fit_into_one_pipeline() -> None:
    assert template_of(replace(DEFAULTS, cas=plants(30)))


def test_more_cas_than_a_function_can_be_told_of_are_refused() -> None:
    with app_without_bundling() as app, pytest.raises(EnvironmentTooLargeError) as refused:
        JitrStack(app, "Jitr", replace(DEFAULTS, cas=plants(60)))

    words = str(refused.value)
    assert words.startswith("the environment variables of Jitr/Jitr/Activator/Function would take about "), (
        words
    )
    assert "most of them in JITR_CAS; Lambda allows 4,096: shorten the CRLs' URLs, or give" in words


def test_addresses_of_crls_count_as_they_are_written() -> None:
    long = CrlUrl(f"https://crl.example.com/{'a' * 300}.crl")
    cas = tuple(replace(ca, revocation=long) for ca in plants(12))

    with (
        app_without_bundling() as app,
        pytest.raises(EnvironmentTooLargeError, match=r"most of them in JITR_CRL_SOURCES"),
    ):
        JitrStack(app, "Jitr", replace(DEFAULTS, cas=cas))


@pytest.mark.parametrize("name", NAMES)
def test_lambda_runs_no_failed_invocation_of_a_rule_again(name: str) -> None:
    """EventBridge invokes asynchronously: its own attempts end when Lambda has the event."""
    found = scenario(name)
    invoked = {
        target["Arn"]["Fn::GetAtt"][0]
        for rule in of_type(found, "AWS::Events::Rule").values()
        for target in rule["Properties"]["Targets"]
    }

    attempts = {
        each["Properties"]["FunctionName"]["Ref"]: each["Properties"]["MaximumRetryAttempts"]
        for each in of_type(found, "AWS::Lambda::EventInvokeConfig").values()
    }

    assert invoked
    assert attempts == dict.fromkeys(invoked, 0), json.dumps(attempts)
