"""The actions for which AWS allows no resource, each with the reason: only these are allowed on `*`.

The source is the Service Authorization Reference: an action without a resource type can only be allowed on
`*` (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html). A test checks that
no other statement of the deployed stack has `Resource: *`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from constructs import Construct

WITHOUT_RESOURCE: Mapping[str, str] = {
    "ec2:DescribeNetworkInterfaces": "no Describe action of EC2 takes a resource; needed in a VPC only",
    "ec2:DescribeSubnets": "no Describe action of EC2 takes a resource; needed in a VPC only",
    "iot:GetRegistrationCode": "there is one for each account and region, and it has no ARN",
    "iot:GetV2LoggingOptions": "the logging options are the account's; they have no ARN",
    "iot:ListCACertificates": "it lists all CA certificates of the account",
    "iot:ListCertificatesByCA": "it has no resource type, although it names a CA",
    "iot:RegisterCACertificate": "the CA certificate gets its id, and so its ARN, by this very call",
    "iot:SetV2LoggingOptions": "the logging options are the account's; they have no ARN",
    "logs:DescribeLogGroups": "it lists the log groups of the account, whatever their names",
}


def without_resource(*actions: str) -> iam.PolicyStatement:
    """Allow `actions`, each of which must be in `WITHOUT_RESOURCE`, on `*`."""
    unknown = set(actions) - set(WITHOUT_RESOURCE)
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: name the resource, or give the reason in WITHOUT_RESOURCE"
        )
    return iam.PolicyStatement(actions=sorted(actions), resources=["*"])


def on_certificates(scope: "Construct", *actions: str) -> iam.PolicyStatement:
    """Allow `actions` on all device certificates, which get their ids when the devices connect."""
    certificates = cdk.Stack.of(scope).format_arn(service="iot", resource="cert", resource_name="*")
    return iam.PolicyStatement(actions=[*actions], resources=[certificates])
