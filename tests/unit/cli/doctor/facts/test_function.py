"""Facts about the activator: its settings, its event source, its log and figures."""

import json
from datetime import timedelta

import pytest
from botocore.stub import ANY

from tests.support.doctor_cloud import NOW, Cloud, configuration
from tests.support.doctor_facts import function


def test_pace_and_cas_are_read_from_the_activators_environment(cloud: Cloud) -> None:
    facts = function(cloud)
    cas = json.dumps({"with": {"revocation": "crl"}, "without": {"revocation": "none"}})
    cloud.answers(
        "lambda",
        "get_function_configuration",
        configuration(JITR_ACTIVATIONS_PER_SECOND="20", JITR_CAS=cas),
    )

    assert facts.activator is not None
    assert facts.activator.activations_per_second == 20
    assert facts.activator.cas_with_crl == {"with"}


def test_an_activator_without_settings_has_no_pace(cloud: Cloud) -> None:
    facts = function(cloud)
    cloud.answers("lambda", "get_function_configuration", configuration())

    assert facts.activator is not None
    assert (facts.activator.activations_per_second, facts.activator.cas_with_crl) == (None, frozenset())


def test_a_function_that_is_gone_is_none(cloud: Cloud) -> None:
    facts = function(cloud)
    cloud.refuses("lambda", "get_function_configuration", "ResourceNotFoundException")

    assert facts.activator is None


@pytest.mark.parametrize("reserved", [None, 0, 5])
def test_the_reserved_concurrency_is_read(cloud: Cloud, reserved: int | None) -> None:
    facts = function(cloud)
    answer = {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
    cloud.answers("lambda", "get_function_concurrency", answer)

    assert facts.reserved_concurrency == reserved


def test_the_event_source_is_the_one_of_the_activation_queue(cloud: Cloud) -> None:
    facts = function(cloud)
    cloud.answers("sqs", "get_queue_attributes", {"Attributes": {"QueueArn": "arn:q"}})
    cloud.answers(
        "lambda",
        "list_event_source_mappings",
        {
            "EventSourceMappings": [
                {"UUID": "1" * 36, "EventSourceArn": "arn:other"},
                {"UUID": "2" * 36, "EventSourceArn": "arn:q"},
            ]
        },
    )

    assert facts.event_source is not None
    assert facts.event_source["UUID"] == "2" * 36


def _log(cloud: Cloud, *messages: tuple[int, str]) -> None:
    events = [{"timestamp": when, "message": message} for when, message in messages]
    cloud.answers("logs", "filter_log_events", {"events": events})
    for _ in range(2):
        cloud.answers("logs", "filter_log_events", {"events": []})


def _decisions(cloud: Cloud, *timestamps: int) -> None:
    events = [{"timestamp": when, "message": "{}"} for when in timestamps]
    cloud.answers("logs", "filter_log_events", {"events": events})


def test_the_last_error_of_the_log_is_found(cloud: Cloud) -> None:
    facts = function(cloud)
    warning = json.dumps({"level": "WARNING", "detail": "ERROR of somebody else"})
    metrics = json.dumps({"_aws": {}, "reason": "service_error"})
    _log(cloud, (2, "[ERROR] second\n"), (1, "[ERROR] first"), (3, warning), (4, metrics))
    _decisions(cloud, 1)

    assert facts.last_error == "[ERROR] second"


def test_a_structured_error_line_is_an_error(cloud: Cloud) -> None:
    facts = function(cloud)
    line = json.dumps({"level": "ERROR", "message": "deferred"})
    _log(cloud, (1, line), (2, "[1, 2] ERROR"))
    _decisions(cloud)

    assert facts.last_error == "[1, 2] ERROR"


def test_an_error_after_which_certificates_were_decided_is_over(cloud: Cloud) -> None:
    facts = function(cloud)
    _log(cloud, (1, "[ERROR] first"))
    _decisions(cloud, 2)

    assert facts.last_error is None


def test_a_missing_log_group_has_no_error(cloud: Cloud) -> None:
    facts = function(cloud)
    for _ in range(3):
        cloud.refuses("logs", "filter_log_events", "ResourceNotFoundException")

    assert facts.last_error is None


def test_the_figures_of_the_last_quarter_of_an_hour_are_read(cloud: Cloud) -> None:
    facts = function(cloud)
    results = [("errors", [1.0, 2.0]), ("throttles", []), ("oldest_message_seconds", [90.0, 30.0])]
    cloud.answers(
        "cloudwatch",
        "get_metric_data",
        {"MetricDataResults": [{"Id": name, "Values": values} for name, values in results]},
        {"MetricDataQueries": ANY, "StartTime": NOW - timedelta(minutes=15), "EndTime": NOW},
    )

    assert facts.recent == {"errors": 3.0, "oldest_message_seconds": 90.0}
