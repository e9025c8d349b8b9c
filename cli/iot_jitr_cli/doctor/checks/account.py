"""The device's endpoint, and whether the pipeline is deployed there."""

import re

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks.check import check
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.facts.pipeline import NotDeployedError
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok

_AWS_ENDPOINT = re.compile(
    r"(?P<prefix>[a-z0-9]+?)(?P<ats>-ats)?\.iot\.(?P<region>[a-z0-9-]+)\.(?P<domain>.+)"
)
"""https://docs.aws.amazon.com/iot/latest/developerguide/iot-connect-devices.html"""


@check("endpoint", "endpoint", Cause.ENDPOINT_ELSEWHERE, Cause.ENDPOINT_NOT_ATS)
def check_endpoint(case: Case) -> Finding:
    """The device connects to this account's ATS endpoint in this region."""
    given = case.subject.endpoint
    if given is None:
        return not_applicable("the device's endpoint is not known (--endpoint)")
    host = given.lower()
    device = _AWS_ENDPOINT.fullmatch(host)
    if device is None:
        return not_applicable(f"{host} is not an endpoint name of AWS IoT: a domain of your own, or local")
    expected = _AWS_ENDPOINT.fullmatch(case.account.endpoint)
    return _compare(case, host, device, expected) if expected else not_applicable("AWS names none")


@check("deployment", "deployment", Cause.NOT_DEPLOYED)
def check_deployed(case: Case) -> Finding:
    """The stack is deployed in this account and region."""
    try:
        deployment = case.pipeline.deployment
    except NotDeployedError as error:
        return failed(
            Cause.NOT_DEPLOYED,
            str(error),
            "choose the account and region of the deployment (AWS_PROFILE, AWS_REGION, --stack), or deploy",
        )
    return ok(f"stack '{deployment.stack_name}' in {deployment.region}, {_account(case)}")


def _compare(case: Case, host: str, device: re.Match[str], expected: re.Match[str]) -> Finding:
    ours = case.account.endpoint
    use = f"let the device connect to {ours}"
    if device["region"] != expected["region"]:
        return failed(
            Cause.ENDPOINT_ELSEWHERE,
            f"{host} is in region {device['region']}, the pipeline in {expected['region']}",
            use,
        )
    if device["ats"] is None:
        return failed(
            Cause.ENDPOINT_NOT_ATS,
            f"{host} is not the ATS endpoint: its server certificate is from a CA that devices distrust, and "
            "its prefix is another one",
            use,
        )
    if device["prefix"] != expected["prefix"]:
        return failed(
            Cause.ENDPOINT_ELSEWHERE,
            f"{host} belongs to another account, this account's is {ours} ({_account(case)})",
            use,
        )
    return ok(host)


def _account(case: Case) -> str:
    try:
        return f"account {case.account.identity.account}"
    except CannotTellError:
        return "account unknown"
