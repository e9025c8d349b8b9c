"""Alarms that link to the runbook and are silent in a quiet fleet, a dashboard, saved queries."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns

from iot_jitr import (
    AlarmName,
    AlarmSettings,
    ConfigurationError,
    ConnectGuard,
    CrlBucket,
    JitrConfiguration,
    JitrPipeline,
    OutcomeEvents,
    ReconcilerSettings,
)
from iot_jitr.capacity import RETENTION_DAYS
from iot_jitr.observability import PipelineMetrics, Question, Watched, layout
from iot_jitr.observability.alarms import Alarms
from iot_jitr.observability.queries import QUERIES
from iot_jitr.observability.runbook import Section
from iot_jitr.observability.settings import RUNBOOK_URL
from iot_jitr_runtime.metric_names import Metric
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import SCENARIOS, WORKSHOP_CA
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
TOPIC = "arn:aws:sns:eu-central-1:123456789012:operators"
ALARM = "AWS::CloudWatch::Alarm"


def alarms(found: Template) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in of_type(found, ALARM).items()}


def alarm(found: Template, part: str) -> dict[str, Any]:
    return dict(named(found, ALARM, f"Alarms{part}")[1]["Properties"])


# every alarm


def test_every_alarm_says_what_happened_and_every_section_is_linked_to() -> None:
    """That each section is a heading of `docs/runbook.md` is tested in `tests/unit/docs`."""
    linked = set()

    for name, properties in alarms(template_of(SCENARIOS["everything_on"])).items():
        says, link = properties["AlarmDescription"].split(". What to do: ")
        assert len(says) > 20, name
        linked.add(link)

    assert linked == {section.link(RUNBOOK_URL) for section in Section}


def test_no_data_is_no_alarm(template: Template) -> None:
    assert {each["TreatMissingData"] for each in alarms(template).values()} == {"notBreaching"}


def test_no_alarm_is_metric_math_which_the_local_cloud_does_not_know(template: Template) -> None:
    assert [name for name, each in alarms(template).items() if "Metrics" in each] == []


def test_without_a_topic_alarms_are_only_shown(template: Template) -> None:
    for properties in alarms(template).values():
        assert not {"AlarmActions", "OKActions", "InsufficientDataActions"} & set(properties)


def test_a_topic_is_told_when_an_alarm_rings_and_when_it_is_over() -> None:
    found = template_of(replace(DEFAULTS, alarms=AlarmSettings(topic=TOPIC)))

    for properties in alarms(found).values():
        assert (properties["AlarmActions"], properties["OKActions"]) == ([TOPIC], [TOPIC])
    assert of_type(found, "AWS::SNS::Topic") == {}


def test_a_runbook_of_ones_own_is_linked_to() -> None:
    settings = AlarmSettings(runbook_url="https://wiki.example.com/jitr")

    found = template_of(replace(DEFAULTS, alarms=settings))

    assert all(
        "https://wiki.example.com/jitr#" in each["AlarmDescription"] for each in alarms(found).values()
    )


# single ones


@pytest.mark.parametrize(
    ("part", "metric", "threshold", "over"),
    [
        ("DeadLetters", "ApproximateNumberOfMessagesVisible", 1, ("Maximum", 300)),
        ("DeadLetterAge", "ApproximateAgeOfOldestMessage", 3 * 86_400, ("Maximum", 300)),
        ("OldestMessage", "ApproximateAgeOfOldestMessage", 3600, ("Maximum", 300)),
        ("Deferred", "Blocked", 20, ("Sum", 900)),
        ("Refused", "Refused", 300, ("Sum", 900)),
        ("ApiThrottled", "Decisions", 100, ("Sum", 900)),
        ("Pending", "PendingAge", 86_400, ("Maximum", 3600)),
        ("ActivatorErrors", "Errors", 3, ("Sum", 900)),
        ("ActivatorThrottles", "Throttles", 100, ("Sum", 900)),
    ],
)
def test_an_alarm_rings_when_its_metric_reaches_the_threshold(
    template: Template, part: str, metric: str, threshold: int, over: tuple[str, int]
) -> None:
    properties = alarm(template, part)

    assert (properties["MetricName"], properties["Threshold"]) == (metric, threshold)
    assert (properties["Statistic"], properties["Period"]) == over
    assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_the_age_of_dead_letters_is_that_of_their_queue_and_leaves_days_to_act(template: Template) -> None:
    dead_letters, _ = named(template, "AWS::SQS::Queue", "DeadLetters")
    (dimension,) = alarm(template, "DeadLetterAge")["Dimensions"]

    assert dimension["Value"] == {"Fn::GetAtt": [dead_letters, "QueueName"]}
    assert alarm(template, "DeadLetterAge")["Threshold"] < RETENTION_DAYS * 86_400 / 2


def test_the_alarm_on_pending_certificates_lasts_from_one_look_of_the_reconciler_to_the_next() -> None:
    rarely = ReconcilerSettings(every=timedelta(hours=6))

    assert alarm(template_of(replace(DEFAULTS, reconciler=rarely)), "Pending")["Period"] == 6 * 3600


def test_a_ca_that_expires_soon_rings_below_its_threshold(template: Template) -> None:
    properties = alarm(template, "CaExpiryFactory")
    ca, _ = named(template, "Custom::JitrCaCertificate", "Factory")
    dimensions = {each["Name"]: joined(each["Value"]) for each in properties["Dimensions"]}

    assert (properties["ComparisonOperator"], properties["Threshold"]) == ("LessThanThreshold", 90)
    assert dimensions == {"service": "iot-jitr/Jitr", "ca": f"${{{ca}.CaCertificateId}}"}


def test_the_pipelines_own_metrics_are_told_apart_by_its_name(template: Template) -> None:
    own = [each for each in alarms(template).values() if each["Namespace"] == "IotJitr"]

    assert own
    for properties in own:
        assert {"Name": "service", "Value": "iot-jitr/Jitr"} in properties["Dimensions"]


def test_the_functions_write_under_the_same_name(template: Template) -> None:
    _, function = named(template, "AWS::Lambda::Function", "Activator")

    assert function["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == "iot-jitr/Jitr"
    assert template["Outputs"]["ServiceName"]["Value"] == "iot-jitr/Jitr"


def test_two_pipelines_of_a_stack_do_not_add_up() -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet", stack_name="fleet")
        names = [
            JitrPipeline(stack, name, cas=[ca]).metrics.service
            for name, ca in (("North", FACTORY_CA), ("South", WORKSHOP_CA))
        ]

    assert names == ["fleet/North", "fleet/South"]


def test_thresholds_are_configurable_one_by_one() -> None:
    settings = AlarmSettings(
        dead_letters=5, oldest_message=cdk.Duration.minutes(10), pending=timedelta(hours=2)
    )

    found = template_of(replace(DEFAULTS, alarms=settings))

    assert alarm(found, "DeadLetters")["Threshold"] == 5
    assert alarm(found, "OldestMessage")["Threshold"] == 600
    assert alarm(found, "Pending")["Threshold"] == 7200


@pytest.mark.parametrize("value", [0, -1, 1_000_001])
def test_a_threshold_out_of_range_is_refused_by_its_name(value: int) -> None:
    with pytest.raises(ConfigurationError, match=r"AlarmSettings\.refused.*1 to 1,000,000"):
        AlarmSettings(refused=value)


def watched(stack: cdk.Stack, **changes: Any) -> Watched:
    pipeline = JitrPipeline(stack, "Jitr", cas=[FACTORY_CA])
    values = {
        "metrics": PipelineMetrics("Fleet", "fleet/Jitr"),
        "queues": pipeline.queues,
        "activator": pipeline.activator.function.function,
        "background": {"CrlPublisher": pipeline.activator.function.function},
        "cas": {"Factory": "ca-1"},
        "cas_with_crl": {"Factory": "ca-1"},
        "closes_sessions": True,
        "reconciled_every": timedelta(hours=1),
    }
    return Watched(**(values | changes))  # type: ignore[arg-type]


def test_a_ca_with_a_crl_has_alarms_of_its_own_and_a_background_function_one() -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        topic = sns.Topic.from_topic_arn(stack, "Topic", TOPIC)
        Alarms(stack, "Own", watched=watched(stack), settings=AlarmSettings(topic=topic))
        found = {name: each for name, each in alarms(template(stack)).items() if name.startswith("Own")}

    def one(part: str) -> dict[str, Any]:
        (properties,) = (each for name, each in found.items() if part in name)
        return properties

    assert (one("CrlStale")["Threshold"], one("CrlStale")["ComparisonOperator"]) == (
        3600,
        "LessThanThreshold",
    )
    assert (one("CrlUnusable")["MetricName"], one("RevocationLimitTripped")["MetricName"]) == (
        "CrlUnusable",
        "RevocationLimitTripped",
    )
    assert one("SessionsNotClosed")["Threshold"] == 1
    assert one("CrlPublisherErrors")["Threshold"] == 1


def test_every_background_function_of_a_pipeline_with_crls_is_watched_and_searched() -> None:
    found = template_of(SCENARIOS["revocation"])
    queries = of_type(found, "AWS::Logs::QueryDefinition").values()

    for name in ("Reconciler", "CrlPublisher", "Sweep"):
        assert alarm(found, f"{name}Errors")["MetricName"] == "Errors"
    assert {len(each["Properties"]["LogGroupNames"]) for each in queries} == {4}


# by name


@pytest.fixture(scope="module")
def pipeline() -> Iterator[JitrPipeline]:
    """One CA with a CRL and one without."""
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        cas = [replace(FACTORY_CA, revocation=CrlBucket()), WORKSHOP_CA]
        guard = ConnectGuard("admit")
        yield JitrPipeline(
            stack,
            "Jitr",
            cas=cas,
            account_logging="manage",
            connect_guard=guard,
            outcome_events=OutcomeEvents(),
        )


def test_each_alarm_is_found_by_its_name_and_by_that_of_its_ca(pipeline: JitrPipeline) -> None:
    """Each name of the documentation is that of an alarm, and no alarm is without one."""
    stack = cdk.Stack.of(pipeline)
    of_a_ca = {AlarmName.CRL_STALE, AlarmName.CRL_UNUSABLE, AlarmName.REVOCATION_LIMIT_TRIPPED}
    found = [pipeline.alarm(each, ca="Factory") for each in (*of_a_ca, AlarmName.CA_EXPIRY)]
    found += [pipeline.alarm("CaExpiry", ca="Workshop")]
    found += [pipeline.alarm(each) for each in AlarmName if each not in {*of_a_ca, AlarmName.CA_EXPIRY}]

    ids = {stack.get_logical_id(each.node.default_child) for each in found}  # type: ignore[arg-type]
    assert ids == set(alarms(template(stack)))


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
def test_an_alarm_that_there_is_not_is_refused_with_those_that_there_are(
    pipeline: JitrPipeline, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pipeline.alarm(**arguments)


# left out


def test_alarms_and_dashboard_are_left_out_where_that_is_said() -> None:
    found = template_of(replace(DEFAULTS, alarms="none", dashboard=False, account_logging="manage"))

    assert of_type(found, ALARM) == {}
    assert of_type(found, "AWS::CloudWatch::Dashboard") == {}
    assert "Dashboard" not in found["Outputs"]
    assert len(of_type(found, "AWS::Logs::QueryDefinition")) == len(QUERIES) + 1


def test_a_dashboard_without_alarms_shows_none() -> None:
    found = template_of(replace(DEFAULTS, alarms="none"))

    assert [each for each in widgets(found) if each["type"] == "alarm"] == []


def test_an_alarm_of_a_pipeline_without_alarms_is_refused() -> None:
    with app_without_bundling() as app:
        pipeline = JitrPipeline(cdk.Stack(app, "Fleet"), "Jitr", cas=[FACTORY_CA], alarms="none")

    with pytest.raises(ConfigurationError, match=r"^Fleet/Jitr: alarm: found a pipeline with alarms: none"):
        pipeline.alarm(AlarmName.REFUSED)


def test_the_same_is_said_in_cdk_json(tmp_path: Path) -> None:
    cas = [{"name": "Factory", "certificate": FACTORY, "mode": "SNI_ONLY", "revocation": "none"}]

    read = JitrConfiguration.parse({"cas": cas, "alarms": "none", "dashboard": False}, tmp_path)

    assert (read.alarms, read.dashboard) == ("none", False)
    for value, message in (("nine", "did you mean 'none'"), (None, "null"), ([], "or .none. for no alarms")):
        with pytest.raises(ConfigurationError, match=rf"^jitr\.alarms: .*{message}"):
            JitrConfiguration.parse({"cas": cas, "alarms": value}, tmp_path)
    with pytest.raises(ConfigurationError, match=r"^jitr\.alarms\.refused: found 0"):
        JitrConfiguration.parse({"cas": cas, "alarms": {"refused": 0}}, tmp_path)


# dashboard


def widgets(found: Template) -> list[dict[str, Any]]:
    body = only(found, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    return list(json.loads(joined(body))["widgets"])


def test_the_dashboard_answers_its_questions_in_order(template: Template) -> None:
    headings = [
        each["properties"]["markdown"].removeprefix("## ")
        for each in widgets(template)
        if each["type"] == "text"
    ]

    assert headings == [
        Question.GETTING_IN,
        Question.HOW_LONG,
        Question.WHO_IS_REFUSED,
        Question.HEALTH,
    ]


def test_with_a_crl_it_shows_whether_revocation_is_fresh() -> None:
    with app_without_bundling() as app:
        rows = layout(watched(cdk.Stack(app, "Fleet")), 10)

    (row,) = (each for each in rows if each.question is Question.REVOCATION)
    titles = [panel.title for panel in row.panels]
    assert titles == ["Age of the CRL", "Time until the CRL is stale", "Swept"]
    swept = {metric.metric_name for metric in row.panels[-1].metrics if isinstance(metric, cloudwatch.Metric)}
    assert {"Swept", "SessionsClosed", "SessionsNotClosed"} <= swept


def test_every_row_is_as_wide_as_the_dashboard(template: Template) -> None:
    rows: dict[int, int] = {}
    for each in widgets(template):
        rows[each["y"]] = rows.get(each["y"], 0) + each["width"]

    assert set(rows.values()) == {24}


def test_activations_are_compared_with_the_quota(template: Template) -> None:
    (panel,) = (e for e in widgets(template) if "against the quota" in e["properties"].get("title", ""))

    (line,) = panel["properties"]["annotations"]["horizontal"]
    assert (line["value"], line["label"]) == (3000, "quota: 10 a second")


def test_all_alarms_stand_at_its_top(template: Template) -> None:
    first = widgets(template)[0]

    assert first["type"] == "alarm"
    assert len(first["properties"]["alarms"]) == len(alarms(template))


def test_refusals_are_shown_by_reason_and_one_by_one(template: Template) -> None:
    texts = json.dumps(widgets(template))

    assert Metric.DECISIONS.value in texts
    assert "SEARCH(" in texts
    assert "filter outcome = 'refused'" in texts


# saved queries


def test_queries_are_saved_in_a_folder_of_the_pipeline_over_its_logs(template: Template) -> None:
    saved = [each["Properties"] for each in of_type(template, "AWS::Logs::QueryDefinition").values()]
    activator, _ = named(template, "AWS::Logs::LogGroup", "Activator")
    reconciler, _ = named(template, "AWS::Logs::LogGroup", "Reconciler")

    assert {each["Name"] for each in saved} == {f"iot-jitr/Jitr/{query.title}" for query in QUERIES}
    assert all(each["LogGroupNames"] == [{"Ref": activator}, {"Ref": reconciler}] for each in saved)


def test_the_local_cloud_knows_no_saved_queries(local_template: Template) -> None:
    assert of_type(local_template, "AWS::Logs::QueryDefinition") == {}
