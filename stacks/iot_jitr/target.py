"""Where the pipeline is deployed to: AWS, or the local cloud that emulates it.

Everything that differs between the two is in this module, and a test holds that nothing else does. The local
cloud is MiniStack on loopback, with IAM enforced; it differs from AWS in five things that matter here:

* it authorises `AttachPolicy`, `DetachPolicy` and the calls on a CA certificate against the resource `*`, and
  `AttachThingPrincipal` and `DetachThingPrincipal` against the thing, so a statement that names a certificate
  or a CA certificate, as on AWS, denies them;
* it authorises a batch call as an action of its own, where AWS knows only the single call's action;
* its endpoint is plain HTTP, so a queue or bucket policy that insists on TLS (the bucket of `cdk bootstrap`
  has one) denies everything;
* it runs the functions in its own Python interpreter, so libraries vendored for the Lambda runtime (Linux on
  arm64) would break there;
* it does not know saved queries of CloudWatch Logs Insights, nor AWS IoT's own log and the API that switches
  it on, so both are left out there.

The target is a context value, so every construct can look it up: `Target.of(construct)`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from constructs import IConstruct

CONTEXT_KEY = "iot-jitr:target"
"""Context key that names the target for the constructs below; `aws` where it is absent."""

WIDENED_LOCALLY = frozenset(
    {
        "iot:AttachPolicy",
        "iot:AttachThingPrincipal",
        "iot:DeleteCACertificate",
        "iot:DescribeCACertificate",
        "iot:DetachPolicy",
        "iot:DetachThingPrincipal",
        "iot:UpdateCACertificate",
    }
)
"""The actions that the local cloud does not authorise against what AWS does."""

BATCHES_LOCALLY = {
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}
"""The action by which AWS authorises a batch call, and the local cloud's."""


class Target(StrEnum):
    """Where a stack is deployed to."""

    AWS = "aws"
    LOCAL = "local"

    @classmethod
    def of(cls, scope: "IConstruct") -> Self:
        """The target of the stack that `scope` is in."""
        return cls(scope.node.try_get_context(CONTEXT_KEY) or cls.AWS)

    def choose_for(self, scope: "IConstruct") -> None:
        """Make this the target of all that will be created below `scope`, which has no children yet."""
        scope.node.set_context(CONTEXT_KEY, self.value)

    def statement(self, actions: Sequence[str], resources: Sequence[str]) -> list[iam.PolicyStatement]:
        """Allow `actions` on `resources`; on the local cloud, on `*` for those in `WIDENED_LOCALLY`."""
        if self is Target.AWS:
            return [iam.PolicyStatement(actions=[*actions], resources=[*resources])]
        batches = [BATCHES_LOCALLY[action] for action in actions if action in BATCHES_LOCALLY]
        narrow = [action for action in [*actions, *batches] if action not in WIDENED_LOCALLY]
        wide = [action for action in actions if action in WIDENED_LOCALLY]
        return [
            iam.PolicyStatement(actions=chosen, resources=on)
            for chosen, on in ((narrow, [*resources]), (wide, ["*"]))
            if chosen
        ]

    @property
    def enforce_tls(self) -> bool:
        """Whether queue and bucket policies insist on TLS."""
        return self is Target.AWS

    @property
    def vendors_dependencies(self) -> bool:
        """Whether the functions' libraries are part of the Lambda asset."""
        return self is Target.AWS

    @property
    def saves_queries(self) -> bool:
        """Whether CloudFormation knows `AWS::Logs::QueryDefinition`."""
        return self is Target.AWS

    @property
    def has_account_logging(self) -> bool:
        """Whether AWS IoT's own log, and the API that switches it on, exist."""
        return self is Target.AWS

    def synthesizer(self) -> cdk.IReusableStackSynthesizer | None:
        """How assets are published; `None` for what the app says.

        The caller's own credentials do it on the local cloud: the roles and the bucket policy that
        `cdk bootstrap` makes insist on TLS.
        """
        return cdk.CliCredentialsStackSynthesizer() if self is Target.LOCAL else None
