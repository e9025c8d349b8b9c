"""The device's endpoint, its CA, and whether AWS IoT has registered the device."""

import re
from contextlib import suppress

from iot_jitr_cli.deployment import stack_and_prefix
from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.finding import Finding, NotApplicableError, check, failed, ok, required
from iot_jitr_cli.doctor.pipeline import NotDeployedError
from iot_jitr_cli.doctor.reading import aws_call
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.ca_registration.lifecycle import IN_ANOTHER_ACCOUNT
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE, AutoRegistration, CaStatus, Mode

_AWS_ENDPOINT = re.compile(
    r"(?P<prefix>[a-z0-9]+?)(?P<ats>-ats)?\.iot\.(?P<region>[a-z0-9-]+)\.(?P<domain>.+)"
)
"""https://docs.aws.amazon.com/iot/latest/developerguide/iot-connect-devices.html"""
_NO_CA = "no registered CA to check"


@check("endpoint", "endpoint", Cause.ENDPOINT_ELSEWHERE, Cause.ENDPOINT_NOT_ATS)
def check_endpoint(case: Case) -> Finding:
    """The device connects to this account's ATS endpoint in this region."""
    host = required(case.subject.endpoint, "the device's endpoint is not known (--endpoint)").lower()
    other = f"{host} is not an endpoint name of AWS IoT: a domain of your own, or local"
    device = required(_AWS_ENDPOINT.fullmatch(host), other)
    with aws_call("iot:DescribeEndpoint"):
        response = case.session.client("iot").describe_endpoint(endpointType="iot:Data-ATS")
    ours = response["endpointAddress"].partition(":")[0].lower()
    expected = required(_AWS_ENDPOINT.fullmatch(ours), "AWS names none")
    use = f"let the device connect to {ours}"
    if device["region"] != expected["region"]:
        here = f"{host} is in region {device['region']}, the pipeline in {expected['region']}"
        return failed(Cause.ENDPOINT_ELSEWHERE, here, use)
    if device["ats"] is None:
        evidence = (
            f"{host} is not the ATS endpoint: its server certificate is from a CA that devices distrust, and "
            "its prefix is another one"
        )
        return failed(Cause.ENDPOINT_NOT_ATS, evidence, use)
    if device["prefix"] == expected["prefix"]:
        return ok(host)
    belongs = f"{host} belongs to another account, this account's is {ours} ({case.account})"
    return failed(Cause.ENDPOINT_ELSEWHERE, belongs, use)


@check("deployment", "deployment", Cause.NOT_DEPLOYED)
def check_deployed(case: Case) -> Finding:
    """The stack is deployed in this account and region."""
    try:
        deployment = case.pipeline.deployment
    except NotDeployedError as error:
        fix = "choose the account and region of the deployment (AWS_PROFILE, AWS_REGION, --stack), or deploy"
        return failed(Cause.NOT_DEPLOYED, str(error), fix)
    return ok(f"stack '{deployment.stack_name}' in {deployment.region}, {case.account}")


@check("ca.registered", "CA: registered", Cause.CA_NOT_REGISTERED, Cause.CA_REGISTERED_ELSEWHERE)
def check_ca_registered(case: Case) -> Finding:
    """The CA that signed the device certificate is registered here."""
    ca = case.ca
    if ca is not None:
        return ok(f"'{ca.certificate.subject}', id {ca.ca_id}")
    certificate = case.certificate
    issuer = f"'{certificate.x509.issuer.rfc4514_string()}'" if certificate else "its CA"
    failure = _registration_failure(case)
    if IN_ANOTHER_ACCOUNT in failure:
        return failed(
            Cause.CA_REGISTERED_ELSEWHERE,
            f"{issuer} is not registered here, and its registration failed: {failure}",
            "delete it there ('jitr ca list' in that account), or register it in each with mode SNI_ONLY",
        )
    return failed(
        Cause.CA_NOT_REGISTERED,
        f"no CA of this account and region signed it; its issuer is {issuer}"
        + (f"; the registration failed: {failure}" if failure else ""),
        "add it to 'cas' in cdk.json and deploy; or choose the device's account and region (AWS_PROFILE)",
    )


@check("ca.deployment", "CA: of this deployment", Cause.CA_OF_ANOTHER_DEPLOYMENT)
def check_ca_of_deployment(case: Case) -> Finding:
    """The CA belongs to this deployment."""
    ca = required(case.ca, _NO_CA)
    names = {ours.certificate_id: ours.name for ours in case.pipeline.deployment.cas}
    if ca.ca_id in names:
        return ok(f"CA '{names[ca.ca_id]}'")
    return failed(
        Cause.CA_OF_ANOTHER_DEPLOYMENT,
        f"CA {ca.ca_id} is registered, but the stack's CAs are {', '.join(names.values()) or 'none'}",
        "name the stack it belongs to (--stack), or add it to 'cas' in cdk.json and deploy: it is adopted",
    )


@check("ca.status", "CA: status", Cause.CA_INACTIVE)
def check_ca_active(case: Case) -> Finding:
    """The CA is ACTIVE."""
    ca = required(case.ca, _NO_CA)
    if ca.state.status is CaStatus.ACTIVE:
        return ok("ACTIVE")
    return failed(
        Cause.CA_INACTIVE,
        f"CA {ca.ca_id} is INACTIVE: its new devices are not registered",
        f"jitr ca enable {ca.ca_id}",
    )


@check("ca.auto_registration", "CA: auto-registration", Cause.AUTO_REGISTRATION_OFF)
def check_auto_registration(case: Case) -> Finding:
    """The CA registers devices at their first connect."""
    ca = required(case.ca, _NO_CA)
    if ca.state.auto_registration is AutoRegistration.ENABLE:
        return ok("ENABLE")
    return failed(
        Cause.AUTO_REGISTRATION_OFF,
        f"auto-registration of CA {ca.ca_id} is DISABLE: its new devices are not registered",
        f"jitr ca enable {ca.ca_id} (and 'auto_registration' in cdk.json, else a deployment turns it off)",
    )


@check("ca.template", "CA: provisioning template", Cause.CA_HAS_TEMPLATE)
def check_template(case: Case) -> Finding:
    """The CA has no provisioning template (JITP): a template would activate devices without any check."""
    ca = required(case.ca, _NO_CA)
    if not ca.has_template:
        return ok("none")
    return failed(
        Cause.CA_HAS_TEMPLATE,
        f"CA {ca.ca_id} has a registrationConfig: AWS's template decides, not this pipeline",
        f"take the template off, as 'jitr ca show {ca.ca_id}' describes, and deploy the stack",
    )


@check("ca.sni", "SNI", Cause.SNI_MISSING)
def check_sni(case: Case) -> Finding:
    """The device sends SNI, if the CA's mode needs it."""
    ca = required(case.ca, _NO_CA)
    if ca.mode is not Mode.SNI_ONLY:
        raise NotApplicableError(f"not needed in mode {ca.mode}")
    if case.subject.sends_sni is False:
        return failed(
            Cause.SNI_MISSING,
            f"CA {ca.ca_id} is registered in mode {ca.mode}, and the device sends no SNI",
            "let the TLS library send the endpoint's name (server_name, RFC 6066 section 3)",
        )
    return ok("the device sends it" if case.subject.sends_sni else "needed; most TLS libraries send it")


@check("certificate.registered", "certificate registered in AWS IoT", Cause.NEVER_CONNECTED)
def check_registered(case: Case) -> Finding:
    """AWS IoT has registered the device certificate."""
    found = case.registered
    if found is not None:
        return ok(f"{found.status}, since {found.registered_at:%Y-%m-%d %H:%M:%SZ}")
    return failed(
        Cause.NEVER_CONNECTED,
        f"AWS IoT has never seen certificate {case.subject.certificate_id}",
        "let the device connect ('jitr connect' shows what happens); it registers with its MQTT CONNECT, so "
        "the TLS handshake alone is not enough",
    )


def _registration_failure(case: Case) -> str:
    """The reason why the stack's last registration of a CA failed; empty if there is no readable failure."""
    name, _ = stack_and_prefix(case.pipeline.stack_name)
    pages = case.session.client("cloudformation").get_paginator("describe_stack_events")
    with suppress(*AwsError):
        for page in pages.paginate(StackName=name):
            for event in page["StackEvents"]:
                if event.get("ResourceType") != RESOURCE_TYPE:
                    continue
                # The newest event is the first, and the clean-up follows a failed creation.
                status = event.get("ResourceStatus", "")
                if status in {"CREATE_FAILED", "UPDATE_FAILED"}:
                    return event.get("ResourceStatusReason", "")
                if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                    return ""
    return ""
