"""How a command finds its deployment."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import click
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from click.testing import CliRunner

from iot_jitr_cli.console import CliError
from iot_jitr_cli.deployment import Deployment, NoDeploymentError, find_deployment, stack_option
from iot_jitr_runtime.stack_outputs import Output
from tests.support.aws_clients import aws_client


@pytest.fixture
def cloudformation() -> Iterator[tuple[Any, Stubber]]:
    """A session whose one client is stubbed, and the stub."""
    client = aws_client("cloudformation")
    with Stubber(client) as stubber:
        yield SimpleNamespace(region_name="eu-central-1", client={"cloudformation": client}.get), stubber
        stubber.assert_no_pending_responses()


def _stack(**outputs: str) -> dict[str, Any]:
    return {
        "Stacks": [
            {
                "StackName": "mine",
                "StackStatus": "CREATE_IN_PROGRESS",
                "CreationTime": "2026-01-01T00:00:00Z",
                "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            }
        ]
    }


def test_a_deployment_is_read_from_the_outputs_of_the_named_stack(cloudformation: Any) -> None:
    session, stubber = cloudformation
    answer = _stack(LedgerTable="ledger", FactoryCaCertificateId="ca-1", FactoryRule="rule-1", LabRule="x")
    stubber.add_response("describe_stacks", answer, {"StackName": "mine"})

    deployment = find_deployment(session, "mine")

    assert deployment[Output.LEDGER_TABLE] == "ledger"
    assert deployment.get(Output.DEVICE_POLICY_NAME) is None
    assert [(ca.name, ca.certificate_id, ca.rule) for ca in deployment.cas] == [("Factory", "ca-1", "rule-1")]


def test_a_prefix_chooses_one_of_several_pipelines_of_a_stack(cloudformation: Any) -> None:
    session, stubber = cloudformation
    answer = _stack(NorthLedgerTable="north", SouthLedgerTable="south", SouthFactoryCaCertificateId="ca-1")
    stubber.add_response("describe_stacks", answer, {"StackName": "mine"})

    deployment = find_deployment(session, "mine:South")

    assert deployment[Output.LEDGER_TABLE] == "south"
    assert [ca.name for ca in deployment.cas] == ["Factory"]


def test_a_stack_may_be_named_by_its_arn(cloudformation: Any) -> None:
    session, stubber = cloudformation
    arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/mine/1"
    stubber.add_response("describe_stacks", _stack(LedgerTable="ledger"), {"StackName": arn})

    found = find_deployment(session, arn)

    # The names of its alarms and the ARN in a printed policy have the stack's name.
    assert (found[Output.LEDGER_TABLE], found.stack_name) == ("ledger", "mine")


def test_an_output_that_is_missing_is_named() -> None:
    deployment = Deployment("mine", "eu-central-1", {})

    with pytest.raises(CliError, match=r"'mine' in eu-central-1 has no output 'LedgerTable'.*--stack"):
        deployment[Output.LEDGER_TABLE]


def test_a_stack_that_does_not_exist_is_named_with_its_region(cloudformation: Any) -> None:
    session, stubber = cloudformation
    stubber.add_client_error(
        "describe_stacks", "ValidationError", "Stack with id mine does not exist", http_status_code=400
    )

    with pytest.raises(NoDeploymentError, match="no stack 'mine' in region eu-central-1"):
        find_deployment(session, "mine")


@pytest.mark.parametrize(
    ("outputs", "name", "found"),
    [
        ({}, "mine", "has no outputs, its status is CREATE_IN_PROGRESS"),
        ({"LedgerTable": "x"}, "mine:West", "has no outputs that begin with 'West'"),
    ],
)
def test_a_stack_without_outputs_is_no_deployment(
    cloudformation: Any, outputs: dict[str, str], name: str, found: str
) -> None:
    session, stubber = cloudformation
    stubber.add_response("describe_stacks", _stack(**outputs), {"StackName": "mine"})

    with pytest.raises(NoDeploymentError, match=found):
        find_deployment(session, name)


def test_other_cloudformation_errors_propagate(cloudformation: Any) -> None:
    session, stubber = cloudformation
    stubber.add_client_error("describe_stacks", "AccessDenied", "not authorized", http_status_code=403)

    with pytest.raises(ClientError, match="AccessDenied"):
        find_deployment(session, "mine")


def test_the_stack_is_named_by_option_or_environment_and_has_a_default() -> None:
    @click.command()
    @stack_option
    def command(stack_name: str) -> None:
        click.echo(stack_name)

    runner = CliRunner()

    assert runner.invoke(command, []).output == "iot-jitr\n"
    assert runner.invoke(command, ["--stack", "mine"]).output == "mine\n"
    assert runner.invoke(command, [], env={"JITR_STACK": "theirs"}).output == "theirs\n"
