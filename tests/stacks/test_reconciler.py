"""The deployed reconciler: its schedule, its settings, its permissions for scheduled tasks."""

from pathlib import Path
from typing import Any

from iot_jitr import JitrConfiguration, ReconcilerSettings
from iot_jitr_runtime import environment
from tests.support.options import CA
from tests.support.stacks import named, template_of, variables

Template = dict[str, Any]


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
