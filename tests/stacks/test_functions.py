"""Lambda's limits for a function, checked before a deployment."""

import json
from dataclasses import replace
from functools import cache

import pytest

from iot_jitr import CaConfiguration, CrlUrl, JitrStack
from iot_jitr.function_environment import EnvironmentTooLargeError
from iot_jitr_cli.pki.authority import DevelopmentCa
from tests.support.scenarios import NAMES, scenario
from tests.support.stacks import DEFAULTS, FACTORY_CA, app_without_bundling, of_type, template_of


@cache
def plants(count: int) -> tuple[CaConfiguration, ...]:
    """As many CAs, each with a certificate of its own."""
    return tuple(
        replace(
            FACTORY_CA,
            name=f"Plant{number:02}",
            certificate=DevelopmentCa.create(f"Plant {number:02}").certificate.pem,
        )
        for number in range(count)
    )


def test_one_pipeline_may_have_thirty_cas() -> None:
    assert template_of(replace(DEFAULTS, cas=plants(30)))


def test_more_cas_than_fit_into_an_environment_are_refused() -> None:
    with app_without_bundling() as app, pytest.raises(EnvironmentTooLargeError) as refused:
        JitrStack(app, "Jitr", replace(DEFAULTS, cas=plants(60)))

    words = str(refused.value)
    assert words.startswith("the environment variables of Jitr/Jitr/Activator/Function would take about "), (
        words
    )
    assert "most of them in JITR_CAS; Lambda allows 4,096: shorten the CRLs' URLs, or give" in words


def test_the_length_of_crl_urls_counts_for_the_environment_limit() -> None:
    long = CrlUrl(f"https://crl.example.com/{'a' * 300}.crl")
    cas = tuple(replace(ca, revocation=long) for ca in plants(12))

    with (
        app_without_bundling() as app,
        pytest.raises(EnvironmentTooLargeError, match=r"most of them in JITR_CRL_SOURCES"),
    ):
        JitrStack(app, "Jitr", replace(DEFAULTS, cas=cas))


def test_variables_added_by_the_user_count_for_the_environment_limit() -> None:
    with app_without_bundling() as app:
        function = JitrStack(
            app, "Jitr", replace(DEFAULTS, cas=plants(30))
        ).pipeline.activator.function.function
        function.add_environment("OURS", "x" * 500)

        with pytest.raises(
            EnvironmentTooLargeError, match=r"^the environment variables of Jitr/Jitr/Activator/"
        ):
            function.add_environment("MORE", "x" * 500)


@pytest.mark.parametrize("name", NAMES)
def test_lambda_does_not_retry_a_failed_invocation_by_a_rule(name: str) -> None:
    """EventBridge invokes asynchronously: it does not retry after Lambda has accepted the event."""
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
