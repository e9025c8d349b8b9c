"""A run removes everything that it made, with attached resources, and names what it cannot remove."""

import pytest

from tests.support.account import Account
from tests.support.verified_pipeline import Harness, certificates, counted, ledger_keys

POLICY = '{"Version": "2012-10-17", "Statement": []}'


def active(aws: Account) -> Harness:
    harness = Harness(aws)
    harness.activate()
    return harness


def arn(harness: Harness) -> str:
    description = harness.aws.iot.describe_certificate(certificateId=harness.device.certificate_id)
    return str(description["certificateDescription"]["certificateArn"])


def give_thing(harness: Harness, name: str) -> None:
    harness.aws.iot.create_thing(thingName=name)
    harness.aws.iot.attach_thing_principal(thingName=name, principal=arn(harness))


def things(aws: Account) -> list[str]:
    return [thing["thingName"] for thing in aws.iot.list_things()["things"]]


def policies(aws: Account) -> list[str]:
    return [policy["policyName"] for policy in aws.iot.list_policies()["policies"]]


def test_an_active_device_is_removed_with_its_thing_policy_and_count(aws: Account) -> None:
    harness = active(aws)
    own = f"jitr-{harness.device.certificate_id}"
    aws.iot.create_policy(policyName=own, policyDocument=POLICY)
    aws.iot.attach_policy(policyName=own, target=arn(harness))
    give_thing(harness, "line-7-jitr-verify-1")
    shared = set(policies(aws)) - {own}
    assert (counted(aws), len(ledger_keys(aws))) == (1, 1)

    harness.cleanup.run()

    assert harness.cleanup.left_behind == []
    assert (certificates(aws), ledger_keys(aws), counted(aws), things(aws)) == ([], [], 0, [])
    assert set(policies(aws)) == shared


def test_a_thing_that_may_be_of_a_real_device_is_kept_and_reported(aws: Account) -> None:
    """A device from a file may have a real device's common name."""
    harness = active(aws)
    harness.device.signer = None
    give_thing(harness, "jitr-verify-1")

    harness.cleanup.run()

    (left,) = harness.cleanup.left_behind
    assert left.command == "aws iot delete-thing --thing-name jitr-verify-1"
    assert (things(aws), certificates(aws)) == (["jitr-verify-1"], [])


def test_a_defect_in_one_removal_is_reported_and_the_others_are_made(aws: Account) -> None:
    harness = active(aws)

    def defect() -> None:
        raise ZeroDivisionError("a defect")

    harness.cleanup.add("another thing", "aws iot delete-thing", defect)
    harness.cleanup.run()

    assert [(left.what, left.why) for left in harness.cleanup.left_behind] == [("another thing", "a defect")]
    assert (certificates(aws), ledger_keys(aws)) == ([], [])


@pytest.mark.parametrize("attachments", [3, 1000], ids=["deleted a little later", "left and named"])
def test_a_certificate_that_still_has_a_policy_is_tried_again_for_half_a_minute(
    aws: Account, attachments: int
) -> None:
    harness = active(aws)
    policy, tries = policies(aws)[0], 0

    def attach_again(**_: object) -> None:
        nonlocal tries
        tries += 1
        if tries < attachments:
            aws.iot.attach_policy(policyName=policy, target=arn(harness))

    aws.iot.meta.events.register("before-call.iot.DeleteCertificate", attach_again)
    harness.cleanup.run()

    name = harness.device.certificate_id
    if attachments == 3:
        assert (tries, certificates(aws), harness.cleanup.left_behind) == (3, [], [])
    else:
        assert [left.what for left in harness.cleanup.left_behind] == [f"certificate {name}"]
        assert harness.watch.now < 60


def test_a_failed_removal_is_reported_and_the_others_are_made(aws: Account) -> None:
    harness = active(aws)
    harness.session.denied |= {"update_certificate"}

    harness.cleanup.run()

    (left,) = harness.cleanup.left_behind
    assert left.what == f"certificate {harness.device.certificate_id}"
    assert f"aws iot delete-certificate --certificate-id {harness.device.certificate_id}" in left.command
    assert "permission" in left.why
    assert ledger_keys(aws) == []


def test_a_device_that_was_never_registered_leaves_nothing_to_remove(aws: Account) -> None:
    harness = Harness(aws)
    harness.cleanup.add_certificate()

    harness.cleanup.run()

    assert harness.cleanup.left_behind == []
