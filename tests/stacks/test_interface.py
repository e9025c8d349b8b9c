"""The interface of a pipeline for other stacks and apps: grants, metrics, imports and outputs."""

import json
import re
from collections.abc import Callable, Iterator
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
from tests.support.scenarios import KEY, WORKSHOP_CA
from tests.support.stacks import (
    AWAY,
    FACTORY_CA,
    HOME,
    PARTS,
    app_without_bundling,
    as_list,
    imported,
    joined,
    named,
    of_type,
    template,
)

DEPLOYED = {
    Output.LEDGER_TABLE: PARTS["ledger_table_name"],
    Output.ACTIVATION_QUEUE_URL: PARTS["activation_queue_url"],
    Output.DEAD_LETTER_QUEUE_URL: PARTS["dead_letter_queue_url"],
    Output.ALLOW_LIST_TABLE: "allow-list",
    Output.REVOCATION_BUCKET: "crls",
    Output.METRICS_NAMESPACE: "IotJitr",
    Output.SERVICE_NAME: PARTS["service_name"],
    "FactoryCaCertificateId": "ab" * 32,
    "FactoryCrlLocation": "s3://crls/crl/Factory/",
    "WorkshopCaCertificateId": "cd" * 32,
    "WorkshopCrlLocation": "https://crl.example.com/workshop.crl",
}


def everything_granted(fleet: cdk.Stack) -> JitrPipeline:
    """A pipeline with all resources on which permissions can be granted."""
    cas = [
        replace(FACTORY_CA, revocation=CrlBucket()),
        replace(WORKSHOP_CA, revocation=CrlUrl("https://crl.example.com/workshop.crl")),
    ]
    return JitrPipeline(fleet, "Jitr", cas=cas, admission=AllowList())


@pytest.fixture
def pipeline(fleet: cdk.Stack) -> JitrPipeline:
    return everything_granted(fleet)


@pytest.fixture(scope="module")
def measured() -> Iterator[JitrPipeline]:
    """A pipeline whose metrics are read."""
    with app_without_bundling() as app:
        yield everything_granted(cdk.Stack(app, "Fleet", env=HOME))


OPTIONAL_PARTS: dict[str, Any] = {
    "allow_list_table_name": "allow-list",
    "revocation_bucket_name": "crls",
    "ca_certificate_ids": {"Factory": "ab" * 32},
}


def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Theirs", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def allowed(stack: cdk.Stack) -> dict[str, set[str]]:
    """Action → the resources on which the roles of a stack may do it."""
    found: dict[str, set[str]] = {}
    for policy in of_type(template(stack), "AWS::IAM::Policy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
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


# grants

RESOURCES = {
    r"<.*Ledger.*Arn.*>|arn:.*:table/ledger": "ledger",
    r"<.*AllowList.*Arn.*>|arn:.*:table/allow-list": "allow list",
    r"<.*DeadLetters.*Arn.*>|arn:.*:dead-letters": "dead letters",
    r"<.*Activation.*Arn.*>|arn:.*:activation": "activation",
    r"<.*Objects.*Arn.*>|arn:aws:s3:::crls": "crls",
}
"""How a resource of the app and one of another app is written → what it is."""
Grant = Callable[[IJitrPipeline, iam.Role], object]
RIGHTS: dict[str, tuple[Grant, set[str], set[str], str]] = {
    "ledger": (
        lambda pipeline, team: pipeline.grant_read_ledger(team),
        {"dynamodb:GetItem ledger", "dynamodb:BatchGetItem ledger", "dynamodb:Query ledger/index/*"},
        {"ledger", "ledger/index/*"},
        "Put|Update|Delete",
    ),
    "redrive": (
        lambda pipeline, team: pipeline.grant_redrive(team),
        {"sqs:ReceiveMessage dead letters", "sqs:DeleteMessage dead letters", "sqs:SendMessage activation"},
        {"dead letters", "activation"},
        "SendMessage dead|ReceiveMessage activation",
    ),
    "allow list": (
        lambda pipeline, team: pipeline.grant_write_allow_list(team),
        {
            f"dynamodb:{action} allow list"
            for action in ("PutItem", "DeleteItem", "BatchWriteItem", "GetItem")
        },
        {"allow list", "allow list/index/*"},
        "CreateTable",
    ),
    "CRLs of one CA": (
        lambda pipeline, team: pipeline.grant_publish_crl(team, "Factory"),
        {"s3:PutObject crls/crl/Factory/*"},
        {"crls/crl/Factory/*"},
        "GetObject",
    ),
}
"""Method, the actions that it allows with their resources, all its resources, and forbidden actions."""


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("by", ["itself", "outputs", "attributes"])
def test_a_grant_gives_another_team_exactly_the_expected_permissions(
    request: pytest.FixtureRequest, team: cdk.Stack, right: str, by: str
) -> None:
    """The pipeline is of the same app or of another one. A second grant changes nothing."""
    if by == "itself":
        pipeline = request.getfixturevalue("pipeline")
    elif by == "outputs":
        pipeline = JitrPipeline.from_stack_outputs(team, "Jitr", DEPLOYED)
    else:
        pipeline = imported(team, **OPTIONAL_PARTS)
    grant, expected, resources, forbidden = RIGHTS[right]
    grantee = role(team)

    grant(pipeline, grantee)
    grant(pipeline, grantee)

    found = {(action, _named(each)) for action, on in allowed(team).items() for each in on}
    assert {f"{action} {resource}" for action, resource in found} >= expected
    assert {resource for _, resource in found} <= resources
    assert [each for each in found if re.search(forbidden, " ".join(each))] == []


def _named(resource: str) -> str:
    matches = ((name, re.match(pattern, resource)) for pattern, name in RESOURCES.items())
    ((name, match),) = ((name, match) for name, match in matches if match)
    return f"{name}{resource[match.end() :]}"


def test_a_grant_includes_the_encryption_key(app: cdk.App, fleet: cdk.Stack, team: cdk.Stack) -> None:
    pipeline = JitrPipeline(fleet, "Jitr", cas=[FACTORY_CA], encryption_key=kms.Key(fleet, "Key"))
    there = cdk.Stack(app, "There", env=HOME)
    known = kms.Key.from_key_arn(there, "Key", KEY)
    theirs = JitrPipeline.from_stack_outputs(there, "Jitr", DEPLOYED, encryption_key=known)

    pipeline.grant_read_ledger(role(team))
    theirs.grant_redrive(role(there))

    (key,) = allowed(team)["kms:Decrypt"]
    assert re.fullmatch(r"<.*Key.*Arn.*>", key)
    assert allowed(there)["kms:Decrypt"] == {KEY}


def test_a_grant_on_a_missing_resource_is_refused(
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


def test_a_dashboard_in_another_region_can_show_the_metrics(app: cdk.App, pipeline: JitrPipeline) -> None:
    board = cdk.Stack(app, "Board", env=AWAY)
    metrics = [pipeline.metric_activated(), pipeline.metric_refused("revoked", label="revoked")]
    cloudwatch.Dashboard(board, "Board").add_widgets(cloudwatch.GraphWidget(left=metrics))

    (made,) = of_type(template(board), "AWS::CloudWatch::Dashboard").values()
    (widget,) = json.loads(joined_import(made["Properties"]["DashboardBody"]))["widgets"]
    activated, revoked = widget["properties"]["metrics"]
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
def test_each_metric_has_a_method_and_a_suitable_statistic(measured: JitrPipeline, of: Metric) -> None:
    method = getattr(measured, f"metric_{of.name.lower()}")

    metric = method("Factory") if of in OF_A_CA else method()

    dimensions = metric.dimensions or {}
    assert metric.metric_name == of
    assert dimensions["service"] == measured.metrics.service
    assert ("ca" in dimensions) is (of in OF_A_CA)
    assert metric.statistic == STATISTICS.get(of, "Sum")


def test_a_reason_selects_refusals_and_deferrals(measured: JitrPipeline) -> None:
    for metric in (measured.metric_refused(Reason.REVOKED), measured.metric_deferred(Reason.REVOKED)):
        assert (metric.metric_name, (metric.dimensions or {})["reason"]) == ("Decisions", "revoked")


def test_metric_accepts_any_metric_name_and_the_options_of_the_cdk(measured: JitrPipeline) -> None:
    metric = measured.metric("Swept", statistic="Maximum", period=cdk.Duration.hours(1))

    assert metric.metric_name == measured.metric(Metric.SWEPT).metric_name
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
def test_an_unknown_metric_is_refused_with_the_existing_names(
    measured: JitrPipeline, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        measured.metric(**arguments)


# pipelines of other apps


def test_an_imported_pipeline_has_the_same_metrics(team: cdk.Stack) -> None:
    for pipeline in (
        JitrPipeline.from_stack_outputs(team, "ByOutputs", DEPLOYED),
        imported(team, **OPTIONAL_PARTS),
    ):
        metric = pipeline.metric_crl_age("Factory")
        assert metric.dimensions == {"service": "fleet/Jitr", "ca": "ab" * 32}
        assert metric.namespace == "IotJitr"


def test_an_imported_pipeline_keeps_its_own_region(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Team", env=AWAY)
    pipeline = JitrPipeline.from_stack_outputs(stack, "Jitr", DEPLOYED, region="eu-central-1")
    pipeline.grant_read_ledger(role(stack))

    assert pipeline.metric_activated().region == "eu-central-1"
    assert "arn:aws:dynamodb:eu-central-1:123456789012:table/ledger" in allowed(stack)["dynamodb:GetItem"]


def test_outputs_that_are_wrong_or_missing_are_refused(team: cdk.Stack) -> None:
    """An output that is missing is an error when it is used."""
    few = {name: DEPLOYED[name] for name in DEPLOYED if name != Output.ALLOW_LIST_TABLE}
    pipeline = JitrPipeline.from_stack_outputs(team, "Jitr", few)

    with pytest.raises(ConfigurationError, match=r"^Team/Jitr: outputs.AllowListTable: found nothing"):
        pipeline.grant_write_allow_list(role(team))
    with pytest.raises(ConfigurationError, match=r"'Workshop', whose CRLs come from https://crl"):
        pipeline.grant_publish_crl(role(cdk.Stack(team, "Other")), "Workshop")
    with pytest.raises(ConfigurationError, match=r"^Team/Jitr: outputs.LineCrlLocation: found nothing"):
        pipeline.grant_publish_crl(role(cdk.Stack(team, "Third")), "Line")
    with pytest.raises(ConfigurationError, match=r"outputs.LineCaCertificateId: found nothing"):
        pipeline.metric_crl_age("Line")
    with pytest.raises(
        ConfigurationError, match=r"^JitrPipeline.from_stack_outputs.outputs: found .*; allowed: a mapping"
    ):
        JitrPipeline.from_stack_outputs(team, "Wrong", "outputs.json")  # type: ignore[arg-type]


def test_exports_of_another_stack_are_imported_by_the_deployment(
    pipeline: JitrPipeline, team: cdk.Stack
) -> None:
    DeploymentOutputs(pipeline, export_prefix="fleet")
    theirs = JitrPipeline.from_stack_outputs(team, "Jitr", ExportedOutputs("fleet"))
    theirs.grant_write_allow_list(role(team))
    theirs.grant_redrive(role(cdk.Stack(team, "Other")))

    exported = {
        output["Export"]["Name"]
        for output in template(cdk.Stack.of(pipeline))["Outputs"].values()
        if "Export" in output
    }
    read = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(template(team))))
    assert read == {"fleet-AllowListTable"}
    assert read <= exported


def test_an_upload_location_that_is_known_at_deployment_only_is_refused_with_what_to_import(
    team: cdk.Stack,
) -> None:
    theirs = JitrPipeline.from_stack_outputs(team, "Jitr", ExportedOutputs("fleet"))

    with pytest.raises(ConfigurationError) as refused:
        theirs.grant_publish_crl(role(team), "Factory")

    assert refused.value.key == "Team/Jitr: outputs.FactoryCrlLocation"
    assert "found a value that is known at deployment only" in str(refused.value)
    assert "--outputs-file" in str(refused.value)
    assert "from_pipeline_attributes, where the prefix is crl/Factory/" in str(refused.value)
    assert not cdk.Token.is_unresolved(str(refused.value))


# outputs


def test_each_pipeline_of_a_stack_has_outputs_with_its_own_prefix(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Fleet")
    cdk.CfnOutput(stack, "LedgerTable", value="theirs")
    for name, ca in (("North", FACTORY_CA), ("South", WORKSHOP_CA)):
        DeploymentOutputs(JitrPipeline(stack, name, cas=[ca]), prefix=name)

    outputs = template(stack)["Outputs"]

    assert outputs["LedgerTable"]["Value"] == "theirs"
    assert "NorthFactoryCaCertificateId" in outputs
    for name in ("North", "South"):
        table, _ = named(template(stack), "AWS::DynamoDB::Table", f"{name}Ledger")
        assert outputs[f"{name}LedgerTable"]["Value"] == {"Ref": table}


def test_a_repeated_or_invalid_prefix_and_repeated_outputs_are_refused(app: cdk.App) -> None:
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
    with pytest.raises(
        ConfigurationError, match=r"pipeline: found 'Fleet/North', which has its outputs already"
    ):
        DeploymentOutputs(north, prefix="Second")
