"""The device policy in a stack: its resource, the activator's settings and its permissions."""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from iot_jitr.names import policy_prefix
from iot_jitr.permissions import on_certificates
from iot_jitr.policy.definition import DevicePolicy
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_runtime.policy import PolicyKind

_PSEUDO_PARAMETERS = {
    "AWS::Partition": cdk.Aws.PARTITION,
    "AWS::Region": cdk.Aws.REGION,
    "AWS::AccountId": cdk.Aws.ACCOUNT_ID,
}

_CREATE = (
    "iot:CreatePolicy",
    "iot:CreatePolicyVersion",
    "iot:DeletePolicyVersion",
    "iot:GetPolicy",
    "iot:ListPolicyVersions",
)
_DELETE = ("iot:DeletePolicy", "iot:DeletePolicyVersion", "iot:ListPolicyVersions")


class DevicePolicyResource(Construct):
    """A device policy, deployed.

    Attributes:
        resource: The shared policy; None where each device has its own.
        policy_name: Name of the shared policy; None where each device has its own.
        setting: The activator's setting, the value of `JITR_DEVICE_POLICY`.
        activator_permissions: The activator's permissions besides `AttachPolicy` on certificates.
        withdrawal_permissions: The permissions to delete the policy of a revoked certificate.
    """

    def __init__(self, scope: Construct, construct_id: str, policy: DevicePolicy) -> None:
        """Deploy `policy`.

        A shared one has a generated name and is retained when the stack is deleted or the policy is replaced:
        `DeletePolicy` refuses while certificates are attached, and active devices must stay active.
        The names of per-device policies begin with the name of `scope`, the pipeline; its functions may
        change only these policies.
        """
        super().__init__(scope, construct_id)
        for number, finding in enumerate(policy.acknowledged, 1):
            cdk.Annotations.of(self).add_info_v2(
                f"iot-jitr:policy-exception:{number}",
                f"Device policy, {finding}: acknowledged: {finding.acknowledged}",
            )
        stack, document = cdk.Stack.of(self), _with_pseudo_parameters(policy.document)
        self.resource: iot.CfnPolicy | None = None
        self.policy_name: str | None = None
        self.activator_permissions: list[iam.PolicyStatement] = []
        self.withdrawal_permissions: list[iam.PolicyStatement] = []
        settings: dict[str, Any] = {}
        if policy.kind is PolicyKind.SHARED:
            self.resource = iot.CfnPolicy(self, "Shared", policy_document=document)
            self.resource.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
            self.policy_name = settings["name"] = self.resource.ref
        else:
            prefix = policy_prefix(scope)
            settings = {"prefix": prefix, "template": document}
            policies = [stack.format_arn(service="iot", resource="policy", resource_name=f"{prefix}*")]
            self.activator_permissions = [iam.PolicyStatement(actions=[*_CREATE], resources=policies)]
            self.withdrawal_permissions = [
                on_certificates(self, "iot:DetachPolicy"),
                iam.PolicyStatement(actions=[*_DELETE], resources=policies),
            ]
        self.setting = stack.to_json_string(
            {"kind": str(policy.kind), "needs_common_name": policy.document.needs_common_name, **settings}
        )


def _with_pseudo_parameters(document: PolicyDocument) -> Any:
    """Return the policy with CloudFormation's values for `${AWS::…}`; policy variables stay as they are."""
    text = document.text()
    for name, value in _PSEUDO_PARAMETERS.items():
        text = text.replace(f"${{{name}}}", value)
    return json.loads(text)
