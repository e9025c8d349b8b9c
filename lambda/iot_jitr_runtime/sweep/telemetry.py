"""One log line for each certificate that the sweep touched, and what alarms ask of it as metrics."""

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import Verdict
from iot_jitr_runtime.sweep.enforcement import Enforced
from iot_jitr_runtime.sweep.release import Released
from iot_jitr_runtime.sweep.states import Held
from iot_jitr_runtime.sweep.targets import Target

_SHOWN = 100
"""Certificates that the report of a dry run names."""


class Telemetry:
    """Writes out what the sweep does; its `Observer`."""

    def __init__(self, logger: Logger, metrics: Metrics | EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def enforced(self, ca: CaCertificateId, target: Target, result: Enforced) -> None:
        """Log and count a certificate that was put out, or need not be."""
        log = self._logger.error if result is Enforced.IMPOSSIBLE else self._logger.info
        log(
            result.value,
            extra={
                "ca_certificate_id": ca,
                "certificate_id": target.certificate_id,
                "serial_number": target.row.serial_number,
                "common_name": target.row.common_name,
                "revocation_reason": target.reason.label,
            },
        )
        if result in {Enforced.REVOKED, Enforced.SUSPENDED}:
            self._swept()

    def released(
        self, ca: CaCertificateId, certificate_id: CertificateId, result: Released, verdict: Verdict | None
    ) -> None:
        """Log and count a certificate that was released, or was not."""
        log = self._logger.warning if result is Released.NOT_RELEASED else self._logger.info
        log(
            result.value,
            extra={"ca_certificate_id": ca, "certificate_id": certificate_id, **_why(verdict)},
        )
        if result is Released.RELEASED:
            self._swept()

    def put_off(self, ca: CaCertificateId, certificate_id: CertificateId, verdict: Verdict) -> None:
        """Log a certificate that could not be touched now."""
        self._logger.warning(
            "put_off", extra={"ca_certificate_id": ca, "certificate_id": certificate_id, **_why(verdict)}
        )

    def held(self, ca: CaCertificateId, held: Held) -> None:
        """Log and count an index that waits for a person; at every run, so that the alarm goes on."""
        self._logger.error(
            "held_back",
            extra={
                "ca_certificate_id": ca,
                "index_version": held.index.version,
                "devices": held.devices,
                "fleet": held.fleet,
                "remedy": f"look at the CRL, then: jitr crl confirm {ca}",
            },
        )
        with single_metric(
            name=Metric.SWEEP_STOPPED,
            unit=MetricUnit.Count,
            value=1,
            namespace=self._metrics.namespace,
            default_dimensions={Dimension.SERVICE.value: str(self._metrics.service)},
        ) as metric:
            metric.add_dimension(name=Dimension.CA, value=ca)

    def would_put_out(self, ca: CaCertificateId, version: str, targets: list[Target]) -> None:
        """Log the report of a dry run."""
        self._logger.warning(
            "dry_run",
            extra={
                "ca_certificate_id": ca,
                "index_version": version,
                "devices": sum(target.in_service for target in targets),
                "certificates": {target.certificate_id: target.reason.label for target in targets[:_SHOWN]},
            },
        )

    def failed(self, ca: CaCertificateId, error: Exception) -> None:
        """Log a run that was cut short; the next one goes on."""
        self._logger.error("failed", exc_info=error, extra={"ca_certificate_id": ca, "detail": str(error)})

    def flush(self) -> None:
        """Write the counts; Powertools' decorator would warn of each run that has none, which most are."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()

    def _swept(self) -> None:
        self._metrics.add_metric(Metric.SWEPT, MetricUnit.Count, 1)


def _why(verdict: Verdict | None) -> dict[str, str | None]:
    return {"reason": verdict.reason, "detail": verdict.detail} if verdict else {}
