"""A VPC for the functions: they do not need one, but some accounts require a VPC for each function."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.allowed import having, list_of
from iot_jitr.permissions import WITHOUT_RESOURCE, without_resource
from iot_jitr.validation import options

if TYPE_CHECKING:
    from constructs import Construct

_ATTACH = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
)
_MOST_SECURITY_GROUPS = 5
_LOOK = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")


@options
class FunctionNetwork:
    """The VPC that all functions of a pipeline run in; `docs/security.md` lists what they must reach.

    Raises:
        ConfigurationError: There are more security groups than Lambda allows.
    """

    vpc: Annotated[ec2.IVpc, having("vpc_id", "a VPC (ec2.IVpc)")]
    """The VPC, of this account and region; it may be imported or the result of a lookup.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"""
    subnets: ec2.SubnetSelection | None = None
    """The subnets; None: the private ones with egress. A function in a public subnet has no internet access.
    https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html"""
    security_groups: Annotated[
        Sequence[ec2.ISecurityGroup],
        list_of(
            having("security_group_id", "a security group"),
            "a list of at most 5 security groups (ec2.ISecurityGroup)",
            most=_MOST_SECURITY_GROUPS,
        ),
    ] = ()
    """The security groups, 5 at most; none: the pipeline creates one for all its functions, which allows all
    outbound and no inbound traffic.
    https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html"""


def with_security_group(scope: "Construct", network: FunctionNetwork | None) -> FunctionNetwork | None:
    """Return the network with a security group for all functions of `scope`, where it has none yet."""
    if network is None or network.security_groups:
        return network
    group = ec2.SecurityGroup(
        scope, "SecurityGroup", vpc=network.vpc, description=f"Functions of {scope.node.path}"
    )
    return replace(network, security_groups=[group])


def connections(network: FunctionNetwork | None) -> ec2.Connections | None:
    """Return the network connections of the functions; None without a network."""
    return None if network is None else ec2.Connections(security_groups=[*network.security_groups])


def placement(network: FunctionNetwork | None) -> dict[str, Any]:
    """Return the arguments that place a function of the CDK into the network; none without a network."""
    if network is None:
        return {}
    return {
        "vpc": network.vpc,
        "vpc_subnets": network.subnets,
        "security_groups": [*network.security_groups],
    }


def network_permissions(role: iam.Role) -> list[iam.PolicyStatement]:
    """Return the permissions that Lambda needs in `role` for the VPC, and acknowledge their wildcards.

    Lambda uses the function's role for that. The condition denies these permissions to the function's own
    code: its requests contain the function's ARN, and Lambda's own requests do not
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice-security).
    """
    everything = _everything_of_ec2(role)
    attach = iam.PolicyStatement(actions=[*_ATTACH], resources=[everything])
    look = without_resource(*_LOOK)
    for statement in (attach, look):
        statement.add_condition("Null", {"lambda:SourceFunctionArn": "true"})
    acknowledge_wildcard(
        role, everything, "network interfaces get their ids when Lambda makes them, in any of the subnets"
    )
    acknowledge_wildcard(role, "*", WITHOUT_RESOURCE["ec2:DescribeSubnets"])
    return [attach, look]


def _everything_of_ec2(scope: "Construct") -> str:
    return cdk.Stack.of(scope).format_arn(service="ec2", resource="*", resource_name="*")
