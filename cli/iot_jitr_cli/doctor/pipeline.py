"""The deployed pipeline as it is now: stack, queues, activator."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment, NoDeploymentError, find_deployment
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call, reading
from iot_jitr_runtime import environment
from iot_jitr_runtime.aws_errors import error_code
from iot_jitr_runtime.environment import ACCEPT_CA_CERTIFICATES
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

RECENT = timedelta(minutes=15)
"""The period for which logs and metrics are read."""


class NotDeployedError(UndeterminedError):
    """There is no such stack, or it is empty."""


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


@dataclass(frozen=True)
class Activator:
    """The activator function as it is now."""

    configuration: "FunctionConfigurationResponseTypeDef"

    @property
    def name(self) -> str:
        """The function's name."""
        return self.configuration["FunctionName"]

    @property
    def environment(self) -> Mapping[str, str]:
        """Its settings."""
        return self.configuration.get("Environment", {}).get("Variables", {})

    @property
    def activations_per_second(self) -> float | None:
        """Its limit of activations per second; None if it is not set."""
        value = self.environment.get(environment.ACTIVATIONS_PER_SECOND)
        return float(value) if value else None

    @property
    def cas_with_crl(self) -> frozenset[str]:
        """Ids of the CAs whose CRL the activator checks."""
        return frozenset(ca for ca, about in self._cas.items() if about.get("revocation") != "none")

    @property
    def ca_devices(self) -> frozenset[str]:
        """Ids of the CAs whose devices may present a CA certificate."""
        return frozenset(ca for ca, about in self._cas.items() if about.get(ACCEPT_CA_CERTIFICATES))

    @property
    def _cas(self) -> dict[str, Any]:
        return dict(json.loads(self.environment.get(environment.CAS, "{}")))


@dataclass(frozen=True)
class MetricStatistic:
    """A metric and one of its statistics."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"


class Pipeline:
    """The resources of a stack. Each method and property may raise `UndeterminedError`."""

    def __init__(self, session: "boto3.Session", stack_name: str, now: datetime) -> None:
        self.session = session
        self.stack_name = stack_name
        self.now = now

    @reading("cloudformation:DescribeStacks")
    def deployment(self) -> Deployment:
        """The deployment, from the stack's outputs.

        Raises:
            NotDeployedError: There is no such stack, or its deployment failed.
        """
        try:
            return find_deployment(self.session, self.stack_name)
        except NoDeploymentError as error:
            raise NotDeployedError(str(error)) from error

    def output(self, output: Output) -> str:
        """One of the stack's outputs.

        Raises:
            UndeterminedError: The output cannot be read, or the stack does not have it.
        """
        value = self.deployment.get(output)
        if value is None:
            raise UndeterminedError(f"the stack '{self.stack_name}' has no output '{output}'")
        return value

    @reading("sqs:GetQueueAttributes")
    def activation_queue(self) -> Queue | None:
        """The activation queue; None if it does not exist."""
        return self._queue(self.output(Output.ACTIVATION_QUEUE_URL))

    @reading("sqs:GetQueueAttributes")
    def dead_letter_queue(self) -> Queue | None:
        """The dead-letter queue; None if it does not exist."""
        return self._queue(self.output(Output.DEAD_LETTER_QUEUE_URL))

    @reading("lambda:GetFunctionConfiguration")
    def activator(self) -> Activator | None:
        """The activator; None if it does not exist."""
        functions = self.session.client("lambda")
        try:
            found = functions.get_function_configuration(FunctionName=self.output(Output.ACTIVATOR_FUNCTION))
        except functions.exceptions.ResourceNotFoundException:
            return None
        return Activator(found)

    @reading("cloudwatch:GetMetricData")
    def recent(self) -> Mapping[str, float]:
        """Values of the last 15 minutes: `errors`, `throttles`, `oldest_message_seconds`.

        A value that CloudWatch does not have is missing.
        """
        function = {"FunctionName": self.output(Output.ACTIVATOR_FUNCTION)}
        metrics = {
            "errors": MetricStatistic("AWS/Lambda", "Errors", function),
            "throttles": MetricStatistic("AWS/Lambda", "Throttles", function),
            "oldest_message_seconds": self.queue_metric("AgeOfOldestMessage"),
        }
        found = self.read_metrics(metrics, self.now - RECENT, self.now, timedelta(minutes=1))
        return {
            name: values[0][1] if name == "oldest_message_seconds" else sum(value for _, value in values)
            for name, values in found.items()
            if values
        }

    def queue_metric(self, name: str) -> MetricStatistic:
        """The maximum of a metric of the activation queue; SQS has approximate metrics only."""
        queue = {"QueueName": self.output(Output.ACTIVATION_QUEUE_URL).rsplit("/", 1)[-1]}
        return MetricStatistic("AWS/SQS", f"Approximate{name}", queue, "Maximum")

    def metric(self, name: Metric, statistic: str = "Sum", reason: Reason | None = None) -> MetricStatistic:
        """One of the deployment's own metrics.

        Raises:
            UndeterminedError: The stack has no output with the namespace of its metrics.
        """
        outputs = self.deployment
        namespace, service = outputs.get(Output.METRICS_NAMESPACE), outputs.get(Output.SERVICE_NAME)
        if namespace is None or service is None:
            raise UndeterminedError(
                "the stack has no output with the namespace of its metrics: deploy it again"
            )
        of_reason = {Dimension.REASON.value: reason.value} if reason else {}
        dimensions = {Dimension.SERVICE.value: service, **of_reason}
        return MetricStatistic(namespace, name.value, dimensions, statistic)

    @reading("cloudwatch:GetMetricData")
    def activated_per_second(self) -> float:
        """Certificates activated per second, in the last five minutes."""
        metrics, period = {"activated": self.metric(Metric.ACTIVATED)}, timedelta(minutes=5)
        found = self.read_metrics(metrics, self.now - period, self.now, period)
        return sum(value for _, value in found["activated"]) / period.total_seconds()

    def read_metrics(
        self, metrics: Mapping[str, MetricStatistic], start: datetime, end: datetime, period: timedelta
    ) -> dict[str, list[tuple[datetime, float]]]:
        """Return the values of each metric with the start times of their periods, the newest first.

        If CloudWatch has no value for a period, the period is missing in the list.

        Raises:
            UndeterminedError: CloudWatch cannot be read.
        """
        names = list(metrics)
        queries: Any = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": [
                            {"Name": key, "Value": value} for key, value in metric.dimensions.items()
                        ],
                    },
                    "Period": int(period.total_seconds()),
                    "Stat": metric.statistic,
                },
            }
            for number, metric in enumerate(metrics.values())
        ]
        found: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
        with aws_call("cloudwatch:GetMetricData"):
            pages = self.session.client("cloudwatch").get_paginator("get_metric_data")
            for page in pages.paginate(MetricDataQueries=queries, StartTime=start, EndTime=end):
                for result in page["MetricDataResults"]:
                    values = zip(result["Timestamps"], result["Values"], strict=True)
                    found[names[int(result["Id"].removeprefix("m"))]] += values
        return found

    def denied(self, role_arn: str, actions: Sequence[str], resource_arn: str) -> list[str]:
        """Return those of `actions` that the role may not perform on the resource.

        Raises:
            UndeterminedError: IAM does not respond.
        """
        with aws_call("iam:SimulatePrincipalPolicy"):
            response = self.session.client("iam").simulate_principal_policy(
                PolicySourceArn=role_arn, ActionNames=[*actions], ResourceArns=[resource_arn]
            )
        return [
            result["EvalActionName"]
            for result in response["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]

    def _queue(self, url: str) -> Queue | None:
        sqs = self.session.client("sqs")
        try:
            response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except sqs.exceptions.ClientError as error:
            if "NonExistentQueue" in error_code(error) or "QueueDoesNotExist" in error_code(error):
                return None
            raise
        found = response["Attributes"]
        return Queue(
            url=url,
            arn=found["QueueArn"],
            visible=int(found.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(found.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
        )
