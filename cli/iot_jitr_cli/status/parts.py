"""The parts that are read separately: queues, CAs, CRLs, alarms, last errors."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from iot_jitr_cli.deployment import DeployedCa, Deployment
from iot_jitr_cli.doctor.log import last_error
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call
from iot_jitr_runtime import environment
from iot_jitr_runtime.ca_registration.registry import CaRegistry, NotRegisteredError
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.stack_outputs import Output

LOG_GROUPS = (Output.ACTIVATOR_LOG_GROUP, Output.CRL_PUBLISHER_LOG_GROUP, Output.SWEEP_LOG_GROUP)
"""The outputs with the log groups that are searched for errors, if the deployment has them."""
SOON = timedelta(days=90)
"""A CA whose certificate expires within this time is marked."""


@dataclass(frozen=True)
class QueueCounts:
    """The activation queue and the dead-letter queue."""

    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: float | None
    """None: CloudWatch has no value, for example for a queue that has been empty."""
    dead_letters: int

    @property
    def messages(self) -> int:
        """All messages of the activation queue."""
        return self.waiting + self.in_flight + self.delayed


@dataclass(frozen=True)
class CaState:
    """One CA of the deployment."""

    name: str
    certificate_id: str
    status: str
    auto_registration: str
    not_before: datetime
    """Start of its certificate's validity."""
    not_after: datetime
    devices: int
    """Number of certificates in service."""


@dataclass(frozen=True)
class CrlState:
    """One CRL in force."""

    ca: str
    number: int
    entries: int
    this_update: datetime
    next_update: datetime
    location: str


def log_groups(deployment: Deployment) -> tuple[str, ...]:
    """The log groups that the deployment has."""
    return tuple(group for each in LOG_GROUPS if (group := deployment.get(each)))


def queues(pipeline: Pipeline) -> QueueCounts:
    """Read both queues."""
    activation, dead_letters = pipeline.activation_queue, pipeline.dead_letter_queue
    if activation is None or dead_letters is None:
        raise UndeterminedError("a queue of the stack is missing ('jitr doctor' names it)")
    try:
        oldest = pipeline.recent.get("oldest_message_seconds")
    except UndeterminedError:
        oldest = None
    return QueueCounts(
        activation.visible, activation.in_flight, activation.delayed, oldest, dead_letters.messages
    )


def cas(pipeline: Pipeline) -> tuple[CaState, ...]:
    """Read each CA, and count its devices in service."""
    registry = CaRegistry(pipeline.session.client("iot"))
    fleet = Ledger(pipeline.session.client("dynamodb"), pipeline.output(Output.LEDGER_TABLE)).fleet
    return tuple(_ca(registry, fleet, ca) for ca in pipeline.deployment.cas)


def crls(pipeline: Pipeline) -> tuple[CrlState, ...]:
    """Read the CRLs in the revocation indexes; empty if no CA has a CRL."""
    activator = pipeline.activator
    bucket = activator.environment.get(environment.REVOCATION_BUCKET) if activator else None
    if activator is None or bucket is None:
        return ()
    store = IndexStore(pipeline.session.client("s3"), bucket)
    with_crl = [ca for ca in pipeline.deployment.cas if ca.certificate_id in activator.cas_with_crl]
    with TemporaryDirectory(prefix="jitr-status-") as folder, aws_call("s3:GetObject"):
        return tuple(crl for ca in with_crl for crl in _crls(store, ca, Path(folder)))


def active_alarms(pipeline: Pipeline) -> tuple[str, ...]:
    """The texts of the active alarms."""
    stack = pipeline.deployment.stack_name
    pages = pipeline.session.client("cloudwatch").get_paginator("describe_alarms")
    with aws_call("cloudwatch:DescribeAlarms"):
        found = pages.paginate(AlarmNamePrefix=f"{stack}-", StateValue="ALARM")
        alarms = [alarm for page in found for alarm in page["MetricAlarms"]]
    # CloudFormation's names are <stack>-<logical id>-<random>; other stacks may have the same prefix.
    ours = re.compile(rf"{re.escape(stack)}-[A-Za-z0-9]+-[A-Za-z0-9]+")
    return tuple(
        alarm.get("AlarmDescription") or alarm["AlarmName"]
        for alarm in alarms
        if ours.fullmatch(alarm["AlarmName"])
    )


def errors(pipeline: Pipeline) -> dict[str, str]:
    """The last error in each log group that has an error in the last 15 minutes."""
    found = {group: last_error(pipeline, group) for group in log_groups(pipeline.deployment)}
    return {group: line for group, line in found.items() if line}


def _ca(registry: CaRegistry, fleet: Fleet, ca: DeployedCa) -> CaState:
    with aws_call("iot:DescribeCACertificate"):
        try:
            found = registry.describe(ca.certificate_id)
        except NotRegisteredError as error:
            raise UndeterminedError(
                f"CA '{ca.name}' ({ca.certificate_id}) is not registered any more"
            ) from error
    with aws_call("dynamodb:BatchGetItem"):
        devices = fleet.size(ca.certificate_id)
    return CaState(
        name=ca.name,
        certificate_id=ca.certificate_id,
        status=found.state.status.value,
        auto_registration=found.state.auto_registration.value,
        not_before=found.certificate.not_before,
        not_after=found.certificate.not_after,
        devices=devices,
    )


def _crls(store: IndexStore, ca: DeployedCa, folder: Path) -> tuple[CrlState, ...]:
    path = folder / f"{ca.certificate_id}.sqlite"
    try:
        store.download(ca.certificate_id, path)
        index = Index.open(path)
    except IndexMissingError as error:
        raise UndeterminedError(f"CA '{ca.name}': {error}") from error
    except DamagedIndexError as error:
        raise UndeterminedError(f"CA '{ca.name}': the revocation index is damaged: {error}") from error
    try:
        return tuple(
            CrlState(
                ca=ca.name,
                number=record.number,
                entries=record.entries,
                this_update=record.this_update,
                next_update=record.usable_until(index.max_age),
                location=record.origin.location,
            )
            for record in index.crls
        )
    finally:
        index.close()
