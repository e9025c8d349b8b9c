"""The activator's entry point: settings, clients, telemetry, and one call of the logic."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime.activator.activate import TIME_FOR_ONE, Activation
from iot_jitr_runtime.activator.batch import Batch
from iot_jitr_runtime.activator.build import (
    admission_timeout,
    build_admission,
    build_outbox,
    build_policy,
    build_revocation,
    build_things,
    ca_devices,
)
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.on_refusal import OnRefusal
from iot_jitr_runtime.activator.settings import ActivatorSettings
from iot_jitr_runtime.activator.telemetry import Telemetry
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@cache
def _batch() -> Batch:
    """Build the activator, once for each execution environment."""
    settings = ActivatorSettings.read(os.environ)
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    outbox = build_outbox(settings.outcome_events, dynamodb, settings.ledger_table, logger, metrics)
    ledger = Ledger(dynamodb, settings.ledger_table, outbox)
    policy = build_policy(settings.device_policy, iot)
    activation = Activation(
        iot=iot,
        ledger=ledger,
        validation=Validation(
            issuers=Issuers(iot, settings.cas),
            policy=policy,
            revocation=build_revocation(settings),
            admission=build_admission(settings.admission, dynamodb),
            ca_devices=ca_devices(settings.cas),
        ),
        things=build_things(settings.things, iot, dynamodb, settings.ledger_table),
        policy=policy,
        on_refusal=OnRefusal(iot, ledger, settings.on_refusal),
        time_for_one=TIME_FOR_ONE + admission_timeout(settings.admission),
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
    """Process one batch of registration events (Lambda SQS event, partial batch response)."""
    telemetry = Telemetry(logger, metrics)
    stopped_by = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        return _batch().process(event["Records"], stopped_by=stopped_by, on_decision=telemetry.decided)
    finally:
        telemetry.flush()
