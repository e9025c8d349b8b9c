"""The deployed pipeline: stack, topic rule, queues, roles."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment, NoSuchStackError, StackUnfinishedError, find_deployment
from iot_jitr_cli.doctor.facts.fact import CannotTellError, aws_call, fact
from iot_jitr_runtime.aws_errors import error_code
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3


class NotDeployedError(CannotTellError):
    """There is no such stack, or nothing in it."""


@dataclass(frozen=True)
class Rule:
    """A topic rule as it is now."""

    name: str
    sql: str
    disabled: bool
    queue_url: str | None
    """Where its SQS action sends to."""
    role_arn: str | None
    """The role that its SQS action assumes."""


@dataclass(frozen=True)
class Queue:
    """A queue as it is now."""

    url: str
    arn: str
    visible: int
    in_flight: int
    delayed: int

    @property
    def messages(self) -> int:
        """All messages: visible, in flight and delayed."""
        return self.visible + self.in_flight + self.delayed


class PipelineFacts:
    """Facts about the pipeline that a stack deploys."""

    def __init__(self, session: "boto3.Session", stack_name: str) -> None:
        self._session = session
        self._stack_name = stack_name

    @fact("cloudformation:DescribeStacks")
    def deployment(self) -> Deployment:
        """What the stack is made of.

        Raises:
            NotDeployedError: There is no such stack, or its deployment failed.
        """
        try:
            return find_deployment(self._session, self._stack_name)
        except (NoSuchStackError, StackUnfinishedError) as error:
            raise NotDeployedError(str(error)) from error

    def output(self, output: Output) -> str:
        """One of the stack's outputs.

        Raises:
            CannotTellError: It cannot be read, or the stack lacks it.
        """
        value = self.deployment.get(output)
        if value is None:
            raise CannotTellError(f"the stack '{self._stack_name}' has no output '{output}'")
        return value

    @fact("sqs:GetQueueAttributes")
    def activation_queue(self) -> Queue | None:
        """The activation queue, None where it is gone."""
        return self._queue(self.output(Output.ACTIVATION_QUEUE_URL))

    @fact("sqs:GetQueueAttributes")
    def dead_letter_queue(self) -> Queue | None:
        """The dead-letter queue, None where it is gone."""
        return self._queue(self.output(Output.DEAD_LETTER_QUEUE_URL))

    def rule(self, name: str) -> Rule | None:
        """A topic rule, None where there is none of that name."""
        iot = self._session.client("iot")
        with aws_call("iot:GetTopicRule"):
            try:
                found = iot.get_topic_rule(ruleName=name)["rule"]
            except iot.exceptions.UnauthorizedException as error:
                # AWS IoT answers so for a rule that does not exist; a lacking permission names itself.
                if "not authorized to perform" in str(error):
                    raise
                return None
        actions = [action["sqs"] for action in found.get("actions", []) if "sqs" in action]
        return Rule(
            name=name,
            sql=found["sql"],
            disabled=found.get("ruleDisabled", False),
            queue_url=actions[0]["queueUrl"] if actions else None,
            role_arn=actions[0]["roleArn"] if actions else None,
        )

    def denied(self, role_arn: str, actions: Sequence[str], resource_arn: str) -> list[str]:
        """Those of `actions` that the role may not do on the resource.

        Raises:
            CannotTellError: IAM does not answer.
        """
        with aws_call("iam:SimulatePrincipalPolicy"):
            answer = self._session.client("iam").simulate_principal_policy(
                PolicySourceArn=role_arn, ActionNames=[*actions], ResourceArns=[resource_arn]
            )
        return [
            result["EvalActionName"]
            for result in answer["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]

    def trusted_services(self, role_arn: str) -> set[str] | None:
        """The services that may assume the role, None where there is no such role."""
        iam = self._session.client("iam")
        with aws_call("iam:GetRole"):
            try:
                found = iam.get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
            except iam.exceptions.NoSuchEntityException:
                return None
        return _services(found["AssumeRolePolicyDocument"])

    def _queue(self, url: str) -> Queue | None:
        sqs = self._session.client("sqs")
        try:
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except sqs.exceptions.ClientError as error:
            if "NonExistentQueue" in error_code(error) or "QueueDoesNotExist" in error_code(error):
                return None
            raise
        found = answer["Attributes"]
        return Queue(
            url=url,
            arn=found["QueueArn"],
            visible=int(found.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(found.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
        )


def _services(document: Any) -> set[str]:
    parsed = json.loads(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", [])
    found: set[str] = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        if statement.get("Effect") == "Allow" and isinstance(principal, dict):
            services = principal.get("Service", [])
            found |= {services} if isinstance(services, str) else set(services)
    return found
