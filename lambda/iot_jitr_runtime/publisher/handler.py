"""The publisher's entry point: the CAs of an event, one publication for each, its log and its metrics."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ca_metrics import write_ca_metric
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.publisher import Trigger
from iot_jitr_runtime.publisher.publish import IndexProblem, PublicationReport, publish
from iot_jitr_runtime.publisher.s3 import S3Source
from iot_jitr_runtime.publisher.settings import CaSettings, read_settings
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

LEAD = timedelta(minutes=15)
"""If a CA's first CRL becomes stale within this time, the CA is published at every scheduled check."""


class UnknownTriggerError(JitrError):
    """The event is neither a schedule's nor an upload's."""


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
            _log(ca, report)
            _measure(ca, report, datetime.now(UTC))
    if failed:
        raise PublicationFailedError(f"could not publish the revocation index of {', '.join(failed)}")


def concerned(
    event: Mapping[str, Any], cas: Mapping[CaCertificateId, CaSettings], store: IndexStore, now: datetime
) -> list[CaCertificateId]:
    """Return the CAs whose indexes an event starts to publish.

    Raises:
        UnknownTriggerError: It is none of the events that the stack sends.
    """
    if event.get("trigger") == Trigger.SCHEDULE:
        return list(cas)
    if event.get("trigger") == Trigger.WATCH:
        return [ca for ca in cas if _is_due(ca, store, now)]
    if event.get("source") == "aws.s3":
        bucket, key = event["detail"]["bucket"]["name"], event["detail"]["object"]["key"]
        return [
            ca
            for ca, each in cas.items()
            if isinstance(each.source, S3Source) and each.source.contains(bucket, key)
        ]
    raise UnknownTriggerError(f"not an event of this deployment: its keys are {sorted(event)}")


def _is_due(ca: CaCertificateId, store: IndexStore, now: datetime) -> bool:
    try:
        usable_until = store.current(ca).usable_until
    except IndexMissingError:
        return True
    return usable_until is None or usable_until - now <= LEAD


def _log(ca: CaCertificateId, report: PublicationReport) -> None:
    for problem in report.problems:
        logger.error(
            "crl_problem",
            extra={
                "ca_certificate_id": ca,
                "problem": problem.kind.value,
                "crl": problem.location,
                "detail": problem.detail,
            },
        )
    logger.info(
        "published" if report.changed else "unchanged",
        extra={
            "ca_certificate_id": ca,
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


def _measure(ca: CaCertificateId, report: PublicationReport, now: datetime) -> None:
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
        write_ca_metric(metrics, ca, name, unit, value)
