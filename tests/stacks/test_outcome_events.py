"""Outcome events as a CDK user asks for them: rights, rules on any bus, other stacks, other apps."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_

from iot_jitr import (
    ConfigurationError,
    CrlBucket,
    DeploymentOutputs,
    ExportedOutputs,
    IJitrPipeline,
    JitrConfiguration,
    JitrPipeline,
    OutcomeEvents,
    Reason,
)
from iot_jitr_runtime.outcome_events import OWED_INDEX, OWED_SHARD, OWED_SINCE, EventType
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    all_statements,
    app_without_bundling,
    as_list,
    joined,
    of_type,
    only,
    template,
    template_of,
)

Template = dict[str, Any]
HOME = cdk.Environment(account="123456789012", region="eu-central-1")
AWAY = cdk.Environment(account="123456789012", region="us-east-1")
THEIR_BUS = "arn:aws:events:eu-central-1:210987654321:event-bus/theirs"
RULES = "AWS::Events::Rule"
METHODS = {
    "on_activated": EventType.ACTIVATED,
    "on_refused": EventType.REFUSED,
    "on_revoked": EventType.REVOKED,
    "on_suspended": EventType.SUSPENDED,
    "on_released": EventType.RELEASED,
    "on_waiting_too_long": EventType.WAITING_TOO_LONG,
}


@pytest.fixture
def app() -> Iterator[cdk.App]:
    with app_without_bundling() as opened:
        yield opened


@pytest.fixture
def fleet(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Fleet", env=HOME)


@pytest.fixture
def pipeline(fleet: cdk.Stack) -> JitrPipeline:
    return made(fleet)


@pytest.fixture
def team(app: cdk.App) -> cdk.Stack:
    """The stack of another team."""
    return cdk.Stack(app, "Team", env=HOME)


def made(stack: cdk.Stack, bus: events.IEventBus | str | None = None) -> JitrPipeline:
    ca = replace(FACTORY_CA, revocation=CrlBucket())
    return JitrPipeline(stack, "Jitr", cas=[ca], outcome_events=OutcomeEvents(bus))


def function(stack: cdk.Stack) -> lambda_.Function:
    return lambda_.Function(
        stack,
        "Theirs",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handle",
        code=lambda_.Code.from_inline("def handle(event, _): ..."),
    )


def rule(stack: cdk.Stack) -> Mapping[str, Any]:
    """The one rule of a stack that has an event pattern of ours."""
    [found] = [
        each["Properties"]
        for each in of_type(template(stack), RULES).values()
        if each["Properties"].get("EventPattern", {}).get("source") == ["iot-jitr"]
    ]
    return dict(found)


# what the functions may do


def publishers(template: Template) -> dict[str, Any]:
    """The statements by which functions publish, by the name of the role's policy."""
    return {
        name: statement
        for name, statement in all_statements(template)
        if "events:PutEvents" in as_list(statement["Action"])
    }


def test_three_functions_may_publish_the_events_of_a_pipeline_to_its_bus_and_nothing_else(
    fleet: cdk.Stack, pipeline: JitrPipeline
) -> None:
    del pipeline
    found = publishers(template(fleet))

    assert len(found) == 3
    for part in ("Activator", "Reconciler", "Sweep"):
        [statement] = [each for name, each in found.items() if part in name]
        assert statement["Action"] == "events:PutEvents"
        assert joined(statement["Resource"]).endswith(":events:eu-central-1:123456789012:event-bus/default")
        assert statement["Condition"] == {
            "ForAllValues:StringEquals": {
                "events:source": ["iot-jitr"],
                "events:detail-type": [each.value for each in EventType],
            }
        }


def test_the_functions_know_bus_and_pipeline(fleet: cdk.Stack, pipeline: JitrPipeline) -> None:
    del pipeline
    variables = [
        each["Properties"]["Environment"]["Variables"]["JITR_OUTCOME_EVENTS"]
        for each in of_type(template(fleet), "AWS::Lambda::Function").values()
        if "JITR_OUTCOME_EVENTS" in each["Properties"].get("Environment", {}).get("Variables", {})
    ]

    assert len(variables) == 3
    for each in variables:
        setting = json.loads(joined(each).replace("${AWS::Partition}", "aws"))
        assert setting == {
            "bus": "arn:aws:events:eu-central-1:123456789012:event-bus/default",
            "pipeline": "Fleet/Jitr",
        }


def test_the_ledger_finds_the_rows_that_owe_an_event(fleet: cdk.Stack, pipeline: JitrPipeline) -> None:
    del pipeline
    indexes = only(template(fleet), "AWS::DynamoDB::Table")["Properties"]["GlobalSecondaryIndexes"]

    [index] = [each for each in indexes if each["IndexName"] == OWED_INDEX]
    assert [(each["AttributeName"], each["KeyType"]) for each in index["KeySchema"]] == [
        (OWED_SHARD, "HASH"),
        (OWED_SINCE, "RANGE"),
    ]
    queries = [
        joined(resource)
        for _, statement in all_statements(template(fleet))
        if "dynamodb:Query" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]
    assert [each for each in queries if each.endswith(f"/index/{OWED_INDEX}")]


def test_off_by_default_nothing_is_there() -> None:
    found = template_of(DEFAULTS)

    assert publishers(found) == {}
    assert "JITR_OUTCOME_EVENTS" not in str(found)
    assert OWED_INDEX not in str(found)
    assert "EventsUnpublished" not in str(found)
    assert "EventBus" not in found["Outputs"]


def test_an_alarm_says_that_events_are_not_published(fleet: cdk.Stack, pipeline: JitrPipeline) -> None:
    alarm = pipeline.alarm("EventsUnpublished")

    assert isinstance(alarm, cloudwatch.Alarm)
    [found] = [
        each["Properties"]
        for each in of_type(template(fleet), "AWS::CloudWatch::Alarm").values()
        if each["Properties"].get("MetricName") == "EventsUnpublished"
    ]
    assert (found["Threshold"], found["Statistic"], found["Period"]) == (1, "Sum", 3600)


# rules


@pytest.mark.parametrize("method", METHODS)
def test_each_outcome_has_a_rule_of_this_pipeline_only(
    fleet: cdk.Stack, pipeline: JitrPipeline, method: str
) -> None:
    made = getattr(pipeline, method)("Tell", description="ours", rule_name="tell")

    assert isinstance(made, events.Rule)
    found = rule(fleet)
    assert (found["Name"], found["Description"], found["State"]) == ("tell", "ours", "ENABLED")
    assert found["EventBusName"] == "default"
    assert found["EventPattern"] == {
        "source": ["iot-jitr"],
        "detail-type": [METHODS[method].value],
        "detail": {"pipeline": ["Fleet/Jitr"]},
    }


def test_a_rule_may_be_for_all_outcomes(fleet: cdk.Stack, pipeline: JitrPipeline) -> None:
    pipeline.on_outcome("All", target=targets.LambdaFunction(function(fleet)))  # type: ignore[arg-type]

    assert "detail-type" not in rule(fleet)["EventPattern"]
    assert len(rule(fleet)["Targets"]) == 1


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.NOT_LISTED, ["not_listed"]),
        ("expired", ["expired"]),
        ([Reason.EXPIRED, "bad_signature"], ["expired", "bad_signature"]),
    ],
)
def test_a_rule_may_be_for_some_reasons(
    fleet: cdk.Stack, pipeline: JitrPipeline, reason: Any, expected: list[str]
) -> None:
    pipeline.on_refused("Tell", reason=reason)

    assert rule(fleet)["EventPattern"]["detail"] == {"pipeline": ["Fleet/Jitr"], "reason": expected}


def test_a_rule_may_match_more(fleet: cdk.Stack, pipeline: JitrPipeline) -> None:
    more = events.EventPattern(detail={"thingName": [{"prefix": "pump-"}]})

    pipeline.on_activated("Tell", event_pattern=more)

    detail = rule(fleet)["EventPattern"]["detail"]
    assert detail == {"pipeline": ["Fleet/Jitr"], "thingName": [{"prefix": "pump-"}]}


def test_rules_and_rights_are_on_the_bus_that_is_passed(app: cdk.App, fleet: cdk.Stack) -> None:
    bus = events.EventBus(fleet, "Company", event_bus_name="company")
    pipeline = made(fleet, bus)

    pipeline.on_revoked("Tell", target=targets.LambdaFunction(function(fleet)))  # type: ignore[arg-type]

    assert "Company" in str(rule(fleet)["EventBusName"])
    assert {joined(each["Resource"]) for each in publishers(template(fleet)).values()} == {
        joined(fleet.resolve(bus.event_bus_arn))
    }
    assert app is not None


# other stacks, other apps


def test_another_teams_function_reacts_to_refusals_reads_the_ledger_and_watches_from_afar(
    app: cdk.App, pipeline: JitrPipeline, team: cdk.Stack
) -> None:
    theirs = function(team)
    pipeline.grant_read_ledger(theirs)
    pipeline.on_refused(
        "Refusals",
        target=targets.LambdaFunction(theirs),  # type: ignore[arg-type]
        reason=Reason.NOT_LISTED,
        cross_stack_scope=team,
    )
    board = cdk.Stack(app, "Board", env=AWAY)
    cloudwatch.Dashboard(board, "Fleet").add_widgets(
        cloudwatch.GraphWidget(
            left=[
                pipeline.metric_activated(),
                pipeline.metric_refused(Reason.NOT_LISTED),
                pipeline.metric_events_unpublished(),
            ]
        )
    )

    app.synth()

    assert rule(team)["EventPattern"]["detail"] == {"pipeline": ["Fleet/Jitr"], "reason": ["not_listed"]}
    permission = only(template(team), "AWS::Lambda::Permission")["Properties"]
    assert permission["Principal"] == "events.amazonaws.com"
    assert [each.stack_name for each in team.dependencies] == ["Fleet"]


def test_a_rule_of_the_pipelines_stack_may_invoke_a_function_of_another(
    app: cdk.App, fleet: cdk.Stack, pipeline: JitrPipeline, team: cdk.Stack
) -> None:
    pipeline.on_activated("Tell", target=targets.LambdaFunction(function(team)))  # type: ignore[arg-type]

    app.synth()

    assert rule(fleet)["Targets"]
    assert [each.stack_name for each in fleet.dependencies] == ["Team"]


def imported(stack: cdk.Stack, **more: Any) -> IJitrPipeline:
    return JitrPipeline.from_pipeline_attributes(
        stack,
        "Imported",
        ledger_table_name="ledger",
        activation_queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/activation",
        dead_letter_queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters",
        service_name="fleet/Jitr",
        **more,
    )


@pytest.mark.parametrize("method", METHODS)
def test_an_imported_pipeline_has_the_same_rules(team: cdk.Stack, method: str) -> None:
    pipeline = imported(team, event_bus_arn="arn:aws:events:eu-central-1:123456789012:event-bus/company")

    getattr(pipeline, method)("Tell", target=targets.LambdaFunction(function(team)))  # type: ignore[arg-type]
    getattr(pipeline, method)("Again", event_pattern=events.EventPattern(account=["x"]))

    found = next(
        each["Properties"]
        for each in of_type(template(team), RULES).values()
        if "account" not in each["Properties"]["EventPattern"]
    )
    assert found["EventBusName"] == "company"
    assert found["EventPattern"]["detail"] == {"pipeline": ["fleet/Jitr"]}
    assert found["EventPattern"]["detail-type"] == [METHODS[method].value]


def test_a_stack_that_exports_its_outputs_names_the_bus(app: cdk.App, team: cdk.Stack) -> None:
    fleet = cdk.Stack(app, "North", env=HOME)
    DeploymentOutputs(made(fleet), export_prefix="fleet")
    pipeline = JitrPipeline.from_stack_outputs(team, "Imported", ExportedOutputs("fleet"))

    pipeline.on_refused("Tell", target=targets.LambdaFunction(function(team)))  # type: ignore[arg-type]

    assert joined(template(fleet)["Outputs"]["EventBus"]["Value"]).endswith(":event-bus/default")
    assert {"Fn::ImportValue": "fleet-ServiceName"} in rule(team)["EventPattern"]["detail"]["pipeline"]
    assert "fleet-EventBus" in str(rule(team)["EventBusName"])


# slips


def test_a_pipeline_without_events_says_how_to_turn_them_on(app: cdk.App, team: cdk.Stack) -> None:
    pipeline = JitrPipeline(cdk.Stack(app, "Plain"), "Jitr", cas=[FACTORY_CA])

    with pytest.raises(ConfigurationError, match=r"Plain/Jitr: on_….*off.*outcome_events=OutcomeEvents\(\)"):
        pipeline.on_activated("Tell")
    with pytest.raises(ConfigurationError, match=r"outputs\.EventBus"):
        imported(team).on_activated("Tell")


def test_an_unknown_reason_is_named_with_the_one_that_is_meant(pipeline: JitrPipeline) -> None:
    with pytest.raises(
        ConfigurationError, match=r'reason: found "not_lsted"; allowed: did you mean .not_listed.'
    ):
        pipeline.on_refused("Tell", reason="not_lsted")


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, Path("x")])
@pytest.mark.parametrize("option", ["target", "event_pattern", "cross_stack_scope"])
def test_an_argument_of_a_wrong_type_is_named(pipeline: JitrPipeline, option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=option):
        pipeline.on_activated("Tell", **{option: value})


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, Path("x"), "arn:aws:sqs:eu-central-1:123456789012:q"])
def test_what_is_no_bus_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"OutcomeEvents.event_bus: found .*an event bus"):
        OutcomeEvents(value)


def test_a_bus_of_another_region_is_refused(fleet: cdk.Stack) -> None:
    with pytest.raises(ConfigurationError, match=r"outcome_events\.event_bus: found a bus in us-east-1"):
        made(fleet, "arn:aws:events:us-east-1:123456789012:event-bus/default")


def test_a_bus_of_another_account_takes_the_events_and_the_rules_are_made_there(
    app: cdk.App, fleet: cdk.Stack
) -> None:
    pipeline = made(fleet, THEIR_BUS)
    with pytest.raises(ConfigurationError, match="a bus in 210987654321"):
        pipeline.on_activated("Tell")
    with pytest.raises(ConfigurationError, match="rules in the account and region of the bus"):
        imported(cdk.Stack(app, "Elsewhere", env=HOME), event_bus_arn=THEIR_BUS).on_activated("Tell")
    there = cdk.Stack(app, "There", env=cdk.Environment(account="210987654321", region="eu-central-1"))
    imported(there, event_bus_arn=THEIR_BUS).on_activated("Tell")
    assert rule(there)["EventBusName"] == "theirs"
    assert {each["Resource"] for each in publishers(template(fleet)).values()} == {THEIR_BUS}


@pytest.mark.parametrize(
    ("section", "bus"), [({}, None), ({"event_bus": THEIR_BUS}, THEIR_BUS)], ids=["default", "a bus"]
)
def test_cdk_json_turns_them_on(section: dict[str, Any], bus: str | None, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(str(FACTORY_CA.certificate))
    ca = {
        "name": "Factory",
        "certificate": "ca.pem",
        "revocation": "none",
        "signer": {"type": "secret", "secret": "x"},
    }

    read = JitrConfiguration.parse({"cas": [ca], "outcome_events": section}, tmp_path)

    assert read.outcome_events == OutcomeEvents(bus)
