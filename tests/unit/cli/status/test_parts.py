"""QueueCounts, CAs, CRLs, alarms and errors, each by itself."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from iot_jitr_cli.doctor.pipeline import Activator
from iot_jitr_cli.doctor.reading import CannotTellError, MissingPermissionError
from iot_jitr_cli.status import parts
from iot_jitr_cli.status.snapshot import QueueCounts
from iot_jitr_runtime.revocation.index import DamagedIndexError
from iot_jitr_runtime.revocation.store import IndexMissingError
from tests.support import doctor_account as dc
from tests.support.doctor_cloud import NOW, Cloud
from tests.support.status_snapshot import DEPLOYMENT


def facts(**values: Any) -> Any:
    return SimpleNamespace(**values)


def queue(messages: int) -> Any:
    return facts(visible=messages, in_flight=1, delayed=2, messages=messages + 3)


def test_queues_are_counted_with_the_age_of_the_oldest() -> None:
    recent = {"oldest_message_seconds": 9.0}

    found = parts.queues(facts(activation_queue=queue(4), dead_letter_queue=queue(0), recent=recent))

    assert found == QueueCounts(4, 1, 2, 9.0, 3)


def test_an_age_that_may_not_be_asked_is_left_out() -> None:
    class Denied:
        activation_queue = dead_letter_queue = queue(0)

        @property
        def recent(self) -> Any:
            raise MissingPermissionError("cloudwatch:GetMetricData")

    found = parts.queues(Denied())  # type: ignore[arg-type]

    assert found.oldest_seconds is None


def test_a_missing_queue_is_reported() -> None:
    with pytest.raises(CannotTellError, match="jitr doctor"):
        parts.queues(facts(activation_queue=None, dead_letter_queue=queue(0), recent={}))


def _ca_answer() -> dict[str, Any]:
    return {
        "certificateDescription": {
            "certificateArn": "arn:ca",
            "certificateId": dc.CA_ID,
            "status": "ACTIVE",
            "autoRegistrationStatus": "DISABLE",
            "certificatePem": dc.ca().certificate.pem,
        }
    }


def test_a_ca_is_shown_with_its_devices_in_service(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_ca_certificate", _ca_answer())
    counters = [{"certificateId": {"S": f"#{n}"}, "devices": {"N": "21"}} for n in range(2)]
    cloud.answers("dynamodb", "batch_get_item", {"Responses": {"ledger": counters}, "UnprocessedKeys": {}})

    (found,) = parts.cas(cloud, DEPLOYMENT)  # type: ignore[arg-type]

    assert (found.name, found.status, found.auto_registration, found.devices) == (
        "Factory",
        "ACTIVE",
        "DISABLE",
        42,
    )
    certificate = dc.ca().certificate
    assert (found.not_before, found.not_after) == (certificate.not_before, certificate.not_after)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ResourceNotFoundException", CannotTellError),
        ("UnauthorizedException", MissingPermissionError),
        ("InternalFailureException", CannotTellError),
    ],
)
def test_a_ca_that_cannot_be_read_is_reported(cloud: Cloud, code: str, expected: type[Exception]) -> None:
    cloud.refuses("iot", "describe_ca_certificate", code)

    with pytest.raises(expected):
        parts.cas(cloud, DEPLOYMENT)  # type: ignore[arg-type]


def activator(**variables: str) -> Any:
    cas = {dc.CA_ID: {"revocation": "crl"}}
    settings = {"JITR_CAS": json.dumps(cas), "JITR_REVOCATION_BUCKET": "indexes", **variables}
    return facts(activator=Activator("activator", dc.ROLE, "Active", "Successful", "", settings))


class _Index:
    """An index with one CRL."""

    max_age = None

    def __init__(self) -> None:
        self.closed = False
        record = facts(
            number=7,
            entries=3,
            this_update=NOW,
            origin=facts(location="https://crl"),
            usable_until=lambda _age: NOW + timedelta(hours=1),
        )
        self.crls = [record]

    def close(self) -> None:
        self.closed = True


def test_crls_are_read_from_the_index(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    index = _Index()
    monkeypatch.setattr(parts.IndexStore, "download", lambda *_: None)
    monkeypatch.setattr(parts.Index, "open", lambda _path: index)

    (found,) = parts.crls(cloud, DEPLOYMENT, activator())  # type: ignore[arg-type]

    assert (found.ca, found.number, found.entries, found.location) == ("Factory", 7, 3, "https://crl")
    assert index.closed


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (IndexMissingError("none published"), "none published"),
        (DamagedIndexError("half"), "is damaged: half"),
    ],
)
def test_an_index_that_cannot_be_read_is_reported_with_its_ca(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def download(*_: Any) -> None:
        raise error

    monkeypatch.setattr(parts.IndexStore, "download", download)

    with pytest.raises(CannotTellError, match=f"CA 'Factory'.*{message}"):
        parts.crls(cloud, DEPLOYMENT, activator())  # type: ignore[arg-type]


def test_without_a_bucket_there_are_no_crls(cloud: Cloud) -> None:
    assert parts.crls(cloud, DEPLOYMENT, facts(activator=None)) == ()  # type: ignore[arg-type]


def test_alarms_that_ring_say_what_happened(cloud: Cloud) -> None:
    cloud.answers(
        "cloudwatch",
        "describe_alarms",
        {
            "MetricAlarms": [
                {"AlarmName": "stack-DeadLetters0A1B-1X2Y", "AlarmDescription": "Dead letters"},
                {"AlarmName": "stack-Refused0A1B-1X2Y"},
            ]
        },
        {"AlarmNamePrefix": "stack-", "StateValue": "ALARM"},
    )

    assert parts.active_alarms(cloud, DEPLOYMENT) == (  # type: ignore[arg-type]
        "Dead letters",
        "stack-Refused0A1B-1X2Y",
    )


def test_alarms_of_a_stack_whose_name_begins_alike_are_not_this_ones(cloud: Cloud) -> None:
    cloud.answers(
        "cloudwatch",
        "describe_alarms",
        {"MetricAlarms": [{"AlarmName": "stack-two-DeadLetters0A1B-1X2Y"}, {"AlarmName": "stack-mine"}]},
    )

    assert parts.active_alarms(cloud, DEPLOYMENT) == ()  # type: ignore[arg-type]


def test_last_errors_are_named_by_their_log_group(cloud: Cloud) -> None:
    event = {"timestamp": 1, "message": "[ERROR] x"}
    cloud.answers("logs", "filter_log_events", {"events": [event]})
    for _ in range(3):
        cloud.answers("logs", "filter_log_events", {"events": []})

    assert parts.errors(cloud, DEPLOYMENT, NOW) == {"/log/activator": "[ERROR] x"}  # type: ignore[arg-type]
