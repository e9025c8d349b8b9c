"""Each call is denied or fails in turn: the checks that need it are unknown, no other check changes."""

import re
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.permissions import minimal_policy
from iot_jitr_cli.least_policy import Resources
from iot_jitr_runtime.outcomes import Reason
from tests.support import doctor_account as da
from tests.support.doctor_account import DiagnosedDevice
from tests.support.sdk_session import DENIED, Refusal
from tests.unit.cli.doctor.test_causes import (
    ALLOW_LIST,
    FINE,
    PENDING,
    UNSEEN,
    WITHOUT_TEST,
    dead_letter,
    listing,
    refused,
)

WITH_ALL = {"outputs": ALLOW_LIST, "arguments": ("--endpoint", "abc123-ats.iot.eu-central-1.amazonaws.com")}
DEVICES: dict[str, DiagnosedDevice] = {
    "active": FINE.but(**WITH_ALL, **listing()),
    "active, evaluated offline": FINE.but(**WITH_ALL, **listing(), responses=WITHOUT_TEST),
    "pending": PENDING.but(
        **WITH_ALL, **listing(), waiting=3, dead_letters=[{**dead_letter(), "Body": "{}"}]
    ),
    "refused": refused(Reason.EXPIRED, **WITH_ALL, **listing()),
    "unseen": UNSEEN.but(**WITH_ALL),
    "unseen, without a CA": UNSEEN.but(**WITH_ALL, ca=None),
}
WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}
"""Every caller may make this call."""
NOT_READ_HERE = {"dynamodb:Scan", "s3:ListBucket"}
"""Needed for `--all`, and so that S3 reports a missing index as missing."""


def calls(device: DiagnosedDevice) -> list[str]:
    diagnosed = device.but()
    diagnosed.diagnose()
    return sorted(set(diagnosed.calls))


MADE = {name: calls(device) for name, device in DEVICES.items()}
EACH = [pytest.param(DEVICES[name], action, id=f"{name}-{action}") for name in MADE for action in MADE[name]]


def statuses(device: DiagnosedDevice) -> dict[str, str]:
    return {check["id"]: check["status"] for check in device.diagnose().json["checks"]}


@pytest.mark.parametrize(("device", "action"), EACH)
@pytest.mark.parametrize(
    "fault",
    [DENIED, Refusal("InternalFailureException"), EndpointConnectionError(endpoint_url="http://127.0.0.1:1")],
    ids=["denied", "failing", "unreachable"],
)
def test_a_call_that_fails_is_reported_and_changes_no_other_check(
    device: DiagnosedDevice, action: str, fault: Any
) -> None:
    before, faulty = device.but().diagnose(), device.but(responses={**device.responses, action: fault})

    after = faulty.diagnose()

    unknown = [check for check in after.json["checks"] if check["status"] == "unknown"]
    denied = fault is DENIED and action not in WITHOUT_PERMISSION
    assert set(after.json["missing_permissions"]) <= ({action} if denied else set())
    assert {check["permission"] for check in unknown if check["permission"]} <= {action}
    if any(check["permission"] for check in unknown):
        assert after.json["missing_permissions"] == [action]
    # A check that is made without the call has the same cause as before, or predicts less.
    found = {check["id"]: check["cause"] for check in before.json["checks"]}
    for check in after.json["checks"]:
        assert check["cause"] in {None, found[check["id"]], *_less_specific(check["id"])}
    assert after.exit_code in {before.exit_code, 3}
    if after.exit_code != 3:
        assert after.cause is before.cause


def _less_specific(check: str) -> set[str]:
    # An unreadable failed registration is no evidence; an unreadable current decision is no evidence either.
    return {"ca.registered": {"ca_not_registered"}}.get(check, set())


def test_no_call_is_made_more_than_once_for_the_same_parameters() -> None:
    for device in DEVICES.values():
        diagnosed = device.but()
        diagnosed.diagnose()
        made = diagnosed.calls
        twice = {action for action in made if made.count(action) > 1}
        assert twice <= {
            "dynamodb:GetItem",  # ledger, allow list, the task of the session
            "iam:SimulatePrincipalPolicy",  # each resource
            "logs:FilterLogEvents",  # each pattern
            "sqs:GetQueueAttributes",  # both queues
            "sqs:ReceiveMessage",  # until nothing is new
        }


def test_the_printed_policy_allows_exactly_the_calls_that_are_made() -> None:
    made = {action for actions in MADE.values() for action in actions}
    document = minimal_policy(Resources(Deployment("stack", da.REGION, da.OUTPUTS), da.ACCOUNT))
    allowed = {action for statement in document["Statement"] for action in statement["Action"]}

    assert made - WITHOUT_PERMISSION == allowed - NOT_READ_HERE


def test_a_missing_permission_makes_the_result_undetermined_and_is_named() -> None:
    answer = FINE.responding(iot_DescribeCertificate=DENIED).diagnose()

    assert (answer.exit_code, answer.json["conclusion"]) == (3, "undetermined")
    assert answer.json["phase"] == "unknown"
    assert answer.json["missing_permissions"] == ["iot:DescribeCertificate"]


def test_an_observed_cause_is_certain_even_if_other_checks_are_unknown() -> None:
    answer = UNSEEN.but(ca=None).responding(dynamodb_GetItem=DENIED).diagnose()

    assert (answer.exit_code, answer.cause) == (1, Cause.CA_NOT_REGISTERED)


def test_a_residual_cause_is_undetermined_if_a_check_is_unknown() -> None:
    answer = UNSEEN.responding(iot_ListCACertificates=DENIED).diagnose()

    assert (answer.exit_code, answer.cause) == (3, Cause.NEVER_CONNECTED)
    assert answer.json["fix"]


def test_an_unknown_check_that_cannot_find_the_cause_is_ignored() -> None:
    answer = FINE.responding(iot_GetTopicRule=DENIED).diagnose()

    assert (answer.exit_code, answer.cause) == (0, Cause.ALREADY_FINE)
    assert answer.json["missing_permissions"] == ["iot:GetTopicRule"]


def test_a_denied_rule_differs_from_a_missing_one_by_its_message() -> None:
    named = Refusal("UnauthorizedException", "User: x is not authorized to perform: iot:GetTopicRule")

    found = PENDING.responding(iot_GetTopicRule=named).diagnose().check("rule")

    assert (found["status"], found["permission"]) == ("unknown", "iot:GetTopicRule")


def test_an_unreachable_endpoint_is_explained() -> None:
    error = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    found = FINE.responding(iot_DescribeCertificate=error).diagnose().check("certificate.registered")

    assert re.search("is the network up", found["evidence"])
    assert found["permission"] is None
