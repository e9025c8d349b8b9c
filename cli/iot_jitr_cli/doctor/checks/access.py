"""After the decision: the certificate's status, its policy, and what the policy lets it do."""

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.finding import Finding, check, failed, not_applicable, ok, unknown
from iot_jitr_cli.doctor.reading import CannotTellError, aws_call
from iot_jitr_cli.policy.evaluation import Access, Session, decide
from iot_jitr_policy.document import PolicyDocument, PolicySyntaxError
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
    registered = case.registered
    if registered is None:
        return not_applicable("not registered")
    if registered.status in {"ACTIVE", _PENDING}:
        return ok(registered.status)
    row = case.row
    if row is not None and row.state in {State.SUSPENDED, State.REVOKED, State.REFUSED}:
        return ok(f"{registered.status}, by this pipeline")
    if row is not None and row.state is State.RETIRED:
        return failed(
            Cause.SUPERSEDED,
            f"{registered.status} since the grace period of a renewal ended; the thing is '{row.thing_name}'",
        )
    if registered.status == "REVOKED":
        return failed(
            Cause.REVOKED_BY_OPERATOR,
            "REVOKED, and not by this pipeline",
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
    registered = case.registered
    if registered is None or registered.status == _PENDING:
        return not_applicable(_NOT_YET)
    names = case.policies
    if names:
        return ok(", ".join(names))
    row = case.row
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
    registered = case.registered
    if registered is None or registered.status == _PENDING:
        return not_applicable(_NOT_YET)
    if not case.policies:
        return not_applicable("no policy to evaluate")
    certificate = case.certificate
    client_id = case.subject.client_id or next(iter(certificate.common_names if certificate else []), None)
    if client_id is None:
        return unknown("the client id is not known (--client-id)")
    try:
        return _tested(case, registered.arn, client_id)
    except CannotTellError as error:
        return _evaluated(case, client_id, str(error))


def _tested(case: Case, certificate_arn: str, client_id: str) -> Finding:
    resource = f"{certificate_arn.rsplit(':', 1)[0]}:client/{client_id}"
    with aws_call("iot:TestAuthorization"):
        answer = case.session.client("iot").test_authorization(
            principal=certificate_arn,
            clientId=client_id,
            authInfos=[{"actionType": "CONNECT", "resources": [resource]}],
        )
    decision = answer["authResults"][0].get("authDecision", "")
    if decision == "ALLOWED":
        return ok(f"'{client_id}', by TestAuthorization")
    return _refused(client_id, f"TestAuthorization says {decision}")


def _evaluated(case: Case, client_id: str, why: str) -> Finding:
    certificate = case.certificate
    if certificate is None:
        return unknown("the certificate cannot be parsed")
    session = Session.of(certificate, client_id, _thing(case))
    decision = decide(_documents(case), session, "iot:Connect", Resource("client", client_id))
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
    )


def _documents(case: Case) -> tuple[PolicyDocument, ...]:
    """The attached policies, in their default versions."""
    iot = case.session.client("iot")
    with aws_call("iot:GetPolicy"):
        texts = [iot.get_policy(policyName=name)["policyDocument"] for name in case.policies]
    try:
        return tuple(map(PolicyDocument.parse, texts))
    except PolicySyntaxError as error:
        raise CannotTellError(
            f"the attached policy is not one that can be evaluated here: {error}"
        ) from error


def _thing(case: Case) -> str | None:
    """Name of the thing that the certificate is attached to; None where there is none."""
    pages = case.session.client("iot").get_paginator("list_principal_things")
    with aws_call("iot:ListPrincipalThings"):
        found = pages.paginate(principal=case.registered.arn if case.registered else "")
        return next((name for page in found for name in page["things"]), None)
