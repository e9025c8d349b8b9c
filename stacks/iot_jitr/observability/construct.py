"""`Observability`: alarms, dashboard and saved queries of one pipeline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_cdk import aws_logs as logs
from constructs import Construct

from iot_jitr.observability.alarms import Alarms, Watched
from iot_jitr.observability.dashboard import layout, make_dashboard
from iot_jitr.observability.queries import FAILURES_OF_AWS_IOT, QUERIES, Query
from iot_jitr.observability.settings import AlarmOption, AlarmSettings

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

    from iot_jitr.account_logging import AccountLogging


class Observability(Construct):
    """Alarms, dashboard and saved queries.

    Attributes:
        watched: The resources and metrics that they are about.
        alarms: The alarms; None where they are left out.
        dashboard: The CloudWatch dashboard; None where it is left out.
        queries: The saved queries, by their ids in the construct tree. The local cloud has none.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, watched: Watched, alarms: AlarmOption, dashboard: bool
    ) -> None:
        """Create them; `dashboard` is whether there is a dashboard."""
        super().__init__(scope, construct_id)
        self.watched = watched
        log_groups = [each.log_group.log_group_name for each in watched.functions.values()]
        self.alarms: Alarms | None = None
        if isinstance(alarms, AlarmSettings):
            self.alarms = Alarms(self, "Alarms", watched=watched, settings=alarms)
        self.dashboard: cloudwatch.Dashboard | None = None
        if dashboard:
            shown = [] if self.alarms is None else [*self.alarms.alarms.values()]
            self.dashboard = make_dashboard(self, layout(watched), shown, log_groups[0])
        self._saved = Construct(self, "Queries")
        self.queries: dict[str, logs.CfnQueryDefinition] = {}
        for query in QUERIES:
            self._save(query, log_groups)

    def watch_account_log(self, log: "AccountLogging") -> None:
        """Add the alarm and the saved query on AWS IoT's own log."""
        if self.alarms is not None:
            self.alarms.add_registration_failures(log.failures)
        self._save(FAILURES_OF_AWS_IOT, [log.log_group_name])

    def _save(self, query: Query, log_group_names: Sequence[str]) -> None:
        self.queries[query.id] = logs.CfnQueryDefinition(
            self._saved,
            query.id,
            name=f"{self.watched.metrics.service}/{query.title}",
            query_string=query.text,
            log_group_names=[*log_group_names],
        )
