"""An event bus (moto) with a rule that gets all outcome events."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from moto.core import DEFAULT_ACCOUNT_ID
from moto.events.models import Rule, events_backends

from iot_jitr_runtime.ledger.outbox import Outbox
from iot_jitr_runtime.outcome_events import SOURCE
from tests.support.account import Account
from tests.support.aws_clients import REGION, aws_client
from tests.support.outcome_schema import SCHEMA

PIPELINE = "Fleet/Jitr"


@dataclass
class EventBus:
    """A bus of its own for each test; `received` returns the events of its one rule."""

    events: Any = field(default_factory=lambda: aws_client("events"))
    unpublished: list[tuple[int, str]] = field(default_factory=list)
    """What the outbox reports: how many, and why."""
    _received: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        name = f"bus-{uuid.uuid4().hex[:8]}"
        self.arn = self.events.create_event_bus(Name=name)["EventBusArn"]
        self.events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": [SOURCE]}))
        rule = events_backends[DEFAULT_ACCOUNT_ID][REGION].event_buses[name].rules[name]
        # This replaces moto's targets, which need one more library.
        rule.send_to_targets = lambda event: self._take(rule, event)  # type: ignore[method-assign]

    def _take(self, rule: Rule, event: Any) -> None:
        if rule.event_pattern.matches_event(event):
            self._received.append(event)

    def outbox(self, aws: Account) -> Outbox:
        """A fresh outbox of the account's ledger, as a new execution environment has it."""
        return Outbox(
            items=aws.ledger.items,
            events=self.events,
            bus=self.arn,
            pipeline=PIPELINE,
            report=lambda count, why: self.unpublished.append((count, why)),
            clock=aws.clock,
        )

    def received(self) -> list[dict[str, Any]]:
        """The events that have come since the last call; each detail is checked against the schema."""
        found, self._received = self._received, []
        for event in found:
            Draft202012Validator(SCHEMA).validate(event["detail"])
        return found

    def outcomes(self) -> list[str]:
        """The outcomes of the events that have come since the last call."""
        return [event["detail"]["outcome"] for event in self.received()]
