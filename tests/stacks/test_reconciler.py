"""The deployed reconciler: its schedule, its settings, its permissions for scheduled tasks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iot_jitr import DevicePolicy, JitrConfiguration, ReconcilerSettings, Renewal, ThingRegistration
from iot_jitr_runtime import environment
from tests.support.ca_certificates import FACTORY
from tests.support.stacks import DEFAULTS, granted, named, template_of, variables

Template = dict[str, Any]
CA = {"name": "Factory", "certificate": FACTORY, "mode": "SNI_ONLY", "revocation": "none"}


def schedule(template: Template) -> tuple[str, str, str]:
    """Interval of the runs, the longest time pending, and interval of the full passes."""
    _, rule = named(template, "AWS::Events::Rule", "ReconcilerSchedule")
    found = variables(template, "Reconciler")
    return (
        rule["Properties"]["ScheduleExpression"],
        found[environment.PENDING_AFTER_SECONDS],
        found[environment.FULL_LISTING_SECONDS],
    )


def test_the_reconciler_runs_hourly_and_a_failed_run_is_not_retried(template: Template) -> None:
    _, rule = named(template, "AWS::Events::Rule", "ReconcilerSchedule")

    assert schedule(template) == ("rate(1 hour)", "900", "604800")
    [target] = rule["Properties"]["Targets"]
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}


def test_the_interval_of_the_reconciler_is_configured_in_cdk_json(tmp_path: Path) -> None:
    """Refused values are tested in `test_option_validation.py`."""
    written = {"every": "10 minutes", "pending_after": "14 days", "full_pass_every": "366 days"}

    configured = JitrConfiguration.parse({"cas": [CA], "reconciler": written}, tmp_path)

    assert schedule(template_of(configured)) == ("rate(10 minutes)", "1209600", "31622400")
    for nothing in ({}, {"reconciler": {}}):
        read = JitrConfiguration.parse({"cas": [CA], **nothing}, tmp_path)
        assert read.reconciler == ReconcilerSettings()


@pytest.mark.parametrize(
    ("options", "may", "may_not"),
    [
        (
            {"things": ThingRegistration(renewal=Renewal.ALLOW)},
            {"iot:UpdateCertificate", "iot:DetachThingPrincipal"},
            {"iot:DeletePolicy"},
        ),
        (
            {"policy": DevicePolicy.per_device()},
            {"iot:DetachPolicy", "iot:DeletePolicy"},
            {"iot:UpdateCertificate"},
        ),
    ],
    ids=["renewals", "own policies"],
)
def test_the_reconciler_has_permissions_for_the_configured_tasks_only(
    options: dict[str, Any], may: set[str], may_not: set[str]
) -> None:
    made = template_of(replace(DEFAULTS, **options))

    actions = dict(granted(made, "Reconciler")).keys()
    assert may <= actions
    assert not may_not & actions
    assert (environment.THINGS in variables(made, "Reconciler")) is ("things" in options)
