"""The activator's entry point: environment, clients, telemetry, and one call of the logic."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.activate import TIME_FOR_ONE, Activation
from iot_jitr_runtime.activator.batch import Batch
from iot_jitr_runtime.activator.build import (
    admission_timeout,
    build_outbox,
    build_policy,
    build_revocation,
    build_things,
    build_validation,
    parsed,
)
from iot_jitr_runtime.activator.on_refusal import check_statuses
from iot_jitr_runtime.activator.telemetry import Telemetry
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


@cache
def _batch() -> Batch:
    """Build the activator, once for each execution environment.

    Raises:
        KeyError: A variable is missing: stack and function are not of the same version.
    """
    env = os.environ
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    table = env[environment.LEDGER_TABLE]
    ledger = Ledger(dynamodb, table, build_outbox(env, dynamodb, logger, metrics))
    return Batch(
        activation=Activation(
            iot=iot,
            ledger=ledger,
            validation=build_validation(env, iot, dynamodb, build_revocation(env)),
            things=build_things(env, iot, ledger),
            policy=build_policy(env, iot),
            on_refusal=check_statuses(parsed(env, environment.ON_REFUSAL) or {}),
            time_for_one=TIME_FOR_ONE + admission_timeout(env),
        ),
        rate_limiter=RateLimiter(ledger.items, float(env[environment.ACTIVATIONS_PER_SECOND])),
        sqs=boto3.client("sqs", config=CLIENT_CONFIG),
        queue_url=env[environment.ACTIVATION_QUEUE_URL],
        dead_letter_queue_url=env[environment.DEAD_LETTER_QUEUE_URL],
    )


@logger.inject_lambda_context
@metrics.log_metrics
def handle(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Process one batch of registration events (Lambda SQS event, partial batch response)."""
    telemetry = Telemetry(logger, metrics)
    stops_at = Deadline.of_invocation(context).at
    try:
        return _batch().process(event["Records"], stops_at=stops_at, on_decision=telemetry.decided)
    finally:
        telemetry.flush()
