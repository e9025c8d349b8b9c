"""The CA certificate at AWS IoT, and whether AWS IoT has ever seen the device."""

from collections.abc import Callable
from functools import wraps

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks.check import check
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok
from iot_jitr_runtime.ca_registration.lifecycle import IN_ANOTHER_ACCOUNT
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode
from iot_jitr_runtime.ca_registration.registry import RegisteredCa


def _where_there_is_a_ca(check: Callable[[Case, RegisteredCa], Finding]) -> Callable[[Case], Finding]:
    """A check of the registered CA that signed the device certificate, where there is one."""

    @wraps(check)
    def run(case: Case) -> Finding:
        ca = case.ca.issuer.ca
        return check(case, ca) if ca else not_applicable("no registered CA to look at")

    return run


@check("ca.registered", "CA: registered", Cause.CA_NOT_REGISTERED, Cause.CA_REGISTERED_ELSEWHERE)
def check_ca_registered(case: Case) -> Finding:
    """The CA that signed the device certificate is registered here."""
    ca = case.ca.issuer.ca
    if ca is not None:
        return ok(f"'{ca.certificate.subject}', id {ca.ca_id}")
    certificate = case.device.certificate
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
@_where_there_is_a_ca
def check_ca_of_deployment(case: Case, ca: RegisteredCa) -> Finding:
    """The CA belongs to this deployment."""
    names = {ours.certificate_id: ours.name for ours in case.pipeline.deployment.cas}
    if ca.ca_id in names:
        return ok(f"CA '{names[ca.ca_id]}'")
    return failed(
        Cause.CA_OF_ANOTHER_DEPLOYMENT,
        f"CA {ca.ca_id} is registered, but the stack's CAs are {', '.join(names.values()) or 'none'}",
        "name the stack it belongs to (--stack), or add it to 'cas' in cdk.json and deploy: it is adopted",
    )


@check("ca.status", "CA: status", Cause.CA_INACTIVE)
@_where_there_is_a_ca
def check_ca_active(_: Case, ca: RegisteredCa) -> Finding:
    """The CA is ACTIVE."""
    if ca.state.status is CaStatus.ACTIVE:
        return ok("ACTIVE")
    return failed(
        Cause.CA_INACTIVE,
        f"CA {ca.ca_id} is INACTIVE: its new devices are not registered",
        f"jitr ca enable {ca.ca_id}",
    )


@check("ca.auto_registration", "CA: auto-registration", Cause.AUTO_REGISTRATION_OFF)
@_where_there_is_a_ca
def check_auto_registration(_: Case, ca: RegisteredCa) -> Finding:
    """The CA registers devices at their first connect."""
    if ca.state.auto_registration is AutoRegistration.ENABLE:
        return ok("ENABLE")
    return failed(
        Cause.AUTO_REGISTRATION_OFF,
        f"auto-registration of CA {ca.ca_id} is DISABLE: its new devices are not registered",
        f"jitr ca enable {ca.ca_id} (and 'auto_registration' in cdk.json, else a deployment turns it off)",
    )


@check("ca.template", "CA: provisioning template", Cause.CA_HAS_TEMPLATE)
@_where_there_is_a_ca
def check_template(_: Case, ca: RegisteredCa) -> Finding:
    """The CA has no provisioning template (JITP), which would activate devices past every check."""
    if not ca.has_template:
        return ok("none")
    return failed(
        Cause.CA_HAS_TEMPLATE,
        f"CA {ca.ca_id} has a registrationConfig: AWS's template decides, not this pipeline",
        f"take the template off, as 'jitr ca show {ca.ca_id}' says, and deploy the stack",
    )


@check("ca.sni", "SNI", Cause.SNI_MISSING)
@_where_there_is_a_ca
def check_sni(case: Case, ca: RegisteredCa) -> Finding:
    """The device sends SNI where the CA's mode needs it."""
    if ca.mode is not Mode.SNI_ONLY:
        return not_applicable(f"not needed in mode {ca.mode}")
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
    found = case.device.registered
    if found is not None:
        return ok(f"{found.status}, since {found.registered_at:%Y-%m-%d %H:%M:%SZ}")
    return failed(
        Cause.NEVER_CONNECTED,
        f"AWS IoT has never seen certificate {case.subject.certificate_id}",
        "let the device connect ('jitr connect' shows what happens); it registers with its MQTT CONNECT, so "
        "the TLS handshake alone is not enough",
    )


def _registration_failure(case: Case) -> str:
    try:
        return case.ca.registration_failure
    except CannotTellError:
        return ""
