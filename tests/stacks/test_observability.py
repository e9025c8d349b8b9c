"""Alarms with a link to the runbook and without false alarms, the dashboard, saved queries."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns

from iot_jitr import (
    AlarmName,
    AlarmSettings,
    ConfigurationError,
    ConnectGuard,
    CrlBucket,
    DeploymentOutputs,
    JitrPipeline,
    OutcomeEvents,
    ReconcilerSettings,
)
from iot_jitr.capacity import RETENTION_DAYS
from iot_jitr.observability.queries import QUERIES
from iot_jitr.observability.settings import RUNBOOK_URL
from tests.support.scenarios import OPERATORS, SCENARIOS, WORKSHOP_CA, scenario
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    joined,
    named,
    of_type,
    only,
    template,
    template_of,
)

Template = dict[str, Any]
ALARM = "AWS::CloudWatch::Alarm"
QUERY = "AWS::Logs::QueryDefinition"


def alarms(found: Template) -> dict[str, dict[str, Any]]:
    """The alarms by name and CA: the logical id without the path before it and the hash behind it."""
    return {
        re.sub(r"^.*Alarms|.{8}$", "", name): each["Properties"]
        for name, each in of_type(found, ALARM).items()
    }


@pytest.fixture(scope="module")
def everything() -> Template:
    return scenario("everything_on")


# alarms

OF_THE_PIPELINE = {
    "DeadLetters": ("ApproximateNumberOfMessagesVisible", "Maximum", 300, 1),
    "DeadLetterAge": ("ApproximateAgeOfOldestMessage", "Maximum", 300, 3 * 86_400),
    "OldestMessage": ("ApproximateAgeOfOldestMessage", "Maximum", 300, 3600),
    "Deferred": ("Blocked", "Sum", 900, 20),
    "Refused": ("Refused", "Sum", 900, 1000),
    "ApiThrottled": ("Decisions", "Sum", 900, 100),
    "Pending": ("PendingAge", "Maximum", 3600, 86_400),
    "EventsUnpublished": ("EventsUnpublished", "Sum", 3600, 1),
    "SessionsNotClosed": ("SessionsNotClosed", "Sum", 900, 1),
}
OF_A_FUNCTION = {
    "ActivatorErrors": ("Errors", "Sum", 900, 3),
    "ActivatorThrottles": ("Throttles", "Sum", 900, 100),
    "ReconcilerErrors": ("Errors", "Sum", 900, 1),
    "CrlPublisherErrors": ("Errors", "Sum", 900, 1),
    "SweepErrors": ("Errors", "Sum", 900, 1),
    "ConnectGuardErrors": ("Errors", "Sum", 300, 1),
    "ConnectGuardThrottles": ("Throttles", "Sum", 300, 1),
}
OF_A_CA = {
    "CaExpiryFactory": ("CaDaysToExpiry", "Minimum", 86_400, 90),
    "CaExpiryWorkshop": ("CaDaysToExpiry", "Minimum", 86_400, 90),
    "CrlStaleFactory": ("CrlTimeLeft", "Minimum", 3600, 3600),
    "CrlUnusableFactory": ("CrlUnusable", "Sum", 3600, 1),
    "RevocationLimitTrippedFactory": ("RevocationLimitTripped", "Sum", 3600, 1),
}
OF_AWS_IOT = {"RegistrationFailures": ("RegistrationFailures/iot-jitr/Jitr", "Sum", 900, 10)}


def test_each_alarm_has_its_metric_and_its_threshold(everything: Template) -> None:
    found = {
        name: (each["MetricName"], each["Statistic"], each["Period"], each["Threshold"])
        for name, each in alarms(everything).items()
    }
    below = {name for name, each in alarms(everything).items() if "Less" in each["ComparisonOperator"]}

    assert found == {**OF_THE_PIPELINE, **OF_A_FUNCTION, **OF_A_CA, **OF_AWS_IOT}
    assert below == {"CaExpiryFactory", "CaExpiryWorkshop", "CrlStaleFactory"}


def test_each_alarm_watches_its_queue_its_function_or_its_ca(everything: Template) -> None:
    dimensions = {
        name: {one["Name"]: joined(one["Value"]) for one in each.get("Dimensions", [])}
        for name, each in alarms(everything).items()
    }

    for name in OF_A_FUNCTION:
        function = re.sub("Errors|Throttles|Crl", "", name)
        assert function in dimensions[name]["FunctionName"]
    for name in OF_A_CA:
        ca, _ = named(everything, "Custom::JitrCaCertificate", re.findall("Factory|Workshop", name)[0])
        assert dimensions[name] == {"service": "iot-jitr/Jitr", "ca": f"${{{ca}.CaCertificateId}}"}
    for name in ("DeadLetters", "DeadLetterAge", "OldestMessage"):
        queue, _ = named(everything, "AWS::SQS::Queue", "Activation" if "Old" in name else "DeadLetters")
        assert dimensions[name] == {"QueueName": f"${{{queue}.QueueName}}"}
    assert dimensions["ApiThrottled"] == {"service": "iot-jitr/Jitr", "reason": "throttled"}
    assert dimensions["Refused"] == {"service": "iot-jitr/Jitr"}


def test_a_dead_letter_raises_its_alarm_days_before_it_is_deleted(template: Template) -> None:
    assert alarms(template)["DeadLetterAge"]["Threshold"] < RETENTION_DAYS * 86_400 / 2


def test_every_alarm_describes_what_happened_and_links_to_its_section(everything: Template) -> None:
    """That each section is a heading of `docs/runbook.md` is tested in `tests/unit/docs`."""
    linked = set()

    for name, properties in alarms(everything).items():
        text, link = properties["AlarmDescription"].split(". What to do: ")
        assert len(text) > 20, name
        linked.add(link)

    assert linked == {f"{RUNBOOK_URL}#{name.section}" for name in AlarmName}


def test_missing_data_is_not_breaching_and_no_alarm_uses_metric_math(
    everything: Template,
) -> None:
    assert {each["TreatMissingData"] for each in alarms(everything).values()} == {"notBreaching"}
    assert [name for name, each in alarms(everything).items() if "Metrics" in each] == []


@pytest.mark.parametrize("name", ["everything_on", "foreign_stack"], ids=["by its ARN", "the topic itself"])
def test_a_topic_is_notified_when_an_alarm_is_raised_and_when_it_ends_and_not_changed(name: str) -> None:
    found = scenario(name)

    for properties in alarms(found).values():
        assert (properties["AlarmActions"], properties["OKActions"]) == ([OPERATORS], [OPERATORS])
    assert of_type(found, "AWS::SNS::Topic") == of_type(found, "AWS::SNS::TopicPolicy") == {}


def test_without_a_topic_alarms_are_only_shown(template: Template) -> None:
    for properties in alarms(template).values():
        assert not {"AlarmActions", "OKActions", "InsufficientDataActions"} & set(properties)


def test_each_threshold_and_the_runbook_url_are_configurable() -> None:
    """The period of `Pending` lasts from one measurement of the reconciler to the next."""
    settings = AlarmSettings(
        dead_letters=5,
        oldest_message=cdk.Duration.minutes(10),
        pending=timedelta(hours=2),
        runbook_url="https://wiki.example.com/jitr",
    )
    rarely = ReconcilerSettings(every=timedelta(hours=6))

    found = alarms(template_of(replace(DEFAULTS, alarms=settings, reconciler=rarely)))

    thresholds = [found[name]["Threshold"] for name in ("DeadLetters", "OldestMessage", "Pending")]
    assert thresholds == [5, 600, 7200]
    assert found["Pending"]["Period"] == 6 * 3600
    assert all("https://wiki.example.com/jitr#" in each["AlarmDescription"] for each in found.values())


# by name


@pytest.fixture(scope="module")
def pipeline() -> Iterator[JitrPipeline]:
    """One CA with a CRL and one without."""
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        yield JitrPipeline(
            stack,
            "Jitr",
            cas=[replace(FACTORY_CA, revocation=CrlBucket()), WORKSHOP_CA],
            account_logging="manage",
            connect_guard=ConnectGuard("admit"),
            outcome_events=OutcomeEvents(),
            alarms=AlarmSettings(topic=sns.Topic.from_topic_arn(stack, "Topic", OPERATORS)),
        )


def test_each_alarm_is_found_by_its_name_and_its_ca(pipeline: JitrPipeline) -> None:
    """Each documented name belongs to an alarm, and each alarm has a documented name."""
    stack = cdk.Stack.of(pipeline)
    of_a_ca = {AlarmName.CRL_STALE, AlarmName.CRL_UNUSABLE, AlarmName.REVOCATION_LIMIT_TRIPPED}
    found = [pipeline.alarm(each, ca="Factory") for each in (*of_a_ca, AlarmName.CA_EXPIRY)]
    found += [pipeline.alarm("CaExpiry", ca="Workshop")]
    found += [pipeline.alarm(each) for each in AlarmName if each not in {*of_a_ca, AlarmName.CA_EXPIRY}]

    ids = {stack.get_logical_id(each.node.default_child) for each in found}  # type: ignore[arg-type]
    assert ids == set(of_type(template(stack), ALARM))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "CrlStael", "ca": "Factory"},
            "alarm: found \"CrlStael\"; allowed: did you mean 'CrlStale'",
        ),
        ({"name": "CrlStale"}, "alarm: ca: found nothing; allowed: Factory"),
        (
            {"name": "CaExpiry", "ca": "Factry"},
            "alarm: ca: found \"Factry\"; allowed: did you mean 'Factory'",
        ),
        ({"name": "CrlStale", "ca": "Workshop"}, 'alarm: ca: found "Workshop"; allowed: Factory'),
        ({"name": "Refused", "ca": "Factory"}, "allowed: no CA: Refused is about the whole pipeline"),
        ({"name": {}}, "alarm: found {}; allowed: DeadLetters, "),
    ],
)
def test_an_unknown_alarm_is_refused_with_the_existing_names(
    pipeline: JitrPipeline, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pipeline.alarm(**arguments)


# left out


def test_alarms_and_dashboard_can_be_left_out() -> None:
    with app_without_bundling() as app:
        pipeline = JitrPipeline(
            cdk.Stack(app, "Fleet"),
            "Jitr",
            cas=[FACTORY_CA],
            alarms="none",
            dashboard=False,
            account_logging="manage",
            outcome_events=OutcomeEvents(),
        )
        DeploymentOutputs(pipeline)
        found = template(cdk.Stack.of(pipeline))

    assert of_type(found, ALARM) == of_type(found, "AWS::CloudWatch::Dashboard") == {}
    assert "Dashboard" not in found["Outputs"]
    assert len(of_type(found, QUERY)) == len(QUERIES) + 1
    with pytest.raises(ConfigurationError, match=r"^Fleet/Jitr: alarm: found a pipeline with alarms: none"):
        pipeline.alarm(AlarmName.REFUSED)


def test_a_dashboard_without_alarms_shows_none() -> None:
    found = template_of(replace(DEFAULTS, alarms="none"))

    assert [each for each in widgets(found) if each["type"] == "alarm"] == []


# dashboard


def widgets(found: Template) -> list[dict[str, Any]]:
    body = only(found, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    return list(json.loads(joined(body))["widgets"])


def shown(found: Template) -> dict[str, list[Any]]:
    """The metrics of each graph, by its title."""
    return {
        each["properties"]["title"]: each["properties"]["metrics"]
        for each in widgets(found)
        if each["type"] == "metric"
    }


def test_the_dashboard_has_its_sections_in_order(template: Template, everything: Template) -> None:
    questions = [
        [
            each["properties"]["markdown"].removeprefix("## ")
            for each in widgets(found)
            if each["type"] == "text"
        ]
        for found in (template, everything)
    ]

    assert questions[0] == [
        "How many devices are activated?",
        "How long does it take?",
        "Which devices are refused, and why?",
        "Does the pipeline work?",
    ]
    assert [each for each in questions[1] if each not in questions[0]] == ["Are the CRLs current?"]


def test_with_a_crl_the_dashboard_shows_the_freshness_of_revocation(everything: Template) -> None:
    found = shown(everything)

    assert {"Age of the CRL", "Time until the CRL is stale"} <= set(found)
    assert [each[1] for each in found["Swept"]] == [
        "Swept",
        "SessionsClosed",
        "SessionsNotClosed",
        "RevocationLimitTripped",
    ]


def test_every_dashboard_row_is_full_width_and_the_alarms_come_first(everything: Template) -> None:
    rows: dict[int, int] = {}
    for each in widgets(everything):
        rows[each["y"]] = rows.get(each["y"], 0) + each["width"]
    first = widgets(everything)[0]

    assert set(rows.values()) == {24}
    assert first["type"] == "alarm"
    # The alarm on AWS IoT's own log is created later.
    assert len(first["properties"]["alarms"]) == len(alarms(everything)) - 1


def test_activations_are_shown_with_the_quota(template: Template) -> None:
    (panel,) = (e for e in widgets(template) if "against the quota" in e["properties"].get("title", ""))

    (line,) = panel["properties"]["annotations"]["horizontal"]
    assert (line["value"], line["label"]) == (3000, "quota: 10 a second")


def test_refusals_are_shown_by_reason_and_one_by_one(template: Template) -> None:
    (search,) = shown(template)["By reason"]

    assert re.match(r"SEARCH\(.*MetricName=\"Decisions\"", search[0]["expression"])
    assert "filter outcome = 'refused'" in json.dumps(widgets(template))


# saved queries


def test_queries_are_saved_in_a_folder_of_the_pipeline_over_the_logs_of_its_functions() -> None:
    found = template_of(SCENARIOS["revocation"])
    saved = [each["Properties"] for each in of_type(found, QUERY).values()]
    groups = [
        {"Ref": named(found, "AWS::Logs::LogGroup", part)[0]}
        for part in ("Activator", "Reconciler", "Publisher", "Sweep")
    ]

    assert {each["Name"] for each in saved} == {f"iot-jitr/Jitr/{query.title}" for query in QUERIES}
    assert all(each["LogGroupNames"] == groups for each in saved)


def test_the_local_cloud_gets_no_saved_queries(local_template: Template) -> None:
    assert of_type(local_template, QUERY) == {}
