"""Removes what a run made, last made first, whatever happened; what it cannot remove, it names."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from iot_jitr_cli.console import CliError
from iot_jitr_cli.session import explain
from iot_jitr_cli.verify.device import ThrowAwayDevice
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.verify.report import LeftBehind
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.rows import KEY
from iot_jitr_runtime.policy.own_policy import withdraw
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

_TRIES = 15
"""AWS IoT refuses to delete for some seconds after a detachment (DetachThingPrincipal, API reference)."""
_PAUSE = 2.0
_LOOKS = 3
"""A certificate whose connect was cut off may not be visible yet."""


class StillThereError(CliError):
    """Something could not be removed in time."""


@dataclass
class Cleanup:
    """What is to be removed. It is entered before it is made; to remove what is not there does nothing."""

    pipeline: Pipeline
    device: ThrowAwayDevice
    left_behind: list[LeftBehind] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def add(self, what: str, command: str, remove: Callable[[], object]) -> None:
        """Have `remove` called at the end.

        Args:
            what: What is removed, in words.
            command: The command that removes it, should `remove` fail.
            remove: Removes it; done again, it changes nothing.
        """
        self._stack.callback(self._remove, what, command, remove)

    def run(self) -> str:
        """Remove everything and say what; what fails is in `left_behind`, and keeps the rest from nothing."""
        self._stack.close()
        return (
            "nothing is left" if not self.left_behind else f"{len(self.left_behind)} things are left behind"
        )

    def add_certificate(self) -> None:
        """Have the device's certificate removed, with its policies, its thing and its row of the ledger."""
        name = self.device.certificate_id
        self.add_row(name)
        self.add(
            f"certificate {name}",
            f"aws iot update-certificate --certificate-id {name} --new-status INACTIVE && "
            f"aws iot delete-certificate --certificate-id {name} --force-delete",
            self._remove_certificate,
        )

    def add_row(self, certificate_id: CertificateId) -> None:
        """Have a row of the ledger removed; it counts as no device in service any more."""
        dynamodb, table = (
            self.pipeline.session.client("dynamodb"),
            self.pipeline.deployment[Output.LEDGER_TABLE],
        )

        def remove() -> None:
            Fleet(dynamodb, table).leave(certificate_id)
            dynamodb.delete_item(TableName=table, Key={KEY: {"S": certificate_id}})

        key = f'{{"{KEY}": {{"S": "{certificate_id}"}}}}'
        self.add("ledger row", f"aws dynamodb delete-item --table-name {table} --key '{key}'", remove)

    def _remove(self, what: str, command: str, remove: Callable[[], object]) -> None:
        try:
            remove()
        except (CliError, *AwsError) as error:
            self.left_behind.append(LeftBehind(what, explain(error) or str(error), command))

    def _remove_certificate(self) -> None:
        iot, certificate_id = self.pipeline.session.client("iot"), self.device.certificate_id
        certificate = None
        for _ in range(_LOOKS):
            with suppress(iot.exceptions.ResourceNotFoundException):
                certificate = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
                break
            self.pipeline.sleep(1.0)
        if certificate is None:
            return
        arn = certificate["certificateArn"]
        made: set[str] = set()
        # The activator may still be at work on it: what it attached meanwhile is taken off at the next try.
        self._until_deleted(
            f"certificate {certificate_id}", partial(self._try_to_delete, iot, certificate_id, arn, made)
        )

    def _try_to_delete(self, iot: "IoTClient", certificate_id: str, arn: str, made: set[str]) -> None:
        try:
            status = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"][
                "status"
            ]
            if status in {"ACTIVE", "PENDING_ACTIVATION"}:
                iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            for policy in iot.list_attached_policies(target=arn)["policies"]:
                self._detach_policy(iot, policy["policyName"], arn, made)
            for thing in iot.list_principal_things(principal=arn)["things"]:
                self._detach_thing(iot, thing, arn, made)
            iot.delete_certificate(certificateId=certificate_id)
        except iot.exceptions.ResourceNotFoundException:
            return

    def _detach_policy(self, iot: "IoTClient", policy: str, arn: str, made: set[str]) -> None:
        if policy.endswith(self.device.certificate_id) and policy not in made:
            made.add(policy)
            delete = partial(withdraw, iot, self.device.certificate_id, arn, policy)
            self.add(
                f"policy {policy}",
                f"aws iot delete-policy --policy-name {policy}",
                partial(self._until_deleted, f"policy {policy}", delete),
            )
        iot.detach_policy(policyName=policy, target=arn)

    def _detach_thing(self, iot: "IoTClient", thing: str, arn: str, made: set[str]) -> None:
        if thing not in made:
            made.add(thing)
            self.add(
                f"thing {thing}",
                f"aws iot delete-thing --thing-name {thing}",
                partial(self._until_deleted, f"thing {thing}", partial(self._delete_thing, iot, thing)),
            )
        iot.detach_thing_principal(thingName=thing, principal=arn)

    def _delete_thing(self, iot: "IoTClient", thing: str) -> None:
        certificate = self.device.certificate
        unique = [certificate.fingerprint, certificate.serial_number]
        # The common name of a device from a file may be that of a real device, and the thing its thing.
        unique += certificate.common_names if self.device.signer else []
        if not any(value in thing for value in unique):
            raise StillThereError("it may have been there before: delete it if it is not another device's")
        iot.delete_thing(thingName=thing)

    def _until_deleted(self, what: str, delete: Callable[[], object]) -> None:
        errors = self.pipeline.session.client("iot").exceptions
        conflicts: Iterable[type[Exception]] = (
            errors.DeleteConflictException,
            errors.CertificateStateException,
            errors.InvalidRequestException,
        )
        for left in reversed(range(_TRIES)):
            try:
                delete()
            except tuple(conflicts):
                if not left:
                    raise
                self.pipeline.sleep(_PAUSE)
            else:
                return
        raise StillThereError(f"{what} is still there")
