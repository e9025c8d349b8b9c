"""One run of the reconciler, step by step. Each step gets an equal share of the time that is left."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from iot_jitr_runtime.ca_metrics import write_ca_metric
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger.lease import Lease, LeaseLostError
from iot_jitr_runtime.ledger.outbox import Outbox
from iot_jitr_runtime.ledger.tasks import Task, TaskResult
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.reconciler.backfill import Backfilled
from iot_jitr_runtime.reconciler.passes import Passes, PassKind
from iot_jitr_runtime.task_runner import Action, run_tasks

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import EphemeralMetrics

    from iot_jitr_runtime.activator.issuers import Issuers

PERSISTENT = 3
"""A task that has failed this many times in succession is an error of the run."""
_DAY = timedelta(days=1)

Step = Callable[[Deadline], list[str]]
"""Runs one step until a deadline, and returns descriptions of its failures."""


class ReconciliationFailedError(JitrError):
    """Something failed in this run; everything else was done."""


@dataclass(frozen=True)
class Run:
    """The steps of a run: new certificates of each CA, due tasks, then a part of each full pass."""

    cas: Sequence[CaCertificateId]
    issuers: "Issuers"
    passes: Passes
    actions: Mapping[Task, Action]
    """The action for each kind of task."""
    logger: "Logger"
    metrics: "Metrics | EphemeralMetrics"

    def do(self, lease: Lease, deadline: Deadline) -> None:
        """Run all steps until the deadline.

        Raises:
            ReconciliationFailedError: Something failed; everything else was done.
            LeaseLostError: Another run has the lease now.
        """
        failed: list[str] = []
        steps = self._steps(lease)
        for number, (name, step) in enumerate(steps):
            try:
                failed += step(deadline.share(1 / (len(steps) - number)))
            except LeaseLostError:
                raise
            except Exception as error:
                failed.append(name)
                self.logger.exception("failed", extra={"what": name, "detail": str(error)})
        if failed:
            raise ReconciliationFailedError(f"this has failed: {', '.join(failed)}; see the log")

    def _steps(self, lease: Lease) -> list[tuple[str, Step]]:
        """Return the steps in their order, each with its name."""
        outbox = self.passes.ledger.outbox
        return [
            *((f"expiry of CA {ca}", partial(self._measure_expiry, ca)) for ca in self.cas),
            *(
                (f"newest certificates of CA {ca}", partial(self._pass, ca, PassKind.NEWEST, lease))
                for ca in self.cas
            ),
            *((f"task {task}", partial(self._tasks, task, action)) for task, action in self.actions.items()),
            *([("outcome events", partial(self._publish, outbox))] if outbox else []),
            *(
                (f"all certificates of CA {ca}", partial(self._pass, ca, PassKind.FULL, lease))
                for ca in self.cas
            ),
        ]

    def _measure_expiry(self, ca: CaCertificateId, deadline: Deadline) -> list[str]:
        """Measure for how long a CA certificate is still valid."""
        left = self.issuers.certificate(ca).not_after - deadline.clock()
        write_ca_metric(self.metrics, ca, Metric.CA_DAYS_TO_EXPIRY, MetricUnit.Count, left / _DAY)
        return []

    def _pass(self, ca: CaCertificateId, kind: PassKind, lease: Lease, deadline: Deadline) -> list[str]:
        """Run a pass, or a part of it; log and count the result."""
        statistics = self.passes.run(ca, kind, lease, deadline)
        if statistics is None:
            return []
        oldest = statistics.oldest_undecided.total_seconds()
        self.metrics.add_metric(Metric.PENDING_AGE, MetricUnit.Seconds, oldest)
        self.metrics.add_metric(Metric.REQUEUED, MetricUnit.Count, statistics.requeued)
        self.metrics.add_metric(Metric.BACKFILLED, MetricUnit.Count, statistics.backfilled.total())
        self.logger.info(
            "pass",
            extra={
                "ca_certificate_id": ca,
                "pass": kind.value,
                "ended": statistics.ended,
                "seen": statistics.seen,
                "pending": statistics.pending,
                "requeued": statistics.requeued,
                "oldest_undecided_seconds": oldest,
                "backfilled": {result.value: count for result, count in statistics.backfilled.items()},
            },
        )
        failures = statistics.backfilled[Backfilled.FAILED]
        return [f"the backfill of {failures} certificates of CA {ca}"] if failures else []

    def _tasks(self, task: Task, action: Action, deadline: Deadline) -> list[str]:
        """Do the tasks of one kind. One that has failed `PERSISTENT` times is an error of the run."""
        results = run_tasks(self.passes.ledger.tasks, task, action, deadline, self.logger)
        counts = Counter(results.values())
        self.metrics.add_metric(Metric.TASKS_FAILED, MetricUnit.Count, counts[TaskResult.FAILED])
        if results:
            by_result = {result.value: count for result, count in counts.items()}
            self.logger.info("tasks", extra={"task": task.value, "results": by_result})
        return [
            f"task {task} of certificate {due.certificate_id}"
            for due, result in results.items()
            if result is TaskResult.FAILED and due.failures + 1 >= PERSISTENT
        ]

    def _publish(self, outbox: Outbox, deadline: Deadline) -> list[str]:
        """Publish outcome events that other workers recorded and did not publish."""
        if count := outbox.publish_owed(deadline):
            self.logger.info("events_published", extra={"events": count})
        return []
