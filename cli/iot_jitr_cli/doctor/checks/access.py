"""After the decision: the certificate's status, its policy, the allowed client id, its connection."""

from contextlib import suppress

import botocore

from iot_jitr_cli.doctor.case import Case, Registered
from iot_jitr_cli.doctor.causes import Cause, Phase
from iot_jitr_cli.doctor.finding import Finding, NotApplicableError, check, failed, ok, required
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call
from iot_jitr_cli.durations import format_time
from iot_jitr_cli.policy.evaluation import Access, Session, decide
from iot_jitr_policy.document import PolicyDocument, PolicySyntaxError
from iot_jitr_policy.resources import Resource
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.policy.client_id import client_id as client_id_of
from iot_jitr_runtime.stack_outputs import Output


@check(
    "certificate.status",
    "certificate's status",
    Cause.DEACTIVATED_BY_OPERATOR,
    Cause.REVOKED_BY_OPERATOR,
    Cause.SUPERSEDED,
)
def check_status(case: Case) -> Finding:
    """The certificate was not deactivated or revoked outside of the pipeline."""
    registered = required(case.registered, "not registered")
    if registered.phase is not Phase.DISABLED:
        return ok(registered.status)
    row = case.row
    if row is not None and row.state in {State.SUSPENDED, State.REVOKED, State.REFUSED}:
        return ok(f"{registered.status}, by this pipeline")
    if row is not None and row.state is State.RETIRED:
        return failed(
            Cause.SUPERSEDED,
            f"{registered.status} since the grace period of a renewal ended; the thing is '{row.thing_name}'",
            "let the device use its newer certificate; if it does not have it, issue one and let it connect",
        )
    if registered.status == "REVOKED":
        fix = "that is final: issue the device a new certificate"
        return failed(Cause.REVOKED_BY_OPERATOR, "REVOKED, and not by this pipeline", fix)
    return failed(
        Cause.DEACTIVATED_BY_OPERATOR,
        f"{registered.status}, and not by this pipeline",
        "find out who did it and why; then: aws iot update-certificate --new-status ACTIVE --certificate-id "
        f"{case.subject.certificate_id}",
    )


@check("policy.attached", "policy attached", Cause.POLICY_DETACHED)
def check_policy_attached(case: Case) -> Finding:
    """The certificate has a policy: without one, AWS IoT refuses the CONNECT of an active certificate."""
    registered = _after_activation(case)
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
    """The policy allows the device to connect under its client id."""
    registered = _after_activation(case)
    required(case.policies or None, "no policy to evaluate")
    client_id = _client_id(case)
    try:
        return _tested(case, registered.arn, client_id)
    except UndeterminedError as error:
        return _evaluated(case, client_id, str(error))


@check("connection", "connection")
def check_connection(case: Case) -> Finding:
    """Whether the device is connected, or time and reason of its last disconnect. It never finds a cause.

    https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_GetConnection.html
    """
    required(case.registered, "not registered")
    client_id = _client_id(case)
    iot_data = case.session.client("iot-data")
    if not hasattr(iot_data, "get_connection"):
        version = botocore.__version__
        raise UndeterminedError(f"botocore {version} has no GetConnection; 1.43.17 and newer have it")
    with aws_call("iot:GetConnection"):
        try:
            found = iot_data.get_connection(clientId=client_id)
        except iot_data.exceptions.ResourceNotFoundException as error:
            raise NotApplicableError(
                f"AWS IoT has no connection of '{client_id}': not connected, nor in the last 30 minutes"
            ) from error
    if found.get("connected"):
        return ok(f"'{client_id}' is connected{_since(found.get('connectedSince'))}")
    why = f", {reason}" if (reason := found.get("disconnectReason")) else ""
    return ok(f"'{client_id}' is not connected{_since(found.get('disconnectedSince'))}{why}")


def _since(milliseconds: int | None) -> str:
    return f" since {format_time(milliseconds)}" if milliseconds else ""


def _after_activation(case: Case) -> Registered:
    """The certificate, if it is no longer pending."""
    registered = case.registered
    decided = registered if registered and registered.phase is not Phase.PENDING else None
    return required(decided, "the policy is attached when the certificate is activated")


def _client_id(case: Case) -> str:
    """The device's client id: from `--client-id`, else from its policy, else its common name.

    Raises:
        UndeterminedError: No client id is known.
    """
    if case.subject.client_id is not None:
        return case.subject.client_id
    with suppress(UndeterminedError):
        template, row = case.pipeline.deployment.get(Output.SESSION_CLIENT_ID), case.row
        if template is not None and row is not None and (found := client_id_of(template, row)):
            return found
    names = case.certificate.common_names if case.certificate else ()
    if not names:
        raise UndeterminedError("the client id is not known (--client-id)")
    return names[0]


def _tested(case: Case, certificate_arn: str, client_id: str) -> Finding:
    resource = f"{certificate_arn.rsplit(':', 1)[0]}:client/{client_id}"
    with aws_call("iot:TestAuthorization"):
        response = case.session.client("iot").test_authorization(
            principal=certificate_arn,
            clientId=client_id,
            authInfos=[{"actionType": "CONNECT", "resources": [resource]}],
        )
    decision = response["authResults"][0].get("authDecision", "")
    if decision == "ALLOWED":
        return ok(f"'{client_id}', by TestAuthorization")
    return _refused(client_id, f"the result of TestAuthorization is {decision}")


def _evaluated(case: Case, client_id: str, why: str) -> Finding:
    certificate = case.certificate
    if certificate is None:
        raise UndeterminedError("the certificate cannot be parsed")
    session = Session.of(certificate, client_id, _thing(case))
    decision = decide(_documents(case), session, "iot:Connect", Resource("client", client_id))
    if decision.access is Access.ALLOWED:
        return ok(f"'{client_id}', evaluated offline (no TestAuthorization: {why})")
    if decision.access is Access.DEPENDS:
        raise UndeterminedError(
            f"whether '{client_id}' is allowed depends on a condition that cannot be evaluated offline"
        )
    return _refused(client_id, f"the policy's result is '{decision.access}', evaluated offline")


def _refused(client_id: str, evidence: str) -> Finding:
    return failed(
        Cause.CLIENT_ID_NOT_ALLOWED,
        f"'{client_id}' may not connect: {evidence}",
        "let the device connect with its certificate's common name as client id, or change the device policy",
    )


def _documents(case: Case) -> tuple[PolicyDocument, ...]:
    """The attached policies, in their default versions."""
    iot = case.session.client("iot")
    with aws_call("iot:GetPolicy"):
        texts = [iot.get_policy(policyName=name)["policyDocument"] for name in case.policies]
    try:
        return tuple(map(PolicyDocument.parse, texts))
    except PolicySyntaxError as error:
        raise UndeterminedError(
            f"the attached policy is not one that can be evaluated here: {error}"
        ) from error


def _thing(case: Case) -> str | None:
    """Name of the thing that the certificate is attached to; None if there is none."""
    pages = case.session.client("iot").get_paginator("list_principal_things")
    with aws_call("iot:ListPrincipalThings"):
        found = pages.paginate(principal=case.registered.arn if case.registered else "")
        return next((name for page in found for name in page["things"]), None)
