"""Removes all resources of a run, the last one first; the report lists those that could not be removed."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from iot_jitr_cli.console import CliError
from iot_jitr_cli.session import explain
from iot_jitr_cli.verify.device import ThrowAwayDevice
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.verify.report import LeftBehind
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.ledger.tasks import Task, task_key
from iot_jitr_runtime.ledger_table import KEY
from iot_jitr_runtime.policy.deletion import delete_own_policy
from iot_jitr_runtime.stack_outputs import Output

_DETACH_LIMIT = 28.0
"""AWS IoT refuses a deletion for some seconds after a detachment (DetachThingPrincipal, API reference)."""
_VISIBLE_LIMIT = 2.0
"""If a connect was interrupted, its certificate may not be visible yet."""


@dataclass
class Cleanup:
    """The resources to remove. Each is added before it is created; removing a missing one does nothing."""

    pipeline: Pipeline
    device: ThrowAwayDevice
    left_behind: list[LeftBehind]
    """The resources that could not be removed; filled by `run`."""
    _removals: dict[str, tuple[str, Callable[[], object]]] = field(default_factory=dict)
    """Command → description of the resource, and the function that removes it."""

    def add(self, what: str, command: str, remove: Callable[[], object]) -> None:
        """Call `remove` once at the end, even if other removals fail.

        Args:
            what: The resource, in words.
            command: The command that removes it, for the report if `remove` fails.
            remove: Removes the resource; a second call changes nothing.
        """
        self._removals[command] = (what, remove)

    def run(self) -> None:
        """Remove all resources, the last one first; `left_behind` lists those that could not be removed."""
        # A removal may add more removals.
        while self._removals:
            command, (what, remove) = self._removals.popitem()
            try:
                remove()
            except Exception as error:  # noqa: BLE001  all others must be removed too
                if not isinstance(error, (JitrError, *AwsError)):
                    traceback.print_exception(error)
                self.left_behind.append(LeftBehind(what, explain(error) or str(error), command))

    def add_certificate(self) -> None:
        """Remove the device's certificate at the end, with its policies, its thing and its ledger row."""
        name = self.device.certificate_id
        self.add_row(name)
        self.add(
            f"certificate {name}",
            f"aws iot update-certificate --certificate-id {name} --new-status INACTIVE && "
            f"aws iot delete-certificate --certificate-id {name} --force-delete",
            self._remove_certificate,
        )

    def add_row(self, certificate_id: CertificateId) -> None:
        """Remove a row of the ledger at the end, with its scheduled close of a session.

        The row no longer counts as a device in service.
        """
        dynamodb = self.pipeline.session.client("dynamodb")
        table = self.pipeline.deployment[Output.LEDGER_TABLE]
        key = f'{{"{KEY}": {{"S": "{certificate_id}"}}}}'

        def remove() -> None:
            Ledger(dynamodb, table).fleet.correct(certificate_id, active=False)
            for each in (certificate_id, task_key(Task.CLOSE_SESSION, certificate_id)):
                dynamodb.delete_item(TableName=table, Key={KEY: {"S": each}})

        self.add("ledger row", f"aws dynamodb delete-item --table-name {table} --key '{key}'", remove)

    def _remove_certificate(self) -> None:
        name = self.device.certificate_id
        if self.pipeline.wait_until(lambda: self.pipeline.status(name), limit=_VISIBLE_LIMIT):
            # The activator may be validating the certificate; the next try removes later attachments.
            self._retry_delete(self._delete_certificate)

    def _delete_certificate(self) -> None:
        iot, name = self.pipeline.session.client("iot"), self.device.certificate_id
        description = iot.describe_certificate(certificateId=name)["certificateDescription"]
        arn = description["certificateArn"]
        if description["status"] in {"ACTIVE", "PENDING_ACTIVATION"}:
            iot.update_certificate(certificateId=name, newStatus="INACTIVE")
        for policy in (each["policyName"] for each in iot.list_attached_policies(target=arn)["policies"]):
            iot.detach_policy(policyName=policy, target=arn)
            if policy.endswith(name):
                delete = partial(self._retry_delete, partial(delete_own_policy, iot, name, arn, policy))
                self.add(f"policy {policy}", f"aws iot delete-policy --policy-name {policy}", delete)
        for thing in iot.list_principal_things(principal=arn)["things"]:
            iot.detach_thing_principal(thingName=thing, principal=arn)
            delete = partial(self._retry_delete, partial(self._delete_thing, thing))
            self.add(f"thing {thing}", f"aws iot delete-thing --thing-name {thing}", delete)
        iot.delete_certificate(certificateId=name)

    def _delete_thing(self, thing: str) -> None:
        certificate = self.device.certificate
        unique = [certificate.fingerprint, certificate.serial_number]
        # A device from a file may have the common name of a real device; then the thing is the real device's.
        unique += certificate.common_names if self.device.signer else []
        if not any(value in thing for value in unique):
            raise CliError("it may have been there before: delete it if it is not another device's")
        self.pipeline.session.client("iot").delete_thing(thingName=thing)

    def _retry_delete(self, delete: Callable[[], object]) -> None:
        """Try for 30 seconds, until AWS IoT finds no attachment any more."""
        errors = self.pipeline.session.client("iot").exceptions
        conflicts = (
            errors.DeleteConflictException,
            errors.CertificateStateException,
            errors.InvalidRequestException,
        )

        def is_deleted() -> bool:
            try:
                delete()
            except conflicts:
                return False
            return True

        if not self.pipeline.wait_until(is_deleted, limit=_DETACH_LIMIT):
            delete()
