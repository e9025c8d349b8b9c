"""After the decision: the certificate's status, its policy, and what the policy lets it do."""

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks.check import check
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok, unknown
from iot_jitr_cli.policy.evaluation import Access, Session, decide
from iot_jitr_policy.resources import Resource
from iot_jitr_runtime.ledger import State

_PENDING = "PENDING_ACTIVATION"
_NOT_YET = "the policy is attached when the certificate is activated"


@check(
    "certificate.status",
    "certificate's status",
    Cause.DEACTIVATED_BY_OPERATOR,
    Cause.REVOKED_BY_OPERATOR,
    Cause.SUPERSEDED,
)
def check_status(case: Case) -> Finding:
    """The certificate was not deactivated or revoked outside of the pipeline."""
    registered = case.device.registered
    if registered is None:
        return not_applicable("not registered")
    if registered.status in {"ACTIVE", _PENDING}:
        return ok(registered.status)
    row = case.decision.row
    if row is not None and row.state in {State.SUSPENDED, State.REVOKED, State.REFUSED}:
        return ok(f"{registered.status}, by this pipeline")
    if row is not None and row.state is State.RETIRED:
        return failed(
            Cause.SUPERSEDED,
            f"{registered.status} since the grace period of a renewal ended; the thing is '{row.thing_name}'",
            "let the device use its newer certificate; if it does not have it, issue one and let it connect",
        )
    if registered.status == "REVOKED":
        return failed(
            Cause.REVOKED_BY_OPERATOR,
            "REVOKED, and not by this pipeline",
            "that is final: issue the device a new certificate",
        )
    return failed(
        Cause.DEACTIVATED_BY_OPERATOR,
        f"{registered.status}, and not by this pipeline",
        "find out who did it and why; then: aws iot update-certificate --new-status ACTIVE --certificate-id "
        f"{case.subject.certificate_id}",
    )


@check("policy.attached", "policy attached", Cause.POLICY_DETACHED)
def check_policy_attached(case: Case) -> Finding:
    """The certificate has a policy: without one, AWS IoT refuses the CONNECT of an active certificate."""
    registered = case.device.registered
    if registered is None or registered.status == _PENDING:
        return not_applicable(_NOT_YET)
    names = case.device.policies
    if names:
        return ok(", ".join(names))
    row = case.decision.row
    given = f", although '{row.policy_name}' was attached to it" if row and row.policy_name else ""
    policy = row.policy_name if row and row.policy_name else "POLICY"
    return failed(
        Cause.POLICY_DETACHED,
        f"no policy is attached{given}",
        f"aws iot attach-policy --policy-name {policy} --target {registered.arn}",
    )


@check("policy.client_id", "policy allows the client id", Cause.CLIENT_ID_NOT_ALLOWED)
def check_client_id(case: Case) -> Finding:
    """The policy lets the device connect under its client id."""
    registered = case.device.registered
    if registered is None or registered.status == _PENDING:
        return not_applicable(_NOT_YET)
    if not case.device.policies:
        return not_applicable("no policy to evaluate")
    certificate = case.device.certificate
    client_id = case.subject.client_id or next(iter(certificate.common_names if certificate else []), None)
    if client_id is None:
        return unknown("the client id is not known (--client-id)")
    try:
        return _tested(case, registered.arn, client_id)
    except CannotTellError as error:
        return _evaluated(case, client_id, str(error))


def _tested(case: Case, certificate_arn: str, client_id: str) -> Finding:
    resource = f"{certificate_arn.rsplit(':', 1)[0]}:client/{client_id}"
    result = case.device.authorization(client_id, resource)
    decision = result.get("authDecision", "")
    if decision == "ALLOWED":
        return ok(f"'{client_id}', by TestAuthorization")
    return _refused(client_id, f"TestAuthorization says {decision}")


def _evaluated(case: Case, client_id: str, why: str) -> Finding:
    certificate = case.device.certificate
    thing = next(iter(case.device.things), None)
    if certificate is None:
        return unknown("the certificate cannot be parsed")
    session = Session.of(certificate, client_id, thing)
    decision = decide(case.device.documents, session, "iot:Connect", Resource("client", client_id))
    if decision.access is Access.ALLOWED:
        return ok(f"'{client_id}', evaluated offline (no TestAuthorization: {why})")
    if decision.access is Access.DEPENDS:
        return unknown(
            f"whether '{client_id}' is allowed depends on a condition that cannot be evaluated offline"
        )
    return _refused(client_id, f"the policy says {decision.access}, evaluated offline")


def _refused(client_id: str, evidence: str) -> Finding:
    return failed(
        Cause.CLIENT_ID_NOT_ALLOWED,
        f"'{client_id}' may not connect: {evidence}",
        "let the device connect with its certificate's common name as client id, or change the device policy",
    )
