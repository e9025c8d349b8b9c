"""`Observability`: alarms, dashboard and saved queries of one pipeline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constructs import Construct

from iot_jitr.observability.alarms import Alarms, AlarmSettings, Watched
from iot_jitr.observability.dashboard import Dashboard, layout
from iot_jitr.observability.queries import FAILURES_OF_AWS_IOT, QUERIES, SavedQueries

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs

    from iot_jitr.account_logging import AccountLogging


class Observability(Construct):
    """What an operator looks at.

    Attributes:
        alarms: The alarms.
        dashboard: The CloudWatch dashboard.
        queries: The saved queries.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        watched: Watched,
        settings: AlarmSettings,
        activations_per_second: float,
        activator_log_group: "logs.ILogGroup",
        other_log_groups: "Sequence[logs.ILogGroup]" = (),
    ) -> None:
        """Create them.

        Args:
            scope: Where they belong.
            construct_id: Their name in the construct tree.
            watched: What there is to watch.
            settings: Thresholds, topic and runbook of the alarms.
            activations_per_second: The quota that the dashboard compares with.
            activator_log_group: Holds the decisions.
            other_log_groups: Searched for errors and decisions too.
        """
        super().__init__(scope, construct_id)
        self.alarms = Alarms(self, "Alarms", watched=watched, settings=settings)
        dashboard = Dashboard(
            self,
            "Overview",
            rows=layout(watched, activations_per_second),
            alarms=list(self.alarms.alarms.values()),
            log_group=activator_log_group,
        )
        self.dashboard = dashboard.dashboard
        self.queries = SavedQueries(self, "Queries", folder=watched.metrics.service)
        log_groups = [each.log_group_name for each in (activator_log_group, *other_log_groups)]
        for query in QUERIES:
            self.queries.save(query, log_groups)

    def watch_account_log(self, log: "AccountLogging") -> None:
        """Add the alarm and the saved query on AWS IoT's own log."""
        self.alarms.add_registration_failures(log.failures)
        self.queries.save(FAILURES_OF_AWS_IOT, [log.log_group_name])
