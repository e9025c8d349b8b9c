"""One team has the pipeline; another team reads its ledger; a dashboard in another region shows it."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from iot_jitr import (
    AlarmName,
    CaConfiguration,
    CrlBucket,
    IJitrPipeline,
    JitrPipeline,
    OutcomeEvents,
    Reason,
    SecretSigner,
)

HERE = Path(__file__).parent
HOME = cdk.Environment(account="111111111111", region="eu-central-1")
AWAY = cdk.Environment(account="111111111111", region="us-east-1")


class Fleet(cdk.Stack):
    """The pipeline."""

    def __init__(self, scope: Construct) -> None:
        """Make the pipeline, and a composite alarm of two of its alarms."""
        super().__init__(scope, "Fleet", env=HOME)
        ca = CaConfiguration.from_file(
            HERE / "ca.pem",
            name="Factory",
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            revocation=CrlBucket(),
        )
        self.pipeline = JitrPipeline(self, "Jitr", cas=[ca], outcome_events=OutcomeEvents(), dashboard=False)
        cloudwatch.CompositeAlarm(
            self,
            "DevicesWait",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                self.pipeline.alarm(AlarmName.DEFERRED),
                self.pipeline.alarm(AlarmName.CRL_STALE, ca="Factory"),
            ),
        )


class Reports(cdk.Stack):
    """Another team's function: it receives refusals and may read the ledger, nothing else of the pipeline."""

    def __init__(self, scope: Construct, pipeline: IJitrPipeline) -> None:
        """Make the function for `pipeline`."""
        super().__init__(scope, "Reports", env=HOME)
        function = lambda_.Function(
            self,
            "Function",
            description="Reads what is known of a refused certificate",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler="report.handle",
            code=lambda_.Code.from_asset(str(HERE / "function")),
            environment={"LEDGER_TABLE": pipeline.ledger_table.table_name},
        )
        pipeline.grant_read_ledger(function)
        # The rule belongs to this stack, which depends on the pipeline's already.
        pipeline.on_refused("Refused", target=targets.LambdaFunction(function), cross_stack_scope=self)


class Overview(cdk.Stack):
    """A dashboard in another region, whose graphs name the pipeline's own."""

    def __init__(self, scope: Construct, pipeline: IJitrPipeline) -> None:
        """Make the dashboard of `pipeline`."""
        super().__init__(scope, "Overview", env=AWAY)
        dashboard = cloudwatch.Dashboard(self, "Dashboard")
        dashboard.add_widgets(
            cloudwatch.GraphWidget(
                title="Devices",
                left=[
                    pipeline.metric_activated(label="activated"),
                    pipeline.metric_refused(label="refused"),
                    pipeline.metric_refused(Reason.REVOKED, label="of these: revoked"),
                ],
            )
        )


app = cdk.App()
fleet = Fleet(app)
Reports(app, fleet.pipeline)
Overview(app, fleet.pipeline)
app.synth()
