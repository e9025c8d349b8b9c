"""`IJitrPipeline`: a created or imported pipeline's interface for other constructs, stacks and apps."""

from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from iot_jitr.allowed import having, one_of, text
from iot_jitr.observability.metrics import FIVE_MINUTES, PipelineMetrics
from iot_jitr.outcome_rules import OutcomeRules
from iot_jitr.validation import checked_in
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

_checked = checked_in("JitrPipeline")
_Grantee = Annotated[iam.IGrantable, having("grant_principal", "a grantee (iam.IGrantable)")]
_CA = text(r".+", "the name of a CA of the pipeline")


class MetricOptions(TypedDict, total=False):
    """The options of every metric, as in the CDK."""

    statistic: str
    """`Sum`, `Maximum`, `p99`, …; by default the one that suits the metric.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""
    period: cdk.Duration
    """Five minutes by default."""
    label: str
    """For graphs; none by default."""


class IJitrPipeline(OutcomeRules):
    """A pipeline as other constructs use it: they are granted rights, and they watch its metrics.

    `JitrPipeline` implements it. `JitrPipeline.from_pipeline_attributes` and
    `JitrPipeline.from_stack_outputs` import a pipeline of another app.

    Attributes:
        ledger_table: The decision about each certificate.
        activation_queue: The queue of registration events for the activator.
        dead_letter_queue: Events that could not be decided.
        metrics: Namespace and service of the pipeline's own metrics.
    """

    if TYPE_CHECKING:
        ledger_table: dynamodb.ITable
        activation_queue: sqs.IQueue
        dead_letter_queue: sqs.IQueue
        metrics: PipelineMetrics

    @_checked
    def grant_read_ledger(self, grantee: _Grantee) -> iam.Grant:
        """Allow `grantee` to read the decision about each certificate, also by its indexes."""
        return self.ledger_table.grant_read_data(grantee)

    @_checked
    def grant_redrive(self, grantee: _Grantee) -> iam.Grant:
        """Allow `grantee` to move dead letters back into the activation queue, as `jitr redrive` does."""
        taken = self.dead_letter_queue.grant_consume_messages(grantee)
        return taken.combine(self.activation_queue.grant_send_messages(grantee))

    @_checked
    def grant_write_allow_list(self, grantee: _Grantee) -> iam.Grant:
        """Allow `grantee` to add, read and remove devices of the allow list.

        Raises:
            ConfigurationError: The pipeline has no allow list.
        """
        return self._allow_list_table.grant_read_write_data(grantee)

    @_checked
    def grant_publish_crl(self, grantee: _Grantee, ca: Annotated[str, _CA]) -> iam.Grant:
        """Allow `grantee` to upload the CRLs of the CA with the name `ca` to the pipeline's own bucket.

        Raises:
            ConfigurationError: There is no such CA, its CRLs come from elsewhere, or the pipeline is imported
                by `ExportedOutputs`, with which the location of its CRLs is known at deployment only.
        """
        bucket, prefix = self._crl_upload(ca)
        return bucket.grant_put(grantee, f"{prefix}*")

    @_checked
    def metric(
        self,
        metric: Annotated[Metric | str, one_of(Metric)],
        *,
        reason: Annotated[Reason | str | None, one_of(Reason)] = None,
        ca: Annotated[str | None, _CA] = None,
        statistic: Annotated[str | None, text(r"\S+", "a statistic, such as Sum or p99")] = None,
        period: cdk.Duration = FIVE_MINUTES,
        label: Annotated[str | None, text(r".*", "a text")] = None,
    ) -> cloudwatch.Metric:
        """One metric of this pipeline, in its own region and account wherever it is shown.

        Args:
            metric: The metric; `docs/runbook.md` describes each.
            reason: For `Decisions`: the reason of the counted decisions.
            ca: Name of the CA, for a metric that each CA has.
            statistic: `Sum`, `Maximum`, `p99`, …; None: the one that suits the metric.
                https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
            period: Five minutes by default.
            label: For graphs; none by default.

        Raises:
            ConfigurationError: There is no such metric, reason or CA.
        """
        dimensions = {} if reason is None else {"reason": Reason(reason).value}
        if ca is not None:
            dimensions["ca"] = self._ca_certificate_id(ca)
        made = self.metrics.of(
            Metric(metric),
            period,
            statistic=statistic,
            label=label,
            **dimensions,
        )
        return self._placed(made)

    def metric_activated(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Devices that were activated."""
        return self.metric(Metric.ACTIVATED, **options)

    def metric_refused(
        self, reason: Reason | str | None = None, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Devices that were refused: all, or for one reason."""
        if reason is None:
            return self.metric(Metric.REFUSED, **options)
        return self.metric(Metric.DECISIONS, reason=reason, **options)

    def metric_deferred(
        self, reason: Reason | str | None = None, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Events that will be tried again: all, or for one reason."""
        if reason is None:
            return self.metric(Metric.DEFERRED, **options)
        return self.metric(Metric.DECISIONS, reason=reason, **options)

    def metric_blocked(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Deferred events that wait for a fault to be fixed, not only for their slot."""
        return self.metric(Metric.BLOCKED, **options)

    def metric_dead_lettered(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Events that went to the dead-letter queue."""
        return self.metric(Metric.DEAD_LETTERED, **options)

    def metric_stale(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Events about certificates that were decided already."""
        return self.metric(Metric.STALE, **options)

    def metric_time_to_active(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Seconds from the first event of a certificate until it is ACTIVE."""
        return self.metric(Metric.TIME_TO_ACTIVE, **options)

    def metric_pending_age(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Seconds that the oldest certificate without a decision has been pending."""
        return self.metric(Metric.PENDING_AGE, **options)

    def metric_swept(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Active certificates that were revoked, suspended or released because of a new CRL."""
        return self.metric(Metric.SWEPT, **options)

    def metric_sessions_closed(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Sessions of revoked or suspended devices that were closed."""
        return self.metric(Metric.SESSIONS_CLOSED, **options)

    def metric_sessions_not_closed(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Failed attempts to close such a session; each is tried again."""
        return self.metric(Metric.SESSIONS_NOT_CLOSED, **options)

    def metric_requeued(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Certificates that the reconciler put into the activation queue again."""
        return self.metric(Metric.REQUEUED, **options)

    def metric_tasks_failed(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Scheduled tasks of the reconciler that failed and will be tried again."""
        return self.metric(Metric.TASKS_FAILED, **options)

    def metric_events_unpublished(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Outcome events that could not be published; the reconciler publishes them later."""
        return self.metric(Metric.EVENTS_UNPUBLISHED, **options)

    def metric_backfilled(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Certificates that this pipeline did not decide and that the reconciler read for the ledger."""
        return self.metric(Metric.BACKFILLED, **options)

    def metric_crl_entries(self, ca: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Serial numbers in the revocation index of the CA."""
        return self.metric(Metric.CRL_ENTRIES, ca=ca, **options)

    def metric_crl_unusable(self, ca: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """CRLs of the CA that were fetched and could not be used."""
        return self.metric(Metric.CRL_UNUSABLE, ca=ca, **options)

    def metric_revocation_limit_tripped(self, ca: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Indexes of the CA that have tripped the mass-revocation limit."""
        return self.metric(Metric.REVOCATION_LIMIT_TRIPPED, ca=ca, **options)

    def metric_crl_age(self, ca: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Seconds since the oldest CRL in force of the CA was issued."""
        return self.metric(Metric.CRL_AGE, ca=ca, **options)

    def metric_crl_time_left(self, ca: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Seconds until the first CRL in force of the CA becomes stale; negative afterwards."""
        return self.metric(Metric.CRL_TIME_LEFT, ca=ca, **options)

    def metric_ca_days_to_expiry(self, ca: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Days until the CA certificate expires; negative afterwards."""
        return self.metric(Metric.CA_DAYS_TO_EXPIRY, ca=ca, **options)

    @property
    def _allow_list_table(self) -> dynamodb.ITable:
        raise NotImplementedError

    def _crl_upload(self, ca: str) -> tuple[s3.IBucket, str]:
        """The bucket of the pipeline's own, and the prefix in it, to which the CRLs of a CA are uploaded."""
        raise NotImplementedError

    def _ca_certificate_id(self, ca: str) -> str:
        raise NotImplementedError

    def _placed(self, metric: cloudwatch.Metric) -> cloudwatch.Metric:
        """The metric with the pipeline's region and account."""
        raise NotImplementedError
