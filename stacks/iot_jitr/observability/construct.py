"""`Observability`: alarms, dashboard and saved queries of one pipeline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constructs import Construct

from iot_jitr.observability.alarms import Alarms, Watched
from iot_jitr.observability.dashboard import Dashboard, layout
from iot_jitr.observability.queries import FAILURES_OF_AWS_IOT, QUERIES, SavedQueries
from iot_jitr.observability.settings import AlarmName, AlarmOption, AlarmSettings
from iot_jitr.validation import ConfigurationError

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_logs as logs

    from iot_jitr.account_logging import AccountLogging


class Observability(Construct):
    """What an operator looks at.

    Attributes:
        alarms: The alarms; None where they are left out.
        dashboard: The CloudWatch dashboard; None where it is left out.
        queries: The saved queries.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        watched: Watched,
        alarms: AlarmOption,
        dashboard: bool,
        activations_per_second: float,
        activator_log_group: "logs.ILogGroup",
        other_log_groups: "Sequence[logs.ILogGroup]" = (),
    ) -> None:
        """Create them.

        Args:
            scope: Where they belong.
            construct_id: Their name in the construct tree.
            watched: What there is to watch.
            alarms: Thresholds, topic and runbook of the alarms, or that there are none.
            dashboard: Whether there is a dashboard.
            activations_per_second: The quota that the dashboard compares with.
            activator_log_group: Holds the decisions.
            other_log_groups: Searched for errors and decisions too.
        """
        super().__init__(scope, construct_id)
        self.alarms = (
            Alarms(self, "Alarms", watched=watched, settings=alarms)
            if isinstance(alarms, AlarmSettings)
            else None
        )
        self.dashboard = (
            Dashboard(
                self,
                "Overview",
                rows=layout(watched, activations_per_second),
                alarms=[] if self.alarms is None else list(self.alarms.alarms.values()),
                log_group=activator_log_group,
            ).dashboard
            if dashboard
            else None
        )
        self.queries = SavedQueries(self, "Queries", folder=watched.metrics.service)
        log_groups = [each.log_group_name for each in (activator_log_group, *other_log_groups)]
        for query in QUERIES:
            self.queries.save(query, log_groups)

    def watch_account_log(self, log: "AccountLogging") -> None:
        """Add the alarm and the saved query on AWS IoT's own log."""
        if self.alarms is not None:
            self.alarms.add_registration_failures(log.failures)
        self.queries.save(FAILURES_OF_AWS_IOT, [log.log_group_name])

    def alarm(self, where: str, name: AlarmName | str, ca: str | None) -> "cloudwatch.Alarm":
        """Return one alarm; `where` begins the message of a `ConfigurationError`: there is no such alarm."""
        if self.alarms is None:
            raise ConfigurationError(where, "a pipeline with alarms: none", "a pipeline with alarms")
        return self.alarms.find(where, name, ca)
