"""The publisher's entry point: settings and clients, one publication for each CA, its log and its metrics."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.publisher.publish import IndexProblem, Publication, PublicationReport
from iot_jitr_runtime.publisher.settings import PublisherSettings
from iot_jitr_runtime.publisher.triggers import concerned
from iot_jitr_runtime.revocation.store import IndexStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


class PublicationFailedError(JitrError):
    """The index of some CAs could not be brought up to date; Lambda tries again."""


@cache
def _build() -> tuple[PublisherSettings, IndexStore, Issuers]:
    """Read the settings and create the clients, once for each execution environment."""
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    settings = PublisherSettings.read(os.environ, s3)
    issuers = Issuers(boto3.client("iot", config=CLIENT_CONFIG), list(settings.cas))
    return settings, IndexStore(s3, settings.bucket), issuers


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: "LambdaContext") -> None:
    """Publish the indexes of the CAs that the event concerns."""
    settings, store, issuers = _build()
    publication = Publication(store)
    failed = []
    for ca in concerned(event, settings, store, datetime.now(UTC)):
        of_ca = settings.cas[ca]
        try:
            issuer = issuers.certificate(ca)
            store.keep_issuer(ca, issuer)
            report = publication.publish(ca, issuer, of_ca.source, of_ca.max_age)
        except Exception as error:
            # The failure of one CA must not stop the others.
            logger.exception("failed", extra={"ca_certificate_id": ca, "detail": str(error)})
            failed.append(ca)
        else:
            _log(report)
            _measure(report, datetime.now(UTC))
    if failed:
        raise PublicationFailedError(f"could not publish the revocation index of {', '.join(failed)}")


def _log(report: PublicationReport) -> None:
    for problem in report.problems:
        logger.error(
            "crl_problem",
            extra={
                "ca_certificate_id": report.ca_certificate_id,
                "problem": problem.kind.value,
                "crl": problem.location,
                "detail": problem.detail,
            },
        )
    logger.info(
        "published" if report.changed else "unchanged",
        extra={
            "ca_certificate_id": report.ca_certificate_id,
            "index_version": report.version,
            "usable_until": report.usable_until.isoformat() if report.usable_until else None,
            "crls": [
                {
                    "scope": str(record.scope),
                    "number": str(record.number),
                    "entries": record.entries,
                    "location": record.origin.location,
                }
                for record in report.crls
            ],
        },
    )


def _measure(report: PublicationReport, now: datetime) -> None:
    # A stale CRL is counted by the time that is left, not here.
    unusable = sum(problem.kind is not IndexProblem.STALE for problem in report.problems)
    figures = [(Metric.CRL_UNUSABLE, MetricUnit.Count, float(unusable))]
    if report.usable_until is None:
        figures.append((Metric.CRL_TIME_LEFT, MetricUnit.Seconds, 0))
    else:
        oldest = min(record.this_update for record in report.crls)
        left = report.usable_until - now
        figures += [
            (Metric.CRL_AGE, MetricUnit.Seconds, (now - oldest).total_seconds()),
            (Metric.CRL_TIME_LEFT, MetricUnit.Seconds, left.total_seconds()),
            (Metric.CRL_ENTRIES, MetricUnit.Count, sum(record.entries for record in report.crls)),
        ]
    for name, unit, value in figures:
        with single_metric(
            name=name,
            unit=unit,
            value=value,
            namespace=metrics.namespace,
            default_dimensions={Dimension.SERVICE.value: str(metrics.service)},
        ) as metric:
            metric.add_dimension(name=Dimension.CA, value=report.ca_certificate_id)
