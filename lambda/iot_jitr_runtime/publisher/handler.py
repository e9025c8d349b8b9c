"""The publisher's entry point: settings and clients, one publication for each CA, its log and its metrics."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.publisher.publish import IndexProblem, PublicationReport, publish
from iot_jitr_runtime.publisher.settings import CaSettings, read_settings
from iot_jitr_runtime.publisher.triggers import concerned
from iot_jitr_runtime.revocation.store import IndexStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


class PublicationFailedError(JitrError):
    """The index of some CAs could not be brought up to date; Lambda tries again."""


@cache
def _build() -> tuple[dict[CaCertificateId, CaSettings], IndexStore, Issuers]:
    """Read the settings and create the clients, once for each execution environment."""
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    cas = read_settings(os.environ, s3)
    issuers = Issuers(boto3.client("iot", config=CLIENT_CONFIG), list(cas))
    return cas, IndexStore(s3, os.environ[environment.REVOCATION_BUCKET]), issuers


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: "LambdaContext") -> None:
    """Publish the indexes of the CAs that the event selects."""
    cas, store, issuers = _build()
    failed = []
    for ca in concerned(event, cas, store, datetime.now(UTC)):
        try:
            issuer = issuers.certificate(ca)
            store.store_issuer(ca, issuer)
            report = publish(store, ca, issuer, cas[ca], datetime.now(UTC))
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
    # A stale CRL has its own metric, the remaining time, and is not counted here.
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
