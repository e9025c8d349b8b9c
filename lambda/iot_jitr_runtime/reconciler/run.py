"""One run of the reconciler, step by step. Each step gets an equal share of the time that is left."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger.lease import Lease, LeaseLostError, Leases
from iot_jitr_runtime.ledger.outbox import Outbox
from iot_jitr_runtime.ledger.tasks import DueTask, Task, TaskResult
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.reconciler.backfill import Backfilled
from iot_jitr_runtime.reconciler.passes import Passes, PassKind, PassStatistics
from iot_jitr_runtime.reconciler.tasks import PERSISTENT, TaskRunner

if TYPE_CHECKING:
    from iot_jitr_runtime.activator.issuers import Issuers

_DAY = timedelta(days=1)


class ReconciliationFailedError(JitrError):
    """Something failed in this run; everything else was done."""


@dataclass
class Report:
    """Writes the logs and metrics of one run, and collects what has failed."""

    logger: Logger
    metrics: Metrics | EphemeralMetrics
    failed: list[str] = field(default_factory=list)
    _oldest_undecided: timedelta = timedelta(0)

    def begin(self) -> None:
        """Clear what the previous run of this execution environment collected."""
        self.failed.clear()
        self._oldest_undecided = timedelta(0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Keep an error of one step from the others. A lost lease ends the run."""
        try:
            yield
        except LeaseLostError:
            raise
        except Exception as error:
            self.failed.append(name)
            self.logger.exception("failed", extra={"what": name, "detail": str(error)})

    def pass_made(self, ca: CaCertificateId, kind: PassKind, statistics: PassStatistics) -> None:
        """Log a pass, or the part of it that there was time for."""
        self._oldest_undecided = max(self._oldest_undecided, statistics.oldest_undecided)
        self.metrics.add_metric(Metric.REQUEUED, MetricUnit.Count, statistics.requeued)
        self.metrics.add_metric(Metric.BACKFILLED, MetricUnit.Count, statistics.backfilled.total())
        if failures := statistics.backfilled[Backfilled.FAILED]:
            self.failed.append(f"the backfill of {failures} certificates of CA {ca}")
        self.logger.info(
            "pass",
            extra={
                "ca_certificate_id": ca,
                "pass": kind.value,
                "ended": statistics.ended,
                "seen": statistics.seen,
                "pending": statistics.pending,
                "requeued": statistics.requeued,
                "oldest_undecided_seconds": statistics.oldest_undecided.total_seconds(),
                "backfilled": {result.value: count for result, count in statistics.backfilled.items()},
            },
        )

    def backfill_failed(self, ca: CaCertificateId, certificate_id: CertificateId, error: Exception) -> None:
        """Log a certificate that could not be backfilled."""
        self.logger.error(
            "backfill_failed",
            exc_info=error,
            extra={"ca_certificate_id": ca, "certificate_id": certificate_id, "detail": str(error)},
        )

    def tasks_done(self, task: Task, results: Counter[TaskResult]) -> None:
        """Log what became of the tasks of one kind."""
        self.metrics.add_metric(Metric.TASKS_FAILED, MetricUnit.Count, results[TaskResult.FAILED])
        if results:
            counts = {result.value: count for result, count in results.items()}
            self.logger.info("tasks", extra={"task": task.value, "results": counts})

    def task_failed(self, due: DueTask, error: Exception, retry_at: datetime) -> None:
        """Log a task that has failed; an error of the run once it has failed several times in succession."""
        failures = due.failures + 1
        if failures >= PERSISTENT:
            self.failed.append(f"task {due.task} of certificate {due.certificate_id}")
        self.logger.error(
            "task_failed",
            exc_info=error,
            extra={
                "task": due.task.value,
                "certificate_id": due.certificate_id,
                "failures": failures,
                "retry_at": retry_at.isoformat(),
                "detail": str(error),
            },
        )

    def events_published(self, count: int) -> None:
        """Log that outcome events were published that other workers have left."""
        if count:
            self.logger.info("events_published", extra={"events": count})

    def ca_checked(self, ca: CaCertificateId, certificate: Certificate, now: datetime) -> None:
        """Measure for how long a CA certificate is still valid."""
        with single_metric(
            name=Metric.CA_DAYS_TO_EXPIRY,
            unit=MetricUnit.Count,
            value=(certificate.not_after - now) / _DAY,
            namespace=self.metrics.namespace,
            default_dimensions={Dimension.SERVICE.value: str(self.metrics.service)},
        ) as metric:
            metric.add_dimension(name=Dimension.CA, value=ca)

    def end(self) -> None:
        """Measure for how long the oldest certificate without a decision has been pending."""
        self.metrics.add_metric(
            Metric.PENDING_AGE, MetricUnit.Seconds, self._oldest_undecided.total_seconds()
        )


@dataclass(frozen=True)
class Run:
    """The steps of a run: new certificates of each CA, due tasks, then a part of each full pass."""

    cas: Sequence[CaCertificateId]
    issuers: "Issuers"
    passes: Passes
    tasks: TaskRunner
    leases: Leases
    report: Report
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    outbox: Outbox | None = None
    """Publishes outcome events that other workers have left; None where they are off."""

    def do(self, lease: Lease, deadline: Deadline) -> None:
        """Do what there is time for.

        Raises:
            ReconciliationFailedError: Something failed; everything else was done.
            LeaseLostError: Another run has the lease now.
        """
        report = self.report
        report.begin()
        for ca in self.cas:
            with report.step(f"expiry of CA {ca}"):
                report.ca_checked(ca, self.issuers.certificate(ca), self.clock())
        steps = 2 * len(self.cas) + len(self.tasks.actions) + (self.outbox is not None)
        for ca in self.cas:
            with report.step(f"newest certificates of CA {ca}"):
                report.pass_made(
                    ca, PassKind.NEWEST, self.passes.newest(ca, lease, deadline.share(1 / steps))
                )
            steps -= 1
        for task in self.tasks.actions:
            with report.step(f"task {task}"):
                report.tasks_done(task, self.tasks.run(task, deadline.share(1 / steps)))
            steps -= 1
        if self.outbox is not None:
            with report.step("outcome events"):
                report.events_published(self.outbox.publish_owed(deadline.share(1 / steps)))
            steps -= 1
        for ca in self.cas:
            with report.step(f"all certificates of CA {ca}"):
                statistics = self.passes.full(ca, lease, deadline.share(1 / steps))
                if statistics is not None:
                    report.pass_made(ca, PassKind.FULL, statistics)
            steps -= 1
        report.end()
        if report.failed:
            raise ReconciliationFailedError(f"this has failed: {', '.join(report.failed)}; see the log")
