"""Outcome events: the outcome of each certificate is published to EventBridge for other systems."""

from typing import TYPE_CHECKING, Annotated

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.allowed import having
from iot_jitr.validation import ConfigurationError, options
from iot_jitr_runtime import environment
from iot_jitr_runtime.outcome_events import SOURCE, EventType

if TYPE_CHECKING:
    from iot_jitr.functions import JitrFunction

_DEFAULT_BUS = "default"
BUS_ARN = r"arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/.+"


@options
class OutcomeEvents:
    """Publishes which certificates are activated, refused, revoked, suspended, released, or wait.

    Raises:
        ConfigurationError: The event bus is invalid.
    """

    event_bus: Annotated[
        events.IEventBus | str | None,
        having("event_bus_arn", "an event bus (events.IEventBus), or the ARN of one", BUS_ARN),
    ] = None
    """The event bus, of the pipeline's region, or its ARN; None: the account's default bus.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus.html"""


class OutcomeEventPublishing(Construct):
    """The bus that receives a pipeline's outcome events, and the functions that publish them.

    Attributes:
        event_bus: The bus.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: OutcomeEvents, pipeline_name: str
    ) -> None:
        """Import the bus if the setting is an ARN; `pipeline_name` is the pipeline's name in its events.

        Raises:
            ConfigurationError: The bus is in another region.
        """
        super().__init__(scope, construct_id)
        self._pipeline_name = pipeline_name
        self.event_bus = self._bus(settings.event_bus)
        ours, theirs = cdk.Stack.of(self).region, self.event_bus.env.region
        if _differ(ours, theirs):
            raise ConfigurationError(
                f"{scope.node.path}: outcome_events.event_bus",
                f"a bus in {theirs}",
                f"a bus in {ours}, where the pipeline is: a rule there can hand its events on",
            )

    def grant_publish(self, function: "JitrFunction") -> None:
        """Allow a function to publish the pipeline's events to the bus, and no others."""
        setting = {"bus": self.event_bus.event_bus_arn, "pipeline": self._pipeline_name}
        function.function.add_environment(
            environment.OUTCOME_EVENTS, cdk.Stack.of(self).to_json_string(setting)
        )
        function.allow(
            iam.PolicyStatement(
                actions=["events:PutEvents"],
                resources=[self.event_bus.event_bus_arn],
                # Both keys have several values: one for each entry of a call.
                # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
                conditions={
                    "ForAllValues:StringEquals": {
                        "events:source": [SOURCE],
                        "events:detail-type": [each.value for each in EventType],
                    }
                },
            )
        )

    def _bus(self, bus: events.IEventBus | str | None) -> events.IEventBus:
        if bus is None:
            return events.EventBus.from_event_bus_name(self, "Bus", _DEFAULT_BUS)
        return events.EventBus.from_event_bus_arn(self, "Bus", bus) if isinstance(bus, str) else bus


def refuse_elsewhere(pipeline: Construct, bus: events.IEventBus) -> None:
    """Refuse rules on a bus of another account or region than the pipeline's: EventBridge refuses them.

    Raises:
        ConfigurationError: The bus is known to be in another account or region.
    """
    here = cdk.Stack.of(pipeline)
    for ours, theirs in ((here.region, bus.env.region), (here.account, bus.env.account)):
        if _differ(ours, theirs):
            raise ConfigurationError(
                f"{pipeline.node.path}: on_…",
                f"a bus in {theirs}, from a stack in {ours}",
                "rules in the account and region of the bus, on a pipeline that is imported there",
            )


def _differ(ours: str | None, theirs: str | None) -> bool:
    """Whether two regions, or two accounts, are known to be different ones."""
    known = [each for each in (ours, theirs) if each is not None and not cdk.Token.is_unresolved(each)]
    return len(set(known)) > 1
