"""The reconciler's entry point: settings, clients, telemetry, and one call into the logic."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime.activator.build import build_revocation
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.ledger.follow_ups import FollowUps
from iot_jitr_runtime.policy.lint import Kind
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.reconciler.bookmarks import Bookmarks
from iot_jitr_runtime.reconciler.chores import Chore, DeletePolicies, RetireReplaced
from iot_jitr_runtime.reconciler.entries import LedgerEntries
from iot_jitr_runtime.reconciler.inventory import Inventory
from iot_jitr_runtime.reconciler.listing import CertificateList
from iot_jitr_runtime.reconciler.passes import Passes
from iot_jitr_runtime.reconciler.reconciliation import Reconciliation
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.reconciler.settings import ReconcilerSettings
from iot_jitr_runtime.reconciler.telemetry import Telemetry
from iot_jitr_runtime.sweep.state import SweepStates
from iot_jitr_runtime.things.retirement import Retirement
from iot_jitr_runtime.things.settings import Renewal, ThingSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_LAST_CALLS = timedelta(seconds=20)
"""Left at the end for a page begun, with the retries of its calls."""


@cache
def _reconciliation(certificate_arn_prefix: str) -> Reconciliation:
    """Put the reconciler together, once for each execution environment."""
    settings = ReconcilerSettings.read(os.environ)
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    ledger = Ledger(dynamodb, settings.ledger_table)
    follow_ups = FollowUps(dynamodb, settings.ledger_table)
    queue = ActivationQueue(boto3.client("sqs", config=CLIENT_CONFIG), settings.queue_url)
    rate_limiter = RateLimiter(dynamodb, settings.ledger_table, settings.activations_per_second)
    chores: dict[str, Chore] = {}
    things = ThingSettings.from_json(settings.things["thing"]) if settings.things else None
    if things and things.renewal is Renewal.ALLOW:
        retirement = Retirement(iot, ledger, follow_ups, things.grace_period, rate_limiter)
        chores["retirement"] = RetireReplaced(retirement)
    if settings.policy_kind is Kind.PER_DEVICE:
        chores["policies"] = DeletePolicies(iot, follow_ups, rate_limiter, certificate_arn_prefix)
    return Reconciliation(
        cas=list(settings.cas),
        issuers=Issuers(iot, list(settings.cas)),
        passes=Passes(
            iot=iot,
            listing=CertificateList(iot),
            ledger=ledger,
            queue=queue,
            inventory=Inventory(
                iot=iot,
                entries=LedgerEntries(dynamodb, settings.ledger_table),
                rate_limiter=rate_limiter,
                revocation=build_revocation(settings),
                sweep=SweepStates(dynamodb, settings.ledger_table),
            ),
            bookmarks=Bookmarks(dynamodb, settings.ledger_table),
            rate_limiter=rate_limiter,
            pending_after=settings.pending_after,
            full_pass_every=settings.full_pass_every,
        ),
        chores=chores,
    )


@logger.inject_lambda_context
@metrics.log_metrics
def handle(_event: dict[str, Any], context: "LambdaContext") -> None:
    """Compare AWS IoT's certificates with the ledger, for as long as the function may run."""
    telemetry = Telemetry(logger, metrics)
    stop_at = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis()) - _LAST_CALLS
    try:
        _reconciliation(_certificate_arn_prefix(context.invoked_function_arn)).run(telemetry, stop_at=stop_at)
    finally:
        telemetry.flush()


def _certificate_arn_prefix(function_arn: str) -> str:
    """Return the ARN of a certificate without its id, in the function's own partition, region and account."""
    _, partition, _, region, account, *_ = function_arn.split(":")
    return f"arn:{partition}:iot:{region}:{account}:cert/"
