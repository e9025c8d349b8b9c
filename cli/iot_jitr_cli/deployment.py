"""Finds the deployment for a command, through the outputs of its CloudFormation stack.

>>> deployment = find_deployment(aws_session(), "iot-jitr")  # doctest: +SKIP
>>> deployment[Output.LEDGER_TABLE]  # doctest: +SKIP
'iot-jitr-JitrLedgerTable8B4F1D3C-1KQ2X'
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from botocore.exceptions import ClientError

from iot_jitr_cli.console import CliError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.stack_outputs import CA_CERTIFICATE_ID, RULE, Output

if TYPE_CHECKING:
    import boto3

DEFAULT_STACK = "iot-jitr"
"""Name of the stack unless `cdk.json` has another name (`stack_name`)."""


class NoDeploymentError(CliError):
    """There is no such stack, or it has no outputs because its deployment is in progress or has failed."""


@dataclass(frozen=True)
class DeployedCa:
    """A CA of a deployment."""

    name: str
    """The CA's name in the configuration."""
    certificate_id: CaCertificateId
    rule: str
    """Name of the topic rule for its registration events."""


@dataclass(frozen=True)
class Deployment:
    """One deployed pipeline, described by the outputs of its stack."""

    stack_name: str
    region: str
    outputs: Mapping[str, str]

    def __getitem__(self, output: Output) -> str:
        """The value of an output.

        Raises:
            CliError: The stack does not have this output.
        """
        if output not in self.outputs:
            raise CliError(
                f"the stack '{self.stack_name}' in {self.region} has no output '{output}': it is not a stack "
                "of iot-jitr (--stack NAME names another; in a stack of your own, add DeploymentOutputs), or "
                "it was deployed without that part"
            )
        return self.outputs[output]

    def get(self, output: Output) -> str | None:
        """The value of an output; None if the deployment does not have that part."""
        return self.outputs.get(output)

    @property
    def cas(self) -> tuple[DeployedCa, ...]:
        """The CAs of the deployment, by name."""
        return tuple(
            DeployedCa(name, CaCertificateId(value), self.outputs.get(f"{name}{RULE}", ""))
            for output, value in sorted(self.outputs.items())
            if (name := output.removesuffix(CA_CERTIFICATE_ID)) and name != output
        )


def stack_and_prefix(text: str) -> tuple[str, str]:
    """The stack, and the prefix of its outputs (or ""), that `--stack` names: `NAME[:PREFIX]`, or an ARN.

    >>> stack_and_prefix("plants:North"), stack_and_prefix("iot-jitr")
    (('plants', 'North'), ('iot-jitr', ''))
    """
    # The name may also be the stack's ARN, which contains colons.
    name, _, prefix = (text, "", "") if text.startswith("arn:") else text.partition(":")
    return name, prefix


def find_deployment(session: "boto3.Session", stack_name: str = DEFAULT_STACK) -> Deployment:
    """Find a deployment by the name of its stack. Needs the permission `cloudformation:DescribeStacks`.

    Args:
        session: The account and region.
        stack_name: The stack's name; with `:PREFIX`, the pipeline whose outputs begin with that prefix.

    Raises:
        NoDeploymentError: There is no such stack in this account and region, or it has no outputs (yet).
        botocore.exceptions.ClientError: CloudFormation refused the call.
    """
    region = session.region_name
    stack_name, prefix = stack_and_prefix(stack_name)
    try:
        answer = session.client("cloudformation").describe_stacks(StackName=stack_name)
    except ClientError as error:
        # CloudFormation has no specific error code for this.
        if "does not exist" not in error.response.get("Error", {}).get("Message", ""):
            raise
        raise NoDeploymentError(
            f"there is no stack '{stack_name}' in region {region}: check AWS_PROFILE and AWS_REGION, name it "
            "with --stack, or deploy it ('cdk deploy'; for the local cloud: 'jitr lab up')"
        ) from error
    stack = answer["Stacks"][0]
    outputs = {
        output["OutputKey"].removeprefix(prefix): output["OutputValue"]
        for output in stack.get("Outputs", [])
        if output["OutputKey"].startswith(prefix)
    }
    if not outputs:
        with_prefix = f" that begin with '{prefix}'" if prefix else ""
        raise NoDeploymentError(
            f"the stack '{stack_name}' in {region} has no outputs{with_prefix}, its status is "
            f"{stack['StackStatus']}: wait for its deployment to end, or see in its events why it failed; in "
            "a stack of your own, add DeploymentOutputs"
        )
    return Deployment(stack["StackName"], region, outputs)


stack_option = click.option(
    "--stack",
    "stack_name",
    envvar="JITR_STACK",
    default=DEFAULT_STACK,
    show_default=True,
    metavar="NAME[:PREFIX]",
    help="Name of the deployed CloudFormation stack, with the prefix of the outputs if they have one.",
)
"""Adds `--stack` to a command, as its argument `stack_name`."""
