"""The reconciler as it is deployed: its schedule, what it is told, and what it may do where it has chores."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr.pipeline import JitrPipeline
from iot_jitr.policy import DevicePolicy
from iot_jitr.reconciler import ReconcilerSettings
from iot_jitr.things import ThingRegistration
from iot_jitr_runtime import environment
from iot_jitr_runtime.things.settings import Renewal
from tests.support.scenarios import FACTORY_CA
from tests.support.stacks import app_without_bundling, as_list, named, statements
from tests.support.stacks import template as template_of_stack


@pytest.fixture
def stack() -> Iterator[cdk.Stack]:
    with app_without_bundling() as app:
        yield cdk.Stack(app, "Stack")


def variables(template: dict[str, Any]) -> dict[str, Any]:
    _, function = named(template, "AWS::Lambda::Function", "Reconciler")
    return dict(function["Properties"]["Environment"]["Variables"])


def actions(template: dict[str, Any]) -> set[str]:
    return {
        action for statement in statements(template, "Reconciler") for action in as_list(statement["Action"])
    }


def test_it_looks_once_an_hour_for_what_has_been_pending_for_a_quarter(template: dict[str, Any]) -> None:
    _, rule = named(template, "AWS::Events::Rule", "ReconcilerSchedule")

    assert rule["Properties"]["ScheduleExpression"] == "rate(1 hour)"
    assert variables(template)[environment.PENDING_AFTER_SECONDS] == "900"
    assert variables(template)[environment.FULL_LISTING_SECONDS] == "604800"


def test_an_invocation_that_failed_is_left_to_the_next_one(template: dict[str, Any]) -> None:
    _, rule = named(template, "AWS::Events::Rule", "ReconcilerSchedule")

    [target] = rule["Properties"]["Targets"]
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}


def test_how_often_it_looks_can_be_said(stack: cdk.Stack) -> None:
    JitrPipeline(
        stack,
        "Jitr",
        cas=[FACTORY_CA],
        reconciler=ReconcilerSettings(
            every=timedelta(minutes=10), pending_after=timedelta(hours=2), full_pass_every=timedelta(days=1)
        ),
    )

    made = template_of_stack(stack)
    _, rule = named(made, "AWS::Events::Rule", "ReconcilerSchedule")
    assert rule["Properties"]["ScheduleExpression"] == "rate(10 minutes)"
    assert variables(made)[environment.PENDING_AFTER_SECONDS] == "7200"
    assert variables(made)[environment.FULL_LISTING_SECONDS] == "86400"


def test_where_things_are_renewed_it_may_retire_certificates(stack: cdk.Stack) -> None:
    JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], things=ThingRegistration(renewal=Renewal.ALLOW))

    made = template_of_stack(stack)
    assert {"iot:UpdateCertificate", "iot:DetachThingPrincipal"} <= actions(made)
    assert environment.THINGS in variables(made)


def test_where_devices_have_their_own_policies_it_may_delete_them(stack: cdk.Stack) -> None:
    JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], device_policy=DevicePolicy.per_device())

    made = template_of_stack(stack)
    assert {"iot:DetachPolicy", "iot:DeletePolicy"} <= actions(made)
    assert "iot:UpdateCertificate" not in actions(made)
