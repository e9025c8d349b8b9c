"""The shipped schema: it is valid, has the closed sets of the code, and rejects invalid events."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.ledger.outbox import compose_event
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcome_events import SCHEMA_VERSION, EventType
from iot_jitr_runtime.outcomes import Outcome, Reason
from tests.support.outcome_schema import SCHEMA

VALID: dict[str, Any] = {
    "schemaVersion": "1",
    "id": "ab" * 32,
    "pipeline": "Fleet/Jitr",
    "outcome": "refused",
    "certificateId": "cd" * 32,
    "reason": "not_listed",
    "decidedAt": "2026-11-26T20:15:05.000Z",
}


def test_the_schema_has_the_version_and_every_outcome() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["properties"]["schemaVersion"] == {"const": SCHEMA_VERSION}
    assert SCHEMA["properties"]["outcome"]["enum"] == [each.outcome for each in EventType]


@pytest.mark.parametrize("reason", [each for each in Reason if each.outcome is Outcome.REFUSED])
def test_every_refusal_is_valid(reason: Reason) -> None:
    times = {"decided_at": 1_795_000_000_123, "first_seen_at": 1_795_000_000_000}
    row = Row(CertificateId("ab" * 32), reason=reason, **times)  # type: ignore[arg-type]

    event = compose_event(EventType.REFUSED, "Fleet/Jitr", row)

    Draft202012Validator(SCHEMA).validate(json.loads(event.detail))


def test_the_time_of_an_event_is_that_of_the_decision() -> None:
    decided_at = datetime(2026, 11, 26, 20, 15, 5, 123_000, UTC)
    row = Row(CertificateId("ab" * 32), decided_at=milliseconds(decided_at))

    assert compose_event(EventType.ACTIVATED, "p", row).entry("bus")["Time"] == decided_at


def test_the_event_id_depends_on_every_part_of_the_decision() -> None:
    def made(certificate: str = "ab", event_type: EventType = EventType.REFUSED, **values: Any) -> str:
        row = Row(
            CertificateId(certificate * 32), **{"reason": Reason.EXPIRED, "decided_at": 1_000, **values}
        )
        return compose_event(event_type, "p", row).detail

    ids = [
        made(),
        made(),
        made("cd"),
        made(event_type=EventType.ACTIVATED),
        made(reason=Reason.NOT_LISTED),
        made(decided_at=1_001),
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": "2"},
        {"id": "ab"},
        {"pipeline": ""},
        {"outcome": "stale"},
        {"certificateId": "AB" * 32},
        {"decidedAt": 1_795_000_000},
        {"serialNumber": "0A"},
        {"reason": None},
    ],
    ids=str,
)
def test_an_invalid_event_is_refused(change: dict[str, Any]) -> None:
    validator = Draft202012Validator(SCHEMA)
    document = {name: value for name, value in {**VALID, **change}.items() if value is not None}

    assert validator.is_valid(VALID)
    assert not validator.is_valid(document)
