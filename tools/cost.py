"""The cost of a pipeline: the model for `docs/cost.md` and for the dollars of `docs/performance.md`.

Prices are in `tools/prices.py`. Each assumption is marked as an assumption.
"""

import math
from dataclasses import dataclass

from tools.prices import (
    ACTION,
    ALARM,
    BACKUP,
    COMPUTE,
    CONNECTION_MINUTE,
    DASHBOARD,
    EVENT,
    INVOCATION,
    KEPT_READY,
    KEY,
    KMS_REQUEST,
    LOGS,
    MESSAGE,
    METRIC,
    READ,
    REGISTRY,
    RESTORED,
    RULE,
    S3_GET,
    S3_PUT,
    SECRET,
    SNAPSHOT,
    SQS,
    STORAGE,
    WRITE,
    Item,
)

HOURS = 730
"""Hours of a month."""
KB, GB = 1_000, 1_000_000_000

# An activation

LEDGER_WRITES = {
    "its slot of the rate limiter, shared by a batch": 1,
    "that it waits for its slot": 1,
    "the claim": 1,
    "`activating`, and its entry in the index of serial numbers": 2,
    "`activated`, with the count of the fleet: a transaction of two items costs twice": 4,
}
"""Write units of an activated device that had to wait; each row is below 1 KB. Four operations are on its own
row, or three if a slot was free at its event."""
SECONDS_OF_A_STALE_BATCH = 0.05
SECONDS_OF_AN_ACTIVATION = 0.4
ACTIVATOR_GB = 0.5
BYTES_OF_A_BATCHS_LOG = 1.5 * KB
"""Bytes of Lambda's own log lines and of the metrics."""
BYTES_OF_A_DECISIONS_LOG = 1.0 * KB
DECISIONS_LOGGED = 2
"""Log lines of a device: one that it waits, and one that it is active. Stale events are not logged."""


def activations(devices: float, events: float, batch_size: int) -> list[Item]:
    """Return the cost of the activation of `devices` that cause `events` registration events.

    Each event is a CONNECT that AWS IoT refuses, a rule with one action, and a message. Not included: logs,
    the connects themselves (`refused_connects`), and the traffic of active devices.
    """
    batches = events / batch_size
    seconds = batches * SECONDS_OF_A_STALE_BATCH + devices * SECONDS_OF_AN_ACTIVATION
    return [
        Item("topic rule: one for each event", events, RULE),
        Item("its action, which sends the message", events, ACTION),
        Item(
            "queue: sent one by one; received and deleted in batches",
            _requests(devices, events, batches),
            SQS,
        ),
        Item("activator: invocations", batches, INVOCATION),
        Item("activator: running time", seconds * ACTIVATOR_GB, COMPUTE),
        Item("ledger: one row read for each event, consistently", events, READ),
        Item("ledger: writes", devices * sum(LEDGER_WRITES.values()), WRITE),
    ]


def _requests(devices: float, events: float, batches: float) -> float:
    # A device that waits: its message is hidden until its slot, received again, and deleted.
    return events + 2 * batches + 3 * devices


def refused_connects(events: float) -> list[Item]:
    """Return the charge for the refused CONNECTs if AWS IoT meters them like accepted ones.

    AWS's price list meters a CONNECT as a message, and connections by the minute. It does not define whether
    a connection that ends without a CONNACK counts: the page has both results. One minute each is assumed.
    """
    return [
        Item("CONNECTs that are refused, as messages", events, MESSAGE),
        Item("their connections, as a minute each", events, CONNECTION_MINUTE),
    ]


def logs(devices: float, events: float, batch_size: int) -> list[Item]:
    """Return the cost of the log lines of these activations."""
    size = events / batch_size * BYTES_OF_A_BATCHS_LOG + devices * DECISIONS_LOGGED * BYTES_OF_A_DECISIONS_LOG
    return [Item("logs", size / GB, LOGS)]


REGISTRY_OPERATIONS_OF_A_THING = 3
"""Calls for a thing: CreateThing, ListThingPrincipals, AttachThingPrincipal; one more call for each group."""


def things(devices: float) -> list[Item]:
    """Return the additional cost of things, if devices get things."""
    return [Item("things", devices * REGISTRY_OPERATIONS_OF_A_THING, REGISTRY)]


ROW_BYTES = 1 * KB
INDEX_ENTRY_BYTES = 0.3 * KB
"""Size of an entry in the index of serial numbers: two keys, and 100 bytes that DynamoDB adds."""


def ledger_storage(devices: float) -> list[Item]:
    """Return the monthly storage cost of the ledger of `devices`, with point-in-time recovery."""
    return [
        Item("ledger: rows and their index", devices * (ROW_BYTES + INDEX_ENTRY_BYTES) / GB, STORAGE),
        Item("ledger: point-in-time recovery", devices * ROW_BYTES / GB, BACKUP),
    ]


# Outcome events

LEDGER_WRITES_OF_AN_EVENT = {
    "the row is above 1 KB with its event, in a transaction": 2,
    "its entry in the index of owed events, in and out": 2,
    "the marks off again": 2,
}
"""Write units of an outcome event, in addition to those of the outcome."""


def outcome_events(count: float) -> list[Item]:
    """Return the cost of publishing `count` outcome events; targets that they invoke are not included."""
    return [
        Item("outcome events, published", count, EVENT),
        Item("ledger: writes", count * sum(LEDGER_WRITES_OF_AN_EVENT.values()), WRITE),
    ]


# The connect guard

GUARD_GB = 1769 / 1024
SECONDS_OF_A_CONNECT = 0.005
"""Maximum at the 99th percentile; Lambda bills whole milliseconds."""
BYTES_OF_AN_INVOCATIONS_LOG = 350
"""Bytes of Lambda's own three log lines."""
REQUESTS_AN_ENVIRONMENT = 10
"""Requests a second that Lambda allows for one unit of concurrency:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""


def guard_environments(connects_a_second: float) -> int:
    """Return the number of environments for this rate: Little's law, or Lambda's quota of requests."""
    return math.ceil(
        max(connects_a_second * SECONDS_OF_A_CONNECT, connects_a_second / REQUESTS_AN_ENVIRONMENT)
    )


def guarded_connects(connects: float) -> list[Item]:
    """Return the cost of the guard's answers to `connects` connects."""
    return [
        Item("guard: invocations", connects, INVOCATION),
        Item("guard: running time, 5 ms each", connects * SECONDS_OF_A_CONNECT * GUARD_GB, COMPUTE),
        Item("guard: Lambda's own log lines", connects * BYTES_OF_AN_INVOCATIONS_LOG / GB, LOGS),
    ]


def guard_kept_ready(environments: int) -> list[Item]:
    """Return the monthly cost of `environments` that are kept ready."""
    return [Item("guard: kept ready", environments * GUARD_GB * HOURS * 3600, KEPT_READY)]


def guard_snapshot(starts: int) -> list[Item]:
    """Return the monthly cost of a snapshot from which environments start `starts` times."""
    return [
        Item("guard: snapshot", GUARD_GB * HOURS * 3600, SNAPSHOT),
        Item("guard: starts from it", starts * GUARD_GB, RESTORED),
    ]


def guard_refresh(environments: int) -> list[Item]:
    """Return the cost of the requests for a newer index, once a second by environments busy all month."""
    return [Item("guard: conditional requests", environments * HOURS * 3600, S3_GET)]


# A month in which nothing happens

ALARMS, ALARMS_A_CA = 10, 1
ALARMS_WITH_CRLS, ALARMS_A_CRL = 3, 3
ALARM_OF_ACCOUNT_LOGGING = 1
METRICS, METRICS_A_CA, METRICS_A_CRL = 3, 1, 4
"""Metrics: Requeued, Backfilled, PendingAge; CaDaysToExpiry; CrlUnusable, CrlAge, CrlTimeLeft, CrlEntries."""
POLLERS, SECONDS_OF_A_POLL = 5, 20
"""Pollers of an idle event source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
RECONCILER_GB, SECONDS_OF_A_RECONCILIATION, LEDGER_OPERATIONS_OF_A_RECONCILIATION = 0.25, 2.0, 20
SWEEPS_AN_HOUR, SWEEP_GB, SECONDS_OF_A_SWEEP = 60, 0.5, 0.3
WRITES_OF_A_SWEEP, READS_OF_A_SWEEP = 2, 1
"""The lease, acquired and released; the certificates on hold."""
WATCHES_AN_HOUR, PUBLISHER_GB, SECONDS_OF_A_WATCH, SECONDS_OF_A_FETCH = 12, 1.0, 0.2, 1.0
GETS_OF_A_FETCH, PUTS_OF_A_FETCH = 4, 2
BYTES_OF_A_RUNS_LOG = 0.6 * KB
KMS_REQUESTS = 30_000
"""Assumed: DynamoDB and SQS keep a data key for minutes, the functions request one at each start."""


@dataclass(frozen=True)
class Pipeline:
    """The parts of a pipeline at rest."""

    cas: int = 1
    crls: int = 0
    """Number of `cas` that have a CRL."""
    account_logging: bool = False
    secrets: int = 1
    encryption_key: bool = False

    @property
    def alarms(self) -> int:
        """The number of alarms."""
        with_crls = ALARMS_WITH_CRLS + ALARMS_A_CRL * self.crls if self.crls else 0
        logging = ALARM_OF_ACCOUNT_LOGGING if self.account_logging else 0
        return ALARMS + ALARMS_A_CA * self.cas + with_crls + logging

    @property
    def metrics(self) -> int:
        """The number of metrics that are written while no device connects."""
        return METRICS + METRICS_A_CA * self.cas + METRICS_A_CRL * self.crls


def month(pipeline: Pipeline) -> list[Item]:
    """Return the cost of a month in which no device connects."""
    return [
        Item("alarms", pipeline.alarms, ALARM),
        Item("dashboard", 1, DASHBOARD),
        Item("metrics", pipeline.metrics, METRIC),
        Item("event source: long polls", POLLERS * HOURS * 3600 / SECONDS_OF_A_POLL, SQS),
        *_reconciler(),
        *(_revocation(pipeline.crls) if pipeline.crls else []),
        Item("CA key in Secrets Manager", pipeline.secrets, SECRET),
        *(_own_key() if pipeline.encryption_key else []),
    ]


def _reconciler() -> list[Item]:
    return [
        Item("reconciler: runs", HOURS, INVOCATION),
        Item("reconciler: running time", HOURS * SECONDS_OF_A_RECONCILIATION * RECONCILER_GB, COMPUTE),
        Item("reconciler: ledger", HOURS * LEDGER_OPERATIONS_OF_A_RECONCILIATION, WRITE),
        Item("reconciler: logs", HOURS * BYTES_OF_A_RUNS_LOG / GB, LOGS),
    ]


def _revocation(crls: int) -> list[Item]:
    sweeps, watches, fetches = HOURS * SWEEPS_AN_HOUR, HOURS * WATCHES_AN_HOUR, HOURS
    published = watches * SECONDS_OF_A_WATCH + fetches * SECONDS_OF_A_FETCH * crls
    runs = sweeps + watches + fetches
    return [
        Item("sweep, publisher: runs", runs, INVOCATION),
        Item("sweep: running time", sweeps * SECONDS_OF_A_SWEEP * SWEEP_GB, COMPUTE),
        Item("publisher: running time", published * PUBLISHER_GB, COMPUTE),
        Item("sweep: ledger, written", sweeps * crls * WRITES_OF_A_SWEEP, WRITE),
        Item("sweep: ledger, read", sweeps * crls * READS_OF_A_SWEEP, READ),
        Item("sweep, publisher: S3, read", (sweeps + watches + fetches * GETS_OF_A_FETCH) * crls, S3_GET),
        Item("publisher: S3, written and listed", fetches * PUTS_OF_A_FETCH * crls, S3_PUT),
        Item("sweep, publisher: logs", runs * BYTES_OF_A_RUNS_LOG / GB, LOGS),
    ]


def _own_key() -> list[Item]:
    return [Item("KMS key of your own", 1, KEY), Item("its requests", KMS_REQUESTS, KMS_REQUEST)]
