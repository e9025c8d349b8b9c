"""One policy for each certificate: created before it is attached, deleted after the revocation."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from iot_jitr_runtime.activator.interfaces import DeviceCertificate
from iot_jitr_runtime.aws_errors import DENIED, error_code
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.tasks import ScheduledTasks
from iot_jitr_runtime.policy.common_name import check_common_name
from iot_jitr_runtime.policy.per_device import render

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


_STILL_ATTACHED = timedelta(minutes=10)
_LATER = DENIED | {"DeleteConflictException"}


@dataclass(frozen=True)
class PerDevicePolicy:
    """Renders the template for each certificate. Its name is the prefix and the certificate's id."""

    iot: "IoTClient"
    prefix: str
    template: Mapping[str, Any]
    needs_common_name: bool

    def check(self, device: DeviceCertificate) -> None:
        """Check that the common name may be used in the policy.

        Raises:
            RefusedError: `INVALID_COMMON_NAME`.
        """
        if self.needs_common_name:
            check_common_name(device.certificate)

    def attach(self, device: DeviceCertificate, thing_name: str | None) -> str:
        """Create the device's policy and attach it. Idempotent.

        Two calls. If the policy exists, from an interrupted attempt, its document is updated where the
        template has changed since.

        Raises:
            RefusedError: `INVALID_COMMON_NAME` or `INVALID_THING_NAME`.
        """
        name = f"{self.prefix}{device.certificate_id}"
        document = render(self.template, device.certificate, thing_name)
        try:
            self.iot.create_policy(policyName=name, policyDocument=document)
        except self.iot.exceptions.ResourceAlreadyExistsException:
            self._bring_up_to_date(name, document)
        self.iot.attach_policy(policyName=name, target=device.certificate_arn)
        return name

    def _bring_up_to_date(self, name: str, document: str) -> None:
        found = self.iot.get_policy(policyName=name)["policyDocument"]
        if json.loads(found) == json.loads(document):
            return
        # A policy can have five versions; the older ones are not needed.
        _delete_old_versions(self.iot, name)
        self.iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)


def withdraw(iot: "IoTClient", certificate_id: CertificateId, certificate_arn: str, policy_name: str) -> bool:
    """Detach and delete the policy of a revoked certificate. Idempotent.

    A policy belongs to the certificate only if its name ends with the certificate's id. A shared policy is
    not changed.

    Returns:
        Whether the policy was the certificate's own.
    """
    if not policy_name.endswith(certificate_id):
        return False
    with suppress(iot.exceptions.ResourceNotFoundException):
        # An earlier attempt has detached it already, and was interrupted or refused the deletion.
        iot.detach_policy(policyName=policy_name, target=certificate_arn)
    try:
        _delete_old_versions(iot, policy_name)
        iot.delete_policy(policyName=policy_name)
    except iot.exceptions.ResourceNotFoundException:
        return True  # it is deleted already
    return True


@dataclass(frozen=True)
class Withdrawal:
    """Deletes the per-device policies of revoked certificates, at once or as soon as AWS permits it."""

    iot: "IoTClient"
    tasks: ScheduledTasks
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def withdraw(self, certificate_id: CertificateId, certificate_arn: str, policy_name: str) -> None:
        """Detach and delete a revoked certificate's own policy; a shared policy is not changed.

        AWS may report a policy as attached for some minutes after it was detached (`DeletePolicy`, API
        reference). Its deletion is then scheduled for the reconciler; the device cannot use the policy any
        more. The same is done where the permission is missing, because the stack now deploys a shared
        policy: a revocation does not wait for the deletion.
        """
        try:
            withdraw(self.iot, certificate_id, certificate_arn, policy_name)
        except ClientError as error:
            if error_code(error) not in _LATER:
                raise
            at = int((self.clock() + _STILL_ATTACHED).timestamp() * 1000)
            self.tasks.schedule_policy_deletion(certificate_id, policy_name=policy_name, at=at)


def _delete_old_versions(iot: "IoTClient", name: str) -> None:
    for version in iot.list_policy_versions(policyName=name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])
