"""The reconciler's entry point: settings, clients, deadline and lease, then one run."""

import json
import os
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.build import build_outbox, build_revocation, parsed
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.dynamodb import ConditionFailedError
from iot_jitr_runtime.ledger import CLAIM_MARGIN, Ledger
from iot_jitr_runtime.ledger.lease import Lease
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import Task
from iot_jitr_runtime.policy import PolicyKind
from iot_jitr_runtime.policy.deletion import delete_scheduled_policy
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.reconciler.backfill import Backfill
from iot_jitr_runtime.reconciler.listing import CertificateList
from iot_jitr_runtime.reconciler.passes import Passes
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.reconciler.run import Run
from iot_jitr_runtime.task_runner import Action
from iot_jitr_runtime.things.retirement import Retirement
from iot_jitr_runtime.things.settings import Renewal, ThingSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

LEASE_KEY = "#reconciler"
"""Key of the item in the ledger's table that holds the lease of a run, and the cursors of the passes."""
_LAST_CALLS = timedelta(seconds=20)
"""Time that is reserved at the end for the last calls and their retries."""


@cache
def _build(certificate_arn_prefix: str) -> Run:
    """Build the reconciler, once for each execution environment.

    Raises:
        KeyError: A variable is missing: stack and function are not of the same version.
    """
    env = os.environ
    cas = json.loads(env[environment.CAS])
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    table = env[environment.LEDGER_TABLE]
    outbox = build_outbox(env, dynamodb, logger, metrics)
    ledger = Ledger(dynamodb, table, outbox)
    rate_limiter = RateLimiter(ledger.items, float(env[environment.ACTIVATIONS_PER_SECOND]))
    actions: dict[Task, Action] = {}
    config = parsed(env, environment.THINGS)
    things = ThingSettings(**config["thing"]) if config else None
    if things and things.renewal == Renewal.ALLOW:
        retirement = Retirement(iot, ledger, things.grace_period, rate_limiter)
        actions[Task.RETIRE] = retirement.retire
    if json.loads(env[environment.DEVICE_POLICY])["kind"] == PolicyKind.PER_DEVICE:
        actions[Task.DELETE_POLICY] = partial(
            delete_scheduled_policy, iot, rate_limiter, certificate_arn_prefix
        )
    return Run(
        cas=list(cas),
        issuers=Issuers(iot, cas),
        passes=Passes(
            listing=CertificateList(iot),
            ledger=ledger,
            queue=ActivationQueue(
                boto3.client("sqs", config=CLIENT_CONFIG), env[environment.ACTIVATION_QUEUE_URL]
            ),
            backfill=Backfill(iot, ledger, build_revocation(env)),
            rate_limiter=rate_limiter,
            logger=logger,
            pending_after=timedelta(seconds=float(env[environment.PENDING_AFTER_SECONDS])),
            full_pass_every=timedelta(seconds=float(env[environment.FULL_LISTING_SECONDS])),
        ),
        actions=actions,
        logger=logger,
        metrics=metrics,
    )


@logger.inject_lambda_context
def handle(_event: dict[str, Any], context: "LambdaContext") -> None:
    """Compare AWS IoT's certificates with the ledger and run the tasks that are due, until the deadline."""
    run = _build(_certificate_arn_prefix(context.invoked_function_arn))
    expires_at = milliseconds(Deadline.of_invocation(context).at + CLAIM_MARGIN)
    try:
        lease = Lease.acquire(
            run.passes.ledger.items, LEASE_KEY, now=milliseconds(datetime.now(UTC)), expires_at=expires_at
        )
    except ConditionFailedError:
        logger.info("another run is in progress")
        return
    try:
        run.do(lease, Deadline.of_invocation(context, reserved=_LAST_CALLS))
    finally:
        lease.release()
        metrics.flush_metrics()


def _certificate_arn_prefix(function_arn: str) -> str:
    """Return the ARN of a certificate without its id, in the function's own partition, region and account."""
    _, partition, _, region, account, *_ = function_arn.split(":")
    return f"arn:{partition}:iot:{region}:{account}:cert/"
