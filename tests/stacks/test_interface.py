"""What other stacks and apps use of a pipeline: grants, metrics, imports and outputs."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from iot_jitr import (
    AllowList,
    ConfigurationError,
    CrlBucket,
    CrlUrl,
    DeploymentOutputs,
    ExportedOutputs,
    IJitrPipeline,
    JitrPipeline,
    Metric,
    Reason,
)
from iot_jitr_runtime.stack_outputs import Output
from tests.support.scenarios import WORKSHOP_CA
from tests.support.stacks import (
    FACTORY_CA,
    Statement,
    app_without_bundling,
    as_list,
    joined,
    named,
    of_type,
    template,
)

Template = dict[str, Any]
HOME = cdk.Environment(account="123456789012", region="eu-central-1")
AWAY = cdk.Environment(account="123456789012", region="us-east-1")
DEPLOYED = {
    Output.LEDGER_TABLE: "ledger",
    Output.ACTIVATION_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/activation",
    Output.DEAD_LETTER_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters",
    Output.ALLOW_LIST_TABLE: "allow-list",
    Output.REVOCATION_BUCKET: "crls",
    Output.METRICS_NAMESPACE: "IotJitr",
    Output.SERVICE_NAME: "fleet/Jitr",
    "FactoryCaCertificateId": "ab" * 32,
    "FactoryCrlLocation": "s3://crls/crl/Factory/",
    "WorkshopCaCertificateId": "cd" * 32,
    "WorkshopCrlLocation": "https://crl.example.com/workshop.crl",
}
TABLE = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"}


@pytest.fixture
def app() -> Iterator[cdk.App]:
    with app_without_bundling() as opened:
        yield opened


@pytest.fixture
def pipeline(app: cdk.App) -> JitrPipeline:
    stack = cdk.Stack(app, "Fleet", env=HOME)
    cas = [
        replace(FACTORY_CA, revocation=CrlBucket()),
        replace(WORKSHOP_CA, revocation=CrlUrl("https://crl.example.com/workshop.crl")),
    ]
    return JitrPipeline(stack, "Jitr", cas=cas, admission=AllowList())


@pytest.fixture
def team(app: cdk.App) -> cdk.Stack:
    """The stack of another team."""
    return cdk.Stack(app, "Team", env=HOME)


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Theirs", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def allowed(stack: cdk.Stack) -> dict[str, set[str]]:
    """Action -> the resources on which the roles of a stack may do it."""
    found: dict[str, set[str]] = {}
    for policy in of_type(template(stack), "AWS::IAM::Policy").values():
        statements: list[Statement] = policy["Properties"]["PolicyDocument"]["Statement"]
        for statement in statements:
            for action in as_list(statement["Action"]):
                resources = set(map(joined_import, as_list(statement["Resource"])))
                found.setdefault(action, set()).update(resources)
    return found


def joined_import(value: Any) -> str:
    """As `joined`, for outputs of other stacks too: `<name>`."""
    return joined(_named_imports(value))


def _named_imports(value: Any) -> Any:
    match value:
        case {"Fn::GetStackOutput": output}:
            return f"<{output['OutputName']}>"
        case dict():
            return {key: _named_imports(each) for key, each in value.items()}
        case list():
            return [_named_imports(each) for each in value]
    return value


def is_like(resources: set[str], *patterns: str) -> bool:
    return len(resources) == len(patterns) and all(
        any(re.fullmatch(pattern, resource) for resource in resources) for pattern in patterns
    )


# rights


def test_another_team_may_read_the_ledger_and_its_indexes(pipeline: IJitrPipeline, team: cdk.Stack) -> None:
    pipeline.grant_read_ledger(role(team))

    found = allowed(team)
    assert set(found) >= TABLE
    assert not [action for action in found if "Put" in action or "Update" in action or "Delete" in action]
    assert is_like(found["dynamodb:Query"], r"<.*Ledger.*Arn.*>", r"<.*Ledger.*Arn.*>/index/\*")


def test_a_right_covers_the_key_that_encrypts(app: cdk.App, team: cdk.Stack) -> None:
    stack = cdk.Stack(app, "Fleet", env=HOME)
    pipeline = JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], encryption_key=kms.Key(stack, "Key"))

    pipeline.grant_read_ledger(role(team))

    assert is_like(allowed(team)["kms:Decrypt"], r"<.*Key.*Arn.*>")


def test_whoever_redrives_takes_dead_letters_and_sends_events(
    pipeline: IJitrPipeline, team: cdk.Stack
) -> None:
    pipeline.grant_redrive(role(team))

    found = allowed(team)
    assert is_like(found["sqs:ReceiveMessage"], r"<.*DeadLetters.*Arn.*>")
    assert is_like(found["sqs:DeleteMessage"], r"<.*DeadLetters.*Arn.*>")
    assert is_like(found["sqs:SendMessage"], r"<.*Activation.*Arn.*>")


def test_whoever_writes_the_allow_list_may_not_write_the_ledger(
    pipeline: IJitrPipeline, team: cdk.Stack
) -> None:
    pipeline.grant_write_allow_list(role(team))

    found = allowed(team)
    assert {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:GetItem"} <= set(
        found
    )
    assert all("AllowList" in each for resources in found.values() for each in resources)


def test_whoever_publishes_crls_writes_those_of_one_ca(pipeline: IJitrPipeline, team: cdk.Stack) -> None:
    pipeline.grant_publish_crl(role(team), "Factory")

    found = allowed(team)
    assert is_like(found["s3:PutObject"], r"<.*Objects.*Arn.*>/crl/Factory/\*")
    assert "s3:GetObject" not in found


def test_a_right_on_what_there_is_not_is_refused(
    app: cdk.App, pipeline: IJitrPipeline, team: cdk.Stack
) -> None:
    grantee = role(team)
    plain = JitrPipeline(cdk.Stack(app, "Plain"), "Jitr", cas=[FACTORY_CA])

    for ca in ("Factry", "Workshop"):
        with pytest.raises(
            ConfigurationError, match=rf"grant_publish_crl: found '{ca}'; allowed: .*a CA whose CRLs"
        ):
            pipeline.grant_publish_crl(grantee, ca)
    with pytest.raises(ConfigurationError, match="did you mean 'Factory'"):
        pipeline.grant_publish_crl(grantee, "Factry")
    with pytest.raises(ConfigurationError, match="grant_publish_crl: found 'Factory'"):
        plain.grant_publish_crl(grantee, "Factory")
    with pytest.raises(
        ConfigurationError, match="grant_write_allow_list: found a pipeline without an allow list"
    ):
        plain.grant_write_allow_list(grantee)


# metrics


def shown(app: cdk.App, metrics: list[cloudwatch.IMetric], env: cdk.Environment) -> list[list[Any]]:
    """The metrics of a dashboard in another stack, as CloudWatch gets them."""
    stack = cdk.Stack(app, "Board", env=env)
    board = cloudwatch.Dashboard(stack, "Board")
    board.add_widgets(cloudwatch.GraphWidget(left=metrics))
    (made,) = of_type(template(stack), "AWS::CloudWatch::Dashboard").values()
    found = json.loads(joined_import(made["Properties"]["DashboardBody"]))["widgets"][0]["properties"][
        "metrics"
    ]
    return [list(each) for each in found]


def test_a_dashboard_of_another_region_shows_the_pipelines(app: cdk.App, pipeline: JitrPipeline) -> None:
    found = shown(
        app, [pipeline.metric_activated(), pipeline.metric_refused("revoked", label="revoked")], AWAY
    )

    activated, revoked = found
    assert activated[:4] == ["IotJitr", "Activated", "service", "Fleet/Jitr"]
    assert activated[4] == {"region": "eu-central-1", "stat": "Sum"}
    assert revoked[:6] == ["IotJitr", "Decisions", "reason", "revoked", "service", "Fleet/Jitr"]
    assert revoked[6] == {"region": "eu-central-1", "label": "revoked", "stat": "Sum"}


OF_A_CA = {each for each in Metric if each.name.startswith(("CRL", "CA_", "REVOCATION_LIMIT"))}
STATISTICS = {
    Metric.TIME_TO_ACTIVE: "p90",
    Metric.PENDING_AGE: "Maximum",
    Metric.CRL_AGE: "Maximum",
    Metric.CRL_ENTRIES: "Maximum",
    Metric.CRL_TIME_LEFT: "Minimum",
    Metric.CA_DAYS_TO_EXPIRY: "Minimum",
}


@pytest.mark.parametrize("of", sorted(set(Metric) - {Metric.DECISIONS}), ids=str)
def test_each_metric_has_its_method_and_the_statistic_that_suits_it(
    pipeline: JitrPipeline, of: Metric
) -> None:
    method = getattr(pipeline, f"metric_{of.name.lower()}")

    metric = method("Factory") if of in OF_A_CA else method()

    dimensions = metric.dimensions or {}
    assert metric.metric_name == of
    assert dimensions["service"] == pipeline.metrics.service
    assert ("ca" in dimensions) is (of in OF_A_CA)
    assert metric.statistic == STATISTICS.get(of, "Sum")


def test_a_reason_chooses_among_the_refusals_and_deferrals(pipeline: JitrPipeline) -> None:
    for metric in (pipeline.metric_refused(Reason.REVOKED), pipeline.metric_deferred(Reason.REVOKED)):
        assert (metric.metric_name, (metric.dimensions or {})["reason"]) == ("Decisions", "revoked")


def test_any_metric_is_there_by_its_name_with_the_options_of_the_cdk(pipeline: JitrPipeline) -> None:
    metric = pipeline.metric("Swept", statistic="Maximum", period=cdk.Duration.hours(1))

    assert metric.metric_name == pipeline.metric(Metric.SWEPT).metric_name
    assert (metric.statistic, metric.period.to_hours()) == ("Maximum", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"metric": "Activatd"},
            "^JitrPipeline.metric.metric: found .Activatd.; allowed: did you mean 'Activated'",
        ),
        (
            {"metric": "Decisions", "reason": "revokd"},
            "^JitrPipeline.metric.reason: found .revokd.; allowed: did you mean 'revoked'",
        ),
        ({"metric": "CrlAge", "ca": "Factry"}, "metric: ca: found 'Factry'; allowed: did you mean 'Factory'"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(
    pipeline: JitrPipeline, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pipeline.metric(**arguments)


# pipelines of other apps


@pytest.fixture(params=["outputs", "attributes"])
def imported(request: pytest.FixtureRequest, team: cdk.Stack) -> IJitrPipeline:
    if request.param == "outputs":
        return JitrPipeline.from_stack_outputs(team, "Jitr", DEPLOYED)
    return JitrPipeline.from_pipeline_attributes(
        team,
        "Jitr",
        ledger_table_name="ledger",
        activation_queue_url=DEPLOYED[Output.ACTIVATION_QUEUE_URL],
        dead_letter_queue_url=DEPLOYED[Output.DEAD_LETTER_QUEUE_URL],
        service_name="fleet/Jitr",
        allow_list_table_name="allow-list",
        revocation_bucket_name="crls",
        ca_certificate_ids={"Factory": "ab" * 32},
    )


def test_an_imported_pipeline_grants_the_same(imported: IJitrPipeline, team: cdk.Stack) -> None:
    grantee = role(team)
    imported.grant_read_ledger(grantee)
    imported.grant_redrive(grantee)
    imported.grant_write_allow_list(grantee)
    imported.grant_write_allow_list(grantee)
    imported.grant_publish_crl(grantee, "Factory")
    imported.grant_publish_crl(grantee, "Factory")

    found = allowed(team)
    table = "arn:aws:dynamodb:eu-central-1:123456789012:table"
    assert found["dynamodb:PutItem"] == {f"{table}/allow-list", f"{table}/allow-list/index/*"}
    assert found["dynamodb:Query"] > {f"{table}/ledger", f"{table}/ledger/index/*"}
    assert found["sqs:SendMessage"] == {"arn:aws:sqs:eu-central-1:123456789012:activation"}
    assert found["sqs:ReceiveMessage"] == {"arn:aws:sqs:eu-central-1:123456789012:dead-letters"}
    assert found["s3:PutObject"] == {"arn:aws:s3:::crls/crl/Factory/*"}


def test_an_imported_pipeline_has_the_same_metrics(imported: IJitrPipeline) -> None:
    metric = imported.metric_crl_age("Factory")

    assert metric.dimensions == {"service": "fleet/Jitr", "ca": "ab" * 32}
    assert metric.namespace == "IotJitr"


def test_a_pipeline_of_another_region_is_shown_as_such(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Team", env=AWAY)
    pipeline = JitrPipeline.from_stack_outputs(stack, "Jitr", DEPLOYED, region="eu-central-1")
    pipeline.grant_read_ledger(role(stack))

    assert pipeline.metric_activated().region == "eu-central-1"
    assert "arn:aws:dynamodb:eu-central-1:123456789012:table/ledger" in allowed(stack)["dynamodb:GetItem"]


def test_grants_of_an_imported_pipeline_cover_its_key(team: cdk.Stack) -> None:
    key = kms.Key.from_key_arn(team, "Key", "arn:aws:kms:eu-central-1:123456789012:key/1a2b")
    pipeline = JitrPipeline.from_stack_outputs(team, "Jitr", DEPLOYED, encryption_key=key)

    pipeline.grant_redrive(role(team))

    assert allowed(team)["kms:Decrypt"] == {key.key_arn}


def test_outputs_that_are_no_mapping_are_refused(team: cdk.Stack) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^JitrPipeline.from_stack_outputs.outputs: found .*; allowed: a mapping"
    ):
        JitrPipeline.from_stack_outputs(team, "Jitr", "outputs.json")  # type: ignore[arg-type]


def test_what_the_outputs_lack_is_said_when_it_is_used(team: cdk.Stack) -> None:
    few = {name: DEPLOYED[name] for name in DEPLOYED if name != Output.ALLOW_LIST_TABLE}
    pipeline = JitrPipeline.from_stack_outputs(team, "Jitr", few)

    with pytest.raises(ConfigurationError, match=r"^Team/Jitr: outputs.AllowListTable: found nothing"):
        pipeline.grant_write_allow_list(role(team))
    with pytest.raises(ConfigurationError, match=r"'Workshop', whose CRLs come from https://crl"):
        pipeline.grant_publish_crl(role(cdk.Stack(team, "Other")), "Workshop")
    with pytest.raises(ConfigurationError, match=r"outputs.LineCaCertificateId: found nothing"):
        pipeline.metric_crl_age("Line")


def test_exports_of_another_stack_are_imported_by_the_deployment(
    app: cdk.App, pipeline: JitrPipeline
) -> None:
    DeploymentOutputs(pipeline, export_prefix="fleet")
    stack = cdk.Stack(app, "Reader", env=HOME)
    imported = JitrPipeline.from_stack_outputs(stack, "Jitr", ExportedOutputs("fleet"))
    imported.grant_write_allow_list(role(stack))
    imported.grant_redrive(role(cdk.Stack(stack, "Other")))

    exported = {
        output["Export"]["Name"]
        for output in template(cdk.Stack.of(pipeline))["Outputs"].values()
        if "Export" in output
    }
    read = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(template(stack))))
    assert read == {"fleet-AllowListTable"}
    assert read <= exported


# outputs


def test_two_pipelines_of_a_stack_have_outputs_with_a_prefix_each(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Fleet")
    for name, ca in (("North", FACTORY_CA), ("South", WORKSHOP_CA)):
        DeploymentOutputs(JitrPipeline(stack, name, cas=[ca]), prefix=name)

    outputs = template(stack)["Outputs"]

    north, south = outputs["NorthLedgerTable"]["Value"]["Ref"], outputs["SouthLedgerTable"]["Value"]["Ref"]
    assert (north[:5], south[:5]) == ("North", "South")
    assert "NorthFactoryCaCertificateId" in outputs


def test_a_stack_may_have_constructs_and_outputs_of_the_same_names(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Fleet")
    cdk.CfnOutput(stack, "LedgerTable", value="theirs")
    DeploymentOutputs(JitrPipeline(stack, "Jitr", cas=[FACTORY_CA]), prefix="Jitr")

    outputs = template(stack)["Outputs"]

    assert outputs["LedgerTable"]["Value"] == "theirs"
    assert outputs["JitrLedgerTable"]["Value"] == {
        "Ref": named(template(stack), "AWS::DynamoDB::Table", "Ledger")[0]
    }


def test_a_prefix_for_two_pipelines_and_one_that_cannot_be_are_refused(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Fleet")
    north, south = (
        JitrPipeline(stack, name, cas=[ca]) for name, ca in (("North", FACTORY_CA), ("South", WORKSHOP_CA))
    )
    DeploymentOutputs(north)

    with pytest.raises(ConfigurationError, match=r"prefix: found '' for two pipelines of a stack"):
        DeploymentOutputs(south)
    with pytest.raises(
        ConfigurationError, match=r"DeploymentOutputs.prefix: found .a-b.; allowed: up to 100 letters"
    ):
        DeploymentOutputs(JitrPipeline(cdk.Stack(app, "Other"), "Jitr", cas=[FACTORY_CA]), prefix="a-b")


def test_a_pipeline_has_its_outputs_once(app: cdk.App) -> None:
    pipeline = JitrPipeline(cdk.Stack(app, "Fleet"), "Jitr", cas=[FACTORY_CA])
    DeploymentOutputs(pipeline)

    with pytest.raises(
        ConfigurationError, match=r"pipeline: found 'Fleet/Jitr', which has its outputs already"
    ):
        DeploymentOutputs(pipeline, prefix="Second")
