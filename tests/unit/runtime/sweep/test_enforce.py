"""Revoking one certificate."""

import pytest

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.sweep.enforce import Enforcement, RevocationResult
from tests.support.sweep_harness import SweepHarness


@pytest.fixture
def enforcement(harness: SweepHarness) -> Enforcement:
    return harness.make_sweep().enforcement


def test_a_repeated_revocation_has_the_same_result(harness: SweepHarness, enforcement: Enforcement) -> None:
    [device] = harness.activate_devices()

    results = [
        enforcement.revoke(CertificateId(device), harness.ca, RevocationReason.KEY_COMPROMISE, "v1")
        for _ in range(2)
    ]

    assert results == [RevocationResult.REVOKED, RevocationResult.REVOKED]
    assert harness.ledger.fleet.size(harness.ca) == 0


def test_the_devices_own_policy_is_deleted(harness: SweepHarness, enforcement: Enforcement) -> None:
    [device] = harness.activate_devices()
    iot = harness.aws.iot
    name = f"own-{device}"
    iot.create_policy(policyName=name, policyDocument="{}")
    arn = iot.describe_certificate(certificateId=device)["certificateDescription"]["certificateArn"]
    iot.attach_policy(policyName=name, target=arn)
    harness.aws.dynamodb.update_item(
        TableName=harness.aws.table,
        Key={"certificateId": {"S": device}},
        UpdateExpression="SET policyName = :own",
        ExpressionAttributeValues={":own": {"S": name}},
    )

    enforcement.revoke(device, harness.ca, RevocationReason.UNSPECIFIED, "v1")

    assert name not in harness.aws.policies(device)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName=name)
