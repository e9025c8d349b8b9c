"""The reconciler as it is deployed: its schedule, its settings, its permissions for scheduled tasks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr import ConfigurationError, JitrConfiguration, JitrStack
from iot_jitr.configuration import ReconcilerSettings
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.policy import DevicePolicy
from iot_jitr.things import ThingRegistration
from iot_jitr_runtime import environment
from iot_jitr_runtime.things.settings import Renewal
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import FACTORY_CA
from tests.support.stacks import app_without_bundling, as_list, named, statements
from tests.support.stacks import template as template_of_stack


@pytest.fixture
def stack() -> Iterator[cdk.Stack]:
    with app_without_bundling() as app:
        yield cdk.Stack(app, "Stack")


def configured(folder: Path, **root: Any) -> JitrConfiguration:
    (folder / "ca.pem").write_text(FACTORY)
    ca = {
        "name": "Factory",
        "certificate": "ca.pem",
        "signer": {"type": "secret", "secret": "key"},
        "revocation": "none",
    }
    return JitrConfiguration.parse({"cas": [ca], **root}, folder)


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


def test_how_often_it_looks_is_read_from_the_context(stack: cdk.Stack, tmp_path: Path) -> None:
    written = {"every": "1 minute", "pending_after": "14 days", "full_pass_every": "366 days"}

    made = JitrStack(stack, "Inner", configured(tmp_path, reconciler=written))

    variables_of_inner = variables(template_of_stack(made))
    _, rule = named(template_of_stack(made), "AWS::Events::Rule", "ReconcilerSchedule")
    assert rule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert variables_of_inner[environment.PENDING_AFTER_SECONDS] == str(14 * 86_400)
    assert variables_of_inner[environment.FULL_LISTING_SECONDS] == str(366 * 86_400)


def test_nothing_said_in_the_context_means_the_defaults(tmp_path: Path) -> None:
    assert configured(tmp_path).reconciler == configured(tmp_path, reconciler={}).reconciler
    assert configured(tmp_path).reconciler == ReconcilerSettings()


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"every": "0 minutes"}, "every"),
        ({"every": "90 seconds"}, "every"),
        ({"every": "2 days"}, "every"),
        ({"every": 5}, "every"),
        ({"pending_after": "59 seconds"}, "pending_after"),
        ({"pending_after": "15 days"}, "pending_after"),
        ({"full_pass_every": "367 days"}, "full_pass_every"),
        ({"every": "1 day", "full_pass_every": "1 hour"}, "full_pass_every"),
        ({"schedule": "1 hour"}, "schedule"),
    ],
)
def test_what_is_wrong_in_the_context_is_named(tmp_path: Path, written: object, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path, reconciler=written)
    assert caught.value.key == f"jitr.reconciler.{key}"
    assert "\n" not in str(caught.value)


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
