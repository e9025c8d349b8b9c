"""Revoking one certificate."""

from dataclasses import replace

import pytest

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.tasks import ScheduledTasks
from iot_jitr_runtime.policy.own_policy import Withdrawal
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.sweep.enforce import Enforcement, RevocationResult
from tests.support.town import Town


@pytest.fixture
def enforcement(town: Town) -> Enforcement:
    iot = town.aws.iot
    withdrawal = Withdrawal(iot, ScheduledTasks(town.aws.dynamodb, town.aws.table), town.clock)
    return replace(town.make_sweep().enforcement, withdrawal=withdrawal)


def test_done_again_it_is_the_same(town: Town, enforcement: Enforcement) -> None:
    [device] = town.bring_in()

    results = [
        enforcement.revoke(CertificateId(device), town.ca, RevocationReason.KEY_COMPROMISE, "v1")
        for _ in range(2)
    ]

    assert results == [RevocationResult.REVOKED, RevocationResult.REVOKED]
    assert town.ledger.fleet.size(town.ca) == 0


def test_a_policy_of_the_devices_own_is_taken_away(town: Town, enforcement: Enforcement) -> None:
    [device] = town.bring_in()
    iot = town.aws.iot
    name = f"own-{device}"
    iot.create_policy(policyName=name, policyDocument="{}")
    arn = iot.describe_certificate(certificateId=device)["certificateDescription"]["certificateArn"]
    iot.attach_policy(policyName=name, target=arn)
    town.aws.dynamodb.update_item(
        TableName=town.aws.table,
        Key={"certificateId": {"S": device}},
        UpdateExpression="SET policyName = :own",
        ExpressionAttributeValues={":own": {"S": name}},
    )

    enforcement.revoke(device, town.ca, RevocationReason.UNSPECIFIED, "v1")

    assert name not in town.aws.policies(device)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName=name)
