"""Deletes a per-device policy after the revocation of its certificate."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from iot_jitr_runtime.aws_errors import DENIED, error_code
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import ScheduledTask, ScheduledTasks, TaskResult
from iot_jitr_runtime.policy.attachment import delete_old_versions
from iot_jitr_runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

_SCHEDULED_AFTER = timedelta(minutes=10)
_POSTPONED_BY = timedelta(hours=1)
_LATER = DENIED | {"DeleteConflictException"}


def delete_own_policy(
    iot: "IoTClient", certificate_id: CertificateId, certificate_arn: str, policy_name: str
) -> None:
    """Detach and delete the policy of a revoked certificate. Idempotent.

    A policy belongs to the certificate only if its name ends with the certificate's id. A shared policy is
    not changed.
    """
    if not policy_name.endswith(certificate_id):
        return
    with suppress(iot.exceptions.ResourceNotFoundException):
        # An earlier attempt has detached it already, and was interrupted or refused the deletion.
        iot.detach_policy(policyName=policy_name, target=certificate_arn)
    with suppress(iot.exceptions.ResourceNotFoundException):
        delete_old_versions(iot, policy_name)
        iot.delete_policy(policyName=policy_name)


def delete_or_schedule(  # noqa: PLR0913  the policy, and what deletes it now or later
    iot: "IoTClient",
    tasks: ScheduledTasks,
    certificate_id: CertificateId,
    certificate_arn: str,
    policy_name: str,
    *,
    now: datetime,
) -> None:
    """Detach and delete a revoked certificate's own policy, at once or as soon as AWS permits it.

    AWS may report a policy as attached for some minutes after it was detached (`DeletePolicy`, API
    reference). Its deletion is then scheduled for the reconciler; the device cannot use the policy any more.
    The deletion is also scheduled if the permission is missing because the stack now deploys a shared policy:
    a revocation does not wait for the deletion.
    """
    try:
        delete_own_policy(iot, certificate_id, certificate_arn, policy_name)
    except ClientError as error:
        if error_code(error) not in _LATER:
            raise
        at = milliseconds(now + _SCHEDULED_AFTER)
        tasks.schedule_policy_deletion(certificate_id, policy_name=policy_name, at=at)


def delete_scheduled_policy(
    iot: "IoTClient", rate_limiter: RateLimiter, arn_prefix: str, due: ScheduledTask, until: datetime
) -> TaskResult | timedelta:
    """Delete a revoked certificate's own policy, which AWS still reported as attached at the revocation.

    botocore's errors propagate.

    Args:
        iot: The client for policies.
        rate_limiter: The rate limiter.
        arn_prefix: The ARN of a certificate without its id.
        due: The task.
        until: The latest time of a slot.

    Raises:
        NoSlotError: The rate limiter has no slot until `until`.
    """
    if due.policy_name is None:
        return TaskResult.CANCELLED
    rate_limiter.wait_for_background_slot(until=until)
    try:
        delete_own_policy(iot, due.certificate_id, arn_prefix + due.certificate_id, due.policy_name)
    except iot.exceptions.DeleteConflictException:
        return _POSTPONED_BY
    return TaskResult.DONE
