"""One cause out of several findings: observed before predicted, and the order of `Cause`."""

from datetime import timedelta

import pytest

from iot_jitr_cli.doctor.causes import FIXES, OF_REASONS, RESIDUAL, Cause
from iot_jitr_cli.doctor.checks import CHECKS
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from tests.support import doctor_account as da
from tests.support.crls import HOLD
from tests.support.doctor_account import DiagnosedDevice
from tests.support.sdk_session import GONE, Refusal
from tests.unit.cli.doctor.test_causes import (
    ALLOW_LIST,
    FAILING,
    FINE,
    OTHER_DEPLOYMENT,
    PENDING,
    UNSEEN,
    dead_letter,
    listing,
    presenting,
    refused,
    valid,
)

NO_STACK = {"cloudformation:DescribeStacks": Refusal("ValidationError", "Stack x does not exist")}
TEMPLATE = {"registrationConfig": {"templateBody": "{}"}}
OLD = timedelta(days=-9)


@pytest.mark.parametrize(
    ("cause", "device"),
    [
        # For an unregistered device, causes that prevent the registration come first.
        (Cause.EXPIRED, valid(OLD, OLD / 2).but(arguments=("--endpoint", "abc.iot.us-east-1.amazonaws.com"))),
        (Cause.EXPIRED, valid(OLD, OLD / 2).but(responses=NO_STACK)),
        (
            Cause.ENDPOINT_ELSEWHERE,
            UNSEEN.but(ca=None, arguments=("--endpoint", "abc.iot.us-east-1.amazonaws.com")),
        ),
        (Cause.CA_NOT_REGISTERED, UNSEEN.but(ca=None, responses=NO_STACK)),
        (Cause.CA_INACTIVE, UNSEEN.but(ca={**TEMPLATE, "status": "INACTIVE"})),
        (Cause.NOT_DEPLOYED, UNSEEN.but(ca=TEMPLATE, responses=NO_STACK)),
        (Cause.NOT_DEPLOYED, presenting(UNSEEN, da.device().certificate).but(responses=NO_STACK)),
        (Cause.CA_HAS_TEMPLATE, UNSEEN.but(ca=TEMPLATE, outputs=OTHER_DEPLOYMENT)),
        (
            Cause.SNI_MISSING,
            UNSEEN.but(ca={"certificateMode": "SNI_ONLY"}, arguments=("--no-sni",), outputs=OTHER_DEPLOYMENT),
        ),
        (Cause.CHAIN_CA_MISSING, presenting(UNSEEN, da.device().certificate).but(outputs=OTHER_DEPLOYMENT)),
        # A pending one: what the pipeline decided, then what is between it and the decision, from the end.
        (Cause.CA_HAS_TEMPLATE, refused(Reason.EXPIRED, ca=TEMPLATE)),
        (Cause.NOT_LISTED, refused(Reason.NOT_LISTED, outputs=ALLOW_LIST, listed=False, rule=None)),
        (Cause.EVENT_SOURCE_DISABLED, PENDING.but(mapping=None, rule=None)),
        (Cause.FUNCTION_STOPPED, PENDING.responding(lambda_GetFunctionConfiguration=GONE).but(rule=None)),
        (Cause.CRL_STALE, refused(Reason.CRL_STALE, **listing(next_update=OLD / 9), rule=None)),
        (Cause.RULE_SENDS_ELSEWHERE, PENDING.but(rule={"actions": [], "ruleDisabled": True})),
        (Cause.DEAD_LETTERED, PENDING.but(rule=None, dead_letters=[dead_letter()])),
        # Predicted causes come after those, and before the causes that are named if there is no other.
        (Cause.RULE_MISSING, PENDING.but(rule=None, outputs=ALLOW_LIST, listed=False)),
        (Cause.NOT_LISTED, PENDING.but(outputs=ALLOW_LIST, listed=False)),
        # An active one: what it may do, its files, and last what the sweep is about to do.
        (Cause.CA_HAS_TEMPLATE, FINE.but(policies={}, ca=TEMPLATE)),
        (Cause.POLICY_DETACHED, FINE.but(policies={}, key=b"not a key")),
        (Cause.KEY_MISMATCH, FINE.but(key=b"not a key", **listing(HOLD))),
        # A disabled one: the pipeline's own reasons before an operator's.
        (Cause.ON_HOLD, FINE.but(status="INACTIVE", row=da.row(State.SUSPENDED), ca=None, rule=None)),
        (Cause.SUPERSEDED, FINE.but(status="INACTIVE", row=da.row(State.RETIRED, **FAILING, task="retire"))),
        (Cause.POLICY_DETACHED, FINE.but(policies={}, row=da.row(**FAILING, task="retire"))),
        # A CA that was switched off does not explain why a registered device is pending.
        (Cause.EVENT_LOST, PENDING.but(ca={"status": "INACTIVE"})),
    ],
)
def test_the_cause_that_explains_the_device_is_named(cause: Cause, device: DiagnosedDevice) -> None:
    answer = device.diagnose()

    assert answer.cause is cause, {check["cause"] for check in answer.json["checks"]}
    assert answer.exit_code == 1


def test_every_cause_can_be_named_by_a_check_and_explains_a_phase() -> None:
    named = {cause for check in CHECKS for cause in check.causes}

    assert named == set(Cause) - {Cause.ALREADY_FINE, Cause.CHAIN_UNREADABLE}
    assert all(cause.phases for cause in Cause)
    assert named >= RESIDUAL


def test_every_reason_to_refuse_or_defer_has_a_cause_with_a_fix() -> None:
    assert set(OF_REASONS.values()) <= set(FIXES)


def test_the_first_finding_of_a_cause_gives_the_fix() -> None:
    answer = refused(Reason.ACCESS_DENIED).diagnose()

    fixes = [each["fix"] for each in answer.json["checks"] if each["cause"] == answer.cause]
    assert len(set(fixes)) == 2
    assert answer.json["fix"] == fixes[0]


def test_a_device_that_is_not_active_without_a_cause_is_undetermined() -> None:
    answer = FINE.but(status="INACTIVE", row=da.row(State.REFUSED)).diagnose()

    assert (answer.exit_code, answer.cause, answer.json["fix"]) == (3, None, None)


def test_control_characters_of_what_was_read_are_not_printed() -> None:
    detached = FINE.but(policies={}, row=da.row(policyName="a\x1b[2Jb\x07")).run()

    assert detached.exit_code == 1, detached.err
    assert detached.out.count("a\ufffd[2Jb\ufffd") == 3
