"""What `cdk destroy` leaves; active devices stay active."""

from collections.abc import Iterator

import pytest

from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import Cloud, deployed_cloud


@pytest.fixture
def own_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud that this test may take apart, whose CA goes with the stack."""
    with deployed_cloud(tmp_path_factory.mktemp("own"), on_delete="delete") as cloud:
        yield cloud


def remains(cloud: Cloud) -> dict[str, list[str]]:
    """What is left of every kind of resource that the stack makes."""
    iot, functions = cloud.client("iot"), cloud.client("lambda")
    return {
        "rules": [rule["ruleName"] for rule in iot.list_topic_rules()["rules"]],
        "CAs": [ca["certificateId"] for ca in iot.list_ca_certificates()["certificates"]],
        "policies": [policy["policyName"] for policy in iot.list_policies()["policies"]],
        "functions": [each["FunctionName"] for each in functions.list_functions()["Functions"]],
        "event sources": [
            each["UUID"] for each in functions.list_event_source_mappings()["EventSourceMappings"]
        ],
        "queues": cloud.client("sqs").list_queues().get("QueueUrls", []),
        "tables": cloud.client("dynamodb").list_tables()["TableNames"],
        "roles": [role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]],
        "logs": [group["logGroupName"] for group in cloud.client("logs").describe_log_groups()["logGroups"]],
    }


def test_destroy_leaves_policy_and_ledger_only_and_an_active_device_stays_active(own_cloud: Cloud) -> None:
    identity = own_cloud.admit_device("stays")
    before, outputs = remains(own_cloud), own_cloud.outputs
    # In the local cloud a function that still runs makes its log group anew, which on AWS it may not.
    own_cloud.wait_until_drained()

    own_cloud.lab.destroy()
    result = own_cloud.connect(identity)

    assert all(before.values()), before
    assert {kind: left for kind, left in remains(own_cloud).items() if left} == {
        "policies": [outputs[Output.DEVICE_POLICY_NAME]],
        "tables": [outputs[Output.LEDGER_TABLE]],
    }
    assert own_cloud.status(identity.certificate.fingerprint) == "ACTIVE"
    assert (result.ending, result.attempts) == ("published", 1)
