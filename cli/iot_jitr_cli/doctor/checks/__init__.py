"""The checklist, along the device's path: its files, the endpoint, the CA, the pipeline, the decision."""

from collections.abc import Callable
from dataclasses import dataclass

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks import (
    access,
    account,
    decision,
    delivery,
    files,
    function,
    judgement,
    ledger,
    registration,
)
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.findings import Finding


@dataclass(frozen=True)
class Check:
    """One line of the checklist."""

    id: str
    """Stable, in `--json`: added to, never renamed."""
    title: str
    run: Callable[[Case], Finding]
    causes: frozenset[Cause]
    """The causes that it can find."""


def _check(check: str, title: str, run: Callable[[Case], Finding], *causes: Cause) -> Check:
    return Check(check, title, run, frozenset(causes))


READABLE = _check("chain.readable", "chain file", files.check_order, Cause.CHAIN_UNREADABLE)
"""Not in the list: if the chain file cannot be read, no other check is made."""

CHECKS = (
    _check(
        "chain.order",
        "chain file: device certificate, then its CA's",
        files.check_order,
        Cause.CHAIN_WRONG_ORDER,
        Cause.CHAIN_WRONG_CERTIFICATES,
        Cause.CA_CERTIFICATE,
    ),
    _check(
        "chain.ca_included", "chain file: CA certificate", files.check_ca_included, Cause.CHAIN_CA_MISSING
    ),
    _check("certificate.key", "private key", files.check_key, Cause.KEY_MISMATCH),
    _check(
        "certificate.algorithms",
        "key, signature and key usage",
        files.check_algorithms,
        Cause.UNSUPPORTED_KEY,
        Cause.UNSUPPORTED_SIGNATURE,
        Cause.UNSUPPORTED_KEY_USAGE,
    ),
    _check(
        "certificate.validity",
        "validity",
        files.check_validity,
        Cause.EXPIRED,
        Cause.NOT_YET_VALID,
        Cause.CLOCK_SKEW,
        Cause.CA_EXPIRED,
    ),
    _check("device.clock", "the device's clock", files.check_clock, Cause.CLOCK_SKEW),
    _check("endpoint", "endpoint", account.check_endpoint, Cause.ENDPOINT_ELSEWHERE, Cause.ENDPOINT_NOT_ATS),
    _check("deployment", "deployment", account.check_deployed, Cause.NOT_DEPLOYED),
    _check(
        "ca.registered",
        "CA: registered",
        registration.check_ca_registered,
        Cause.CA_NOT_REGISTERED,
        Cause.CA_REGISTERED_ELSEWHERE,
    ),
    _check(
        "ca.signed", "CA: signed the device certificate", files.check_signed_by_ca, Cause.NOT_SIGNED_BY_CA
    ),
    _check(
        "ca.deployment",
        "CA: of this deployment",
        registration.check_ca_of_deployment,
        Cause.CA_OF_ANOTHER_DEPLOYMENT,
    ),
    _check("ca.status", "CA: status", registration.check_ca_active, Cause.CA_INACTIVE),
    _check(
        "ca.auto_registration",
        "CA: auto-registration",
        registration.check_auto_registration,
        Cause.AUTO_REGISTRATION_OFF,
    ),
    _check("ca.template", "CA: provisioning template", registration.check_template, Cause.CA_HAS_TEMPLATE),
    _check("ca.sni", "SNI", registration.check_sni, Cause.SNI_MISSING),
    _check(
        "certificate.registered",
        "certificate registered in AWS IoT",
        registration.check_registered,
        Cause.NEVER_CONNECTED,
    ),
    _check(
        "rule",
        "topic rule",
        delivery.check_rule,
        Cause.RULE_MISSING,
        Cause.RULE_DISABLED,
        Cause.RULE_ON_ANOTHER_TOPIC,
    ),
    _check(
        "rule.target",
        "topic rule → activation queue",
        delivery.check_rule_target,
        Cause.QUEUE_MISSING,
        Cause.RULE_SENDS_ELSEWHERE,
        Cause.RULE_ROLE_BROKEN,
    ),
    _check(
        "event_source",
        "activation queue → activator",
        delivery.check_event_source,
        Cause.EVENT_SOURCE_DISABLED,
    ),
    _check("function", "activator", function.check_function, Cause.FUNCTION_STOPPED),
    _check("function.role", "activator: role", function.check_function_role, Cause.FUNCTION_ROLE_BROKEN),
    _check("function.errors", "activator: errors", function.check_function_errors, Cause.FUNCTION_FAILING),
    _check("backlog", "activation queue: backlog, throttling", function.check_backlog, Cause.THROTTLED),
    _check("dead_letter", "dead-letter queue", function.check_dead_letter, Cause.DEAD_LETTERED),
    _check("decision.common_name", "common name", judgement.check_common_name, Cause.INVALID_COMMON_NAME),
    _check(
        "decision.crl",
        "CRL",
        judgement.check_crl,
        Cause.CRL_MISSING,
        Cause.CRL_STALE,
        Cause.CRL_PARTITION_MISSING,
    ),
    _check(
        "decision.revocation",
        "revocation",
        judgement.check_revocation,
        Cause.SERIAL_REVOKED,
        Cause.ON_HOLD,
    ),
    _check(
        "decision.admission",
        "admission",
        judgement.check_admission,
        Cause.NOT_LISTED,
        Cause.REFUSED_BY_FUNCTION,
        Cause.ADMISSION_FAILED,
    ),
    _check(
        "decision.thing",
        "thing",
        judgement.check_thing,
        Cause.THING_TAKEN,
        Cause.INVALID_THING_NAME,
        Cause.INVALID_THING_ATTRIBUTE,
        Cause.THING_SETUP_MISSING,
    ),
    _check(
        "decision",
        "decision in the ledger",
        decision.check_decision,
        Cause.REFUSAL_OUTDATED,
        Cause.BEING_DECIDED,
        Cause.EVENT_LOST,
        *ledger.CAUSE_OF.values(),
    ),
    _check(
        "certificate.status",
        "certificate's status",
        access.check_status,
        Cause.DEACTIVATED_BY_OPERATOR,
        Cause.REVOKED_BY_OPERATOR,
        Cause.SUPERSEDED,
    ),
    _check("policy.attached", "policy attached", access.check_policy_attached, Cause.POLICY_DETACHED),
    _check(
        "policy.client_id",
        "policy allows the client id",
        access.check_client_id,
        Cause.CLIENT_ID_NOT_ALLOWED,
    ),
)
"""Every check, in order."""
