"""Outcome events as a CDK user configures them: rights, rules on any bus, other stacks, other apps."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_

from iot_jitr import (
    ConfigurationError,
    CrlBucket,
    DeploymentOutputs,
    ExportedOutputs,
    JitrPipeline,
    OutcomeEvents,
    Reason,
)
from iot_jitr_runtime.outcome_events import OWED_INDEX, OWED_SHARD, OWED_SINCE, EventType
from tests.support.stacks import (
    FACTORY_CA,
    HOME,
    all_statements,
    app_without_bundling,
    as_list,
    granted,
    imported,
    joined,
    named,
    of_type,
    template,
    template_of,
    variables,
    with_ca,
)

Template = dict[str, Any]
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
def pipeline(fleet: cdk.Stack) -> JitrPipeline:
    return made(fleet)


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
    """The one rule of a stack that matches outcome events."""
    [found] = [
        each["Properties"]
        for each in of_type(template(stack), RULES).values()
        if each["Properties"].get("EventPattern", {}).get("source") == ["iot-jitr"]
    ]
    return dict(found)


# permissions of the functions


def publishers(template: Template) -> dict[str, Any]:
    """The statements by which functions publish, by the name of the role's policy."""
    return {
        name: statement
        for name, statement in all_statements(template)
        if "events:PutEvents" in as_list(statement["Action"])
    }


@pytest.fixture(scope="module")
def publishing() -> Template:
    return template_of(replace(with_ca(revocation=CrlBucket()), outcome_events=OutcomeEvents()))


def test_three_functions_may_publish_the_events_of_a_pipeline_to_its_bus_and_nothing_else(
    publishing: Template,
) -> None:
    found = publishers(publishing)
    bus = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"

    assert len(found) == 3
    for part in ("Activator", "Reconciler", "Sweep"):
        [statement] = [each for name, each in found.items() if part in name]
        assert statement == {
            "Effect": "Allow",
            "Action": "events:PutEvents",
            "Resource": statement["Resource"],
            "Condition": {
                "ForAllValues:StringEquals": {
                    "events:source": ["iot-jitr"],
                    "events:detail-type": [each.value for each in EventType],
                }
            },
        }
        assert joined(statement["Resource"]) == bus
        setting = json.loads(variables(publishing, part)["JITR_OUTCOME_EVENTS"])
        assert setting == {"bus": bus, "pipeline": "iot-jitr/Jitr"}


def test_the_reconciler_finds_the_rows_that_owe_an_event(publishing: Template) -> None:
    table, found = named(publishing, "AWS::DynamoDB::Table", "Ledger")

    [index] = [e for e in found["Properties"]["GlobalSecondaryIndexes"] if e["IndexName"] == OWED_INDEX]
    assert [(each["AttributeName"], each["KeyType"]) for each in index["KeySchema"]] == [
        (OWED_SHARD, "HASH"),
        (OWED_SINCE, "RANGE"),
    ]
    query = ("dynamodb:Query", f"${{{table}.Arn}}/index/{OWED_INDEX}")
    assert query in granted(publishing, "Reconciler")


def test_by_default_no_resource_for_outcome_events_exists(template: Template) -> None:
    assert publishers(template) == {}
    for absent in ("JITR_OUTCOME_EVENTS", OWED_INDEX, "EventsUnpublished"):
        assert absent not in str(template)
    assert "EventBus" not in template["Outputs"]


# rules


OF_THE_PIPELINE = {"pipeline": ["Fleet/Jitr"]}
PATTERNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    **{name: (name, {}, {"detail-type": [kind.value]}) for name, kind in METHODS.items()},
    "all outcomes": ("on_outcome", {}, {}),
    "a reason": (
        "on_outcome",
        {"reason": Reason.NOT_LISTED},
        {"detail": {**OF_THE_PIPELINE, "reason": ["not_listed"]}},
    ),
    "reasons of a refusal": (
        "on_refused",
        {"reason": [Reason.EXPIRED, "bad_signature"]},
        {
            "detail-type": [EventType.REFUSED.value],
            "detail": {**OF_THE_PIPELINE, "reason": ["expired", "bad_signature"]},
        },
    ),
    "a reason to wait": (
        "on_waiting_too_long",
        {"reason": "crl_stale"},
        {
            "detail-type": [EventType.WAITING_TOO_LONG.value],
            "detail": {**OF_THE_PIPELINE, "reason": ["crl_stale"]},
        },
    ),
    "more of the detail": (
        "on_activated",
        {"event_pattern": events.EventPattern(detail={"thingName": [{"prefix": "pump-"}]})},
        {
            "detail-type": [EventType.ACTIVATED.value],
            "detail": {**OF_THE_PIPELINE, "thingName": [{"prefix": "pump-"}]},
        },
    ),
}
"""Method and its options → the difference to the pattern that matches all events of the pipeline."""


@pytest.mark.parametrize("case", PATTERNS)
def test_a_rule_matches_outcomes_of_this_pipeline_only(
    fleet: cdk.Stack, pipeline: JitrPipeline, case: str
) -> None:
    method, options, pattern = PATTERNS[case]

    made = getattr(pipeline, method)("Rule", description="ours", rule_name="rule", **options)

    assert isinstance(made, events.Rule)
    found = rule(fleet)
    assert (found["Name"], found["Description"], found["State"]) == ("rule", "ours", "ENABLED")
    assert found["EventBusName"] == "default"
    assert found["EventPattern"] == {"source": ["iot-jitr"], "detail": OF_THE_PIPELINE, **pattern}


def test_rules_and_rights_are_on_the_bus_that_is_passed(fleet: cdk.Stack) -> None:
    bus = events.EventBus(fleet, "Company", event_bus_name="company")
    pipeline = made(fleet, bus)

    pipeline.on_revoked("Rule", target=targets.LambdaFunction(function(fleet)))  # type: ignore[arg-type]

    assert "Company" in str(rule(fleet)["EventBusName"])
    assert {joined(each["Resource"]) for each in publishers(template(fleet)).values()} == {
        joined(fleet.resolve(bus.event_bus_arn))
    }


# other stacks, other apps


def test_a_rule_of_the_pipelines_stack_may_invoke_a_function_of_another(
    app: cdk.App, fleet: cdk.Stack, pipeline: JitrPipeline, team: cdk.Stack
) -> None:
    pipeline.on_activated("Rule", target=targets.LambdaFunction(function(team)))  # type: ignore[arg-type]

    app.synth()

    assert rule(fleet)["Targets"]
    assert [each.stack_name for each in fleet.dependencies] == ["Team"]


def test_an_imported_pipeline_has_the_same_rules(team: cdk.Stack) -> None:
    pipeline = imported(team, event_bus_arn="arn:aws:events:eu-central-1:123456789012:event-bus/company")
    target = targets.LambdaFunction(function(team))  # type: ignore[arg-type]

    for method in METHODS:
        getattr(pipeline, method)(method, target=target)

    found = [each["Properties"] for each in of_type(template(team), RULES).values()]
    assert {each["EventBusName"] for each in found} == {"company"}
    assert sorted(each["EventPattern"]["detail-type"][0] for each in found) == sorted(METHODS.values())
    assert [each["EventPattern"]["detail"] for each in found] == [{"pipeline": ["fleet/Jitr"]}] * len(METHODS)


def test_a_stack_that_exports_its_outputs_names_the_bus(app: cdk.App, team: cdk.Stack) -> None:
    fleet = cdk.Stack(app, "North", env=HOME)
    DeploymentOutputs(made(fleet), export_prefix="fleet")
    pipeline = JitrPipeline.from_stack_outputs(team, "Imported", ExportedOutputs("fleet"))

    pipeline.on_refused("Rule", target=targets.LambdaFunction(function(team)))  # type: ignore[arg-type]

    assert joined(template(fleet)["Outputs"]["EventBus"]["Value"]).endswith(":event-bus/default")
    assert {"Fn::ImportValue": "fleet-ServiceName"} in rule(team)["EventPattern"]["detail"]["pipeline"]
    assert "fleet-EventBus" in str(rule(team)["EventBusName"])


# what is refused


@pytest.fixture(scope="module")
def refusing() -> Iterator[JitrPipeline]:
    with app_without_bundling() as app:
        yield made(cdk.Stack(app, "Fleet", env=HOME))


def test_the_error_of_a_pipeline_without_events_names_the_option(app: cdk.App, team: cdk.Stack) -> None:
    pipeline = JitrPipeline(cdk.Stack(app, "Plain"), "Jitr", cas=[FACTORY_CA])

    with pytest.raises(ConfigurationError, match=r"Plain/Jitr: on_….*off.*outcome_events=OutcomeEvents\(\)"):
        pipeline.on_activated("Rule")
    with pytest.raises(ConfigurationError, match=r"outputs\.EventBus"):
        imported(team).on_activated("Rule")


def test_an_unknown_reason_is_named_with_the_nearest_one(refusing: JitrPipeline) -> None:
    with pytest.raises(
        ConfigurationError, match=r'reason: found "not_lsted"; allowed: did you mean .not_listed.'
    ):
        refusing.on_refused("Rule", reason="not_lsted")


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, Path("x")])
@pytest.mark.parametrize("option", ["target", "event_pattern", "cross_stack_scope"])
def test_an_argument_of_a_wrong_type_is_named(refusing: JitrPipeline, option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=option):
        refusing.on_activated("Rule", **{option: value})


def test_a_bus_of_another_region_is_refused(fleet: cdk.Stack) -> None:
    with pytest.raises(ConfigurationError, match=r"outcome_events\.event_bus: found a bus in us-east-1"):
        made(fleet, "arn:aws:events:us-east-1:123456789012:event-bus/default")


def test_rules_for_a_bus_of_another_account_are_created_in_that_account(
    app: cdk.App, fleet: cdk.Stack
) -> None:
    pipeline = made(fleet, THEIR_BUS)
    with pytest.raises(ConfigurationError, match="a bus in 210987654321"):
        pipeline.on_activated("Rule")
    with pytest.raises(ConfigurationError, match="rules in the account and region of the bus"):
        imported(cdk.Stack(app, "Elsewhere", env=HOME), event_bus_arn=THEIR_BUS).on_activated("Rule")
    there = cdk.Stack(app, "There", env=cdk.Environment(account="210987654321", region="eu-central-1"))
    imported(there, event_bus_arn=THEIR_BUS).on_activated("Rule")
    assert rule(there)["EventBusName"] == "theirs"
    assert {each["Resource"] for each in publishers(template(fleet)).values()} == {THEIR_BUS}
