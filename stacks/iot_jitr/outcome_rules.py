"""Rules for a pipeline's outcome events, in the form of the CDK's `bucket.on_cloud_trail_event`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Unpack, cast

from aws_cdk import aws_events as events
from constructs import Construct  # noqa: TC002 - its annotations are read

from iot_jitr.allowed import CONSTRUCT_ID, Allowed, having, list_of, one_of, text
from iot_jitr.outcome_events import refuse_elsewhere
from iot_jitr.validation import checked_in
from iot_jitr_runtime.outcome_events import SOURCE, EventType
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from iot_jitr.observability.metrics import PipelineMetrics

_RULE_NAME = text(r"[.A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits and . _ -")
_checked = checked_in("JitrPipeline")
_REASON = one_of(Reason)
_LIST = list_of(_REASON, _REASON.words)


def _read_reasons(value: Any, folder: Path) -> tuple[Reason, ...]:
    return tuple(_LIST.read([value] if isinstance(value, str) else value, folder))


_SomeReasons = Reason | str | Sequence[Reason | str] | None
_Reasons = Annotated[
    _SomeReasons,
    Allowed(f"one of, or a list of: {_REASON.words}", _read_reasons, _REASON.hint),
]


class EventOptions(TypedDict, total=False):
    """The options of every `on_…`, as in the CDK (`events.OnEventOptions`)."""

    target: events.IRuleTarget
    """The target that is invoked; none by default, `add_target` of the rule adds one.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html"""
    description: str
    """Of the rule; none by default."""
    event_pattern: events.EventPattern
    """Further conditions for an event, for example for its detail; none by default.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html"""
    rule_name: str
    """Name of the rule; one that CloudFormation makes by default."""
    cross_stack_scope: Construct
    """The construct that contains the rule; the pipeline by default. If the target's stack also uses the
    pipeline, give that stack: two stacks cannot depend on each other.
    https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_events.OnEventOptions.html"""


class OutcomeRules:
    """The methods of a pipeline that define rules for its outcome events.

    Attributes:
        metrics: Namespace and service of the pipeline's own metrics; the service is its name in its events.
    """

    if TYPE_CHECKING:
        metrics: PipelineMetrics

    @_checked
    def on_outcome(
        self,
        construct_id: Annotated[str, CONSTRUCT_ID],
        *,
        reason: _Reasons = None,
        target: Annotated[events.IRuleTarget | None, having("bind", "a target (events.IRuleTarget)")] = None,
        description: Annotated[str | None, text(r".*", "a text")] = None,
        event_pattern: events.EventPattern | None = None,
        rule_name: Annotated[str | None, _RULE_NAME] = None,
        cross_stack_scope: Annotated[Construct | None, having("node", "a construct")] = None,
    ) -> events.Rule:
        """Define a rule for all outcome events of this pipeline; the other `on_…` take the same options.

        Args:
            construct_id: The rule's name in the construct tree.
            reason: Only events with this reason, or with one of these; all by default.
            target: The target that is invoked; none by default.
                https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
            description: Of the rule; none by default.
            event_pattern: Further conditions for an event; none by default.
                https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
            rule_name: Name of the rule; one that CloudFormation makes by default.
            cross_stack_scope: The construct that contains the rule; the pipeline by default.

        Raises:
            ConfigurationError: The pipeline has no outcome events, or an argument is of the wrong type.
        """
        pipeline = cast("Construct", self)  # each class with this interface is one
        refuse_elsewhere(pipeline, self._event_bus)
        rule = events.Rule(
            pipeline if cross_stack_scope is None else cross_stack_scope,
            construct_id,
            event_bus=self._event_bus,
            description=description,
            event_pattern=event_pattern,
            rule_name=rule_name,
        )
        detail: dict[str, list[str]] = {"pipeline": [self.metrics.service]}
        if reason is not None:
            detail["reason"] = [Reason(each).value for each in reason]
        rule.add_event_pattern(source=[SOURCE], detail=detail)
        if target is not None:
            rule.add_target(target)
        return rule

    def on_activated(self, construct_id: str, **options: Unpack[EventOptions]) -> events.Rule:
        """Define a rule for each certificate that is activated.

        Options and errors are those of `on_outcome`.
        """
        return self._on(EventType.ACTIVATED, construct_id, None, options)

    def on_refused(
        self, construct_id: str, *, reason: _SomeReasons = None, **options: Unpack[EventOptions]
    ) -> events.Rule:
        """Define a rule for each certificate that is refused.

        A device that is refused again for the same reason causes no further event.
        Options and errors are those of `on_outcome`.
        """
        return self._on(EventType.REFUSED, construct_id, reason, options)

    def on_revoked(self, construct_id: str, **options: Unpack[EventOptions]) -> events.Rule:
        """Define a rule for each active certificate that is revoked because its CA's CRL lists it.

        Options and errors are those of `on_outcome`.
        """
        return self._on(EventType.REVOKED, construct_id, None, options)

    def on_suspended(self, construct_id: str, **options: Unpack[EventOptions]) -> events.Rule:
        """Define a rule for each active certificate that is suspended because its CA's CRL has it on hold.

        Options and errors are those of `on_outcome`.
        """
        return self._on(EventType.SUSPENDED, construct_id, None, options)

    def on_released(self, construct_id: str, **options: Unpack[EventOptions]) -> events.Rule:
        """Define a rule for each suspended certificate that is active again, because its hold is over.

        Options and errors are those of `on_outcome`.
        """
        return self._on(EventType.RELEASED, construct_id, None, options)

    def on_waiting_too_long(
        self, construct_id: str, *, reason: _SomeReasons = None, **options: Unpack[EventOptions]
    ) -> events.Rule:
        """Define a rule for each certificate that is pending for longer than `pending_after`.

        `ReconcilerSettings` sets how long that is. There is one event in each wait, whose reason is
        that of the deferral. A certificate that only waits for its slot of the rate limiter does not count.
        Options and errors are those of `on_outcome`.
        """
        return self._on(EventType.WAITING_TOO_LONG, construct_id, reason, options)

    def _on(
        self, event_type: EventType, construct_id: str, reason: _SomeReasons, options: EventOptions
    ) -> events.Rule:
        rule = self.on_outcome(construct_id, reason=reason, **options)
        rule.add_event_pattern(detail_type=[event_type.value])
        return rule

    @property
    def _event_bus(self) -> events.IEventBus:
        """The bus that receives the outcome events."""
        raise NotImplementedError
