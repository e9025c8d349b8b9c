"""The activator's entry point: settings, clients, telemetry, and one call into the logic."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime.activator.activation import TIME_FOR_ONE, Activation
from iot_jitr_runtime.activator.assembly import (
    admission_of,
    ca_devices_of,
    policy_of,
    revocation_of,
    things_of,
    waiting_time_of,
)
from iot_jitr_runtime.activator.batch import Batch
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.refusal import OnRefusal
from iot_jitr_runtime.activator.settings import ActivatorSettings
from iot_jitr_runtime.activator.telemetry import Telemetry
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@cache
def _batch() -> Batch:
    """Put the activator together, once for each execution environment."""
    settings = ActivatorSettings.read(os.environ)
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    ledger = Ledger(dynamodb, settings.ledger_table)
    activation = Activation(
        iot=iot,
        ledger=ledger,
        issuers=Issuers(iot, settings.cas),
        revocation=revocation_of(settings),
        admission=admission_of(settings.admission, dynamodb),
        things=things_of(settings.things, iot, dynamodb, settings.ledger_table),
        policy=policy_of(settings.device_policy, iot),
        on_refusal=OnRefusal(iot, ledger, settings.on_refusal),
        time_for_one=TIME_FOR_ONE + waiting_time_of(settings.admission),
        ca_devices=ca_devices_of(settings.cas),
    )
    return Batch(
        activation=activation,
        ledger=ledger,
        rate_limiter=RateLimiter(dynamodb, settings.ledger_table, settings.activations_per_second),
        sqs=boto3.client("sqs", config=CLIENT_CONFIG),
        queue_url=settings.queue_url,
        dead_letter_queue_url=settings.dead_letter_queue_url,
    )


@logger.inject_lambda_context
@metrics.log_metrics
def handle(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Decide about one batch of registration events (Lambda SQS event, partial batch response)."""
    telemetry = Telemetry(logger, metrics)
    stopped_by = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        return _batch().process(event["Records"], stopped_by=stopped_by, on_decision=telemetry.decided)
    finally:
        telemetry.flush()
