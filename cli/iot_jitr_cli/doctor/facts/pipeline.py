"""The deployed pipeline: stack, rule, queue, function."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment, NoSuchStackError, StackUnfinishedError, find_deployment
from iot_jitr_cli.doctor.asking import CannotTellError, asking, fact
from iot_jitr_runtime import environment
from iot_jitr_runtime.aws_errors import error_code
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef

_RECENT = timedelta(minutes=15)
_LAMBDA_FAILURES = (
    '?"[ERROR]" ?"\\"level\\":\\"ERROR\\"" ?"Task timed out" ?"Runtime exited" ?"Runtime.Import"'
)
"""CloudWatch Logs filter: what Python, our own logger and Lambda itself write when an invocation fails."""


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
    """The role that its SQS action takes."""


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
        """All messages: waiting, at work, and put back for later."""
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True)
class Activator:
    """The activator function as it is now."""

    name: str
    role_arn: str
    state: str
    last_update: str
    reason: str
    """Why it is in that state, where Lambda says so."""
    environment: Mapping[str, str]

    @property
    def activations_per_second(self) -> float | None:
        """How many certificates it examines a second; None where it is not told."""
        value = self.environment.get(environment.ACTIVATIONS_PER_SECOND)
        return float(value) if value else None


class PipelineFacts:
    """Facts about the pipeline that a stack deploys."""

    def __init__(self, session: "boto3.Session", stack_name: str, now: datetime) -> None:
        self._session = session
        self._stack_name = stack_name
        self._now = now

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

    @fact("lambda:GetFunctionConfiguration")
    def activator(self) -> Activator | None:
        """The activator, None where it is gone."""
        functions = self._session.client("lambda")
        try:
            found = functions.get_function_configuration(FunctionName=self.output(Output.ACTIVATOR_FUNCTION))
        except functions.exceptions.ResourceNotFoundException:
            return None
        return Activator(
            name=found["FunctionName"],
            role_arn=found["Role"],
            state=found.get("State", "Active"),
            last_update=found.get("LastUpdateStatus", "Successful"),
            reason=found.get("StateReason") or found.get("LastUpdateStatusReason") or "",
            environment=found.get("Environment", {}).get("Variables", {}),
        )

    @fact("lambda:GetFunctionConcurrency")
    def reserved_concurrency(self) -> int | None:
        """How many instances of the activator may run; None where nothing is reserved."""
        name = self.output(Output.ACTIVATOR_FUNCTION)
        answer = self._session.client("lambda").get_function_concurrency(FunctionName=name)
        return answer.get("ReservedConcurrentExecutions")

    @fact("lambda:ListEventSourceMappings")
    def event_source(self) -> "EventSourceMappingConfigurationTypeDef | None":
        """The mapping from the activation queue to the activator, None where there is none."""
        queue = self.activation_queue
        pages = self._session.client("lambda").get_paginator("list_event_source_mappings")
        found = pages.paginate(FunctionName=self.output(Output.ACTIVATOR_FUNCTION))
        mappings = (mapping for page in found for mapping in page["EventSourceMappings"])
        return next((m for m in mappings if queue and m.get("EventSourceArn") == queue.arn), None)

    @fact("logs:FilterLogEvents")
    def last_error(self) -> str | None:
        """The last line of the last quarter of an hour in which the activator reports a failure."""
        logs = self._session.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.output(Output.ACTIVATOR_LOG_GROUP),
            startTime=int((self._now - _RECENT).timestamp() * 1000),
            filterPattern=_LAMBDA_FAILURES,
            PaginationConfig={"MaxItems": 200},
        )
        try:
            lines = [(event["timestamp"], event["message"]) for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return max(lines)[1].strip() if lines else None

    @fact("cloudwatch:GetMetricData")
    def recent(self) -> Mapping[str, float]:
        """Figures of the last quarter of an hour: `errors`, `throttles`, `oldest_message_seconds`.

        A figure that CloudWatch has not got is missing.
        """
        function, queue = self.output(Output.ACTIVATOR_FUNCTION), self.output(Output.ACTIVATION_QUEUE_URL)
        of_function = {"FunctionName": function}
        of_queue = {"QueueName": queue.rsplit("/", 1)[-1]}
        answer = self._session.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                _metric("errors", "AWS/Lambda", "Errors", of_function, "Sum"),
                _metric("throttles", "AWS/Lambda", "Throttles", of_function, "Sum"),
                _metric(
                    "oldest_message_seconds", "AWS/SQS", "ApproximateAgeOfOldestMessage", of_queue, "Maximum"
                ),
            ],
            StartTime=self._now - _RECENT,
            EndTime=self._now,
        )
        return {
            result["Id"]: sum(result["Values"])
            if result["Id"] != "oldest_message_seconds"
            else result["Values"][0]
            for result in answer["MetricDataResults"]
            if result["Values"]
        }

    def rule(self, name: str) -> Rule | None:
        """A topic rule, None where there is none of that name."""
        iot = self._session.client("iot")
        with asking("iot:GetTopicRule"):
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
            CannotTellError: IAM cannot be asked.
        """
        with asking("iam:SimulatePrincipalPolicy"):
            answer = self._session.client("iam").simulate_principal_policy(
                PolicySourceArn=role_arn, ActionNames=[*actions], ResourceArns=[resource_arn]
            )
        return [
            result["EvalActionName"]
            for result in answer["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]

    def trusted_services(self, role_arn: str) -> set[str] | None:
        """The services that may take the role, None where there is no such role."""
        iam = self._session.client("iam")
        with asking("iam:GetRole"):
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


def _metric(name: str, namespace: str, metric: str, dimensions: Mapping[str, str], statistic: str) -> Any:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": 60,
            "Stat": statistic,
        },
    }


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
