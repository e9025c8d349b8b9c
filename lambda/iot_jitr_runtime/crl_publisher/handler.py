"""The publisher's entry point: settings, clients, telemetry, and one call for each CA into the logic."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.crl_publisher.publication import Publication
from iot_jitr_runtime.crl_publisher.settings import PublisherSettings
from iot_jitr_runtime.crl_publisher.telemetry import Telemetry
from iot_jitr_runtime.crl_publisher.triggers import concerned
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.revocation.store import IndexStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


class PublicationFailedError(JitrError):
    """The index of some CAs could not be brought up to date; Lambda tries again."""


@cache
def _assembled() -> tuple[PublisherSettings, IndexStore, Issuers]:
    """Put the publisher together, once for each execution environment."""
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    settings = PublisherSettings.read(os.environ, s3)
    issuers = Issuers(boto3.client("iot", config=CLIENT_CONFIG), list(settings.cas))
    return settings, IndexStore(s3, settings.bucket), issuers


@logger.inject_lambda_context
def handle(event: dict[str, Any], _context: "LambdaContext") -> None:
    """Publish the indexes of the CAs that the event concerns."""
    settings, store, issuers = _assembled()
    telemetry = Telemetry(logger, metrics)
    publication = Publication(store)
    failed = []
    for ca in concerned(event, settings, store, datetime.now(UTC)):
        told = settings.cas[ca]
        try:
            report = publication.publish(ca, issuers.certificate(ca), told.source, told.max_age)
        except Exception as error:  # noqa: BLE001 - one CA's trouble must not keep the others from theirs
            telemetry.failed(ca, error)
            failed.append(ca)
        else:
            telemetry.published(report, datetime.now(UTC))
    if failed:
        raise PublicationFailedError(f"could not publish the revocation index of {', '.join(failed)}")
