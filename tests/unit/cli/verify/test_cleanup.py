"""What a run made is removed, whatever the pipeline attached to it; what cannot be removed is named."""

from collections.abc import Iterator

import pytest

from iot_jitr_cli.verify import steps
from tests.support.account import Account
from tests.support.verified_pipeline import World, account_with_real_ids, certificates, counted, ledger_keys

POLICY = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def aws() -> Iterator[Account]:
    with account_with_real_ids() as opened:
        yield opened


def active(aws: Account) -> World:
    world = World(aws)
    steps.first_connect(world.verification)
    steps.become_active(world.verification)
    return world


def arn(world: World) -> str:
    description = world.aws.iot.describe_certificate(certificateId=world.device.certificate_id)
    return str(description["certificateDescription"]["certificateArn"])


def give_thing(world: World, name: str) -> None:
    world.aws.iot.create_thing(thingName=name)
    world.aws.iot.attach_thing_principal(thingName=name, principal=arn(world))


def things(aws: Account) -> list[str]:
    return [thing["thingName"] for thing in aws.iot.list_things()["things"]]


def policies(aws: Account) -> list[str]:
    return [policy["policyName"] for policy in aws.iot.list_policies()["policies"]]


def test_an_active_device_goes_with_its_thing_and_its_own_policy_and_is_counted_no_more(aws: Account) -> None:
    world = active(aws)
    own = f"jitr-{world.device.certificate_id}"
    aws.iot.create_policy(policyName=own, policyDocument=POLICY)
    aws.iot.attach_policy(policyName=own, target=arn(world))
    give_thing(world, "line-7-jitr-verify-1")
    shared = set(policies(aws)) - {own}
    assert (counted(aws), len(ledger_keys(aws))) == (1, 1)

    world.cleanup.run()

    assert world.cleanup.left_behind == []
    assert (certificates(aws), ledger_keys(aws), counted(aws), things(aws)) == ([], [], 0, [])
    assert set(policies(aws)) == shared


def test_a_thing_that_may_be_a_real_devices_is_left_and_named(aws: Account) -> None:
    """A device from a file may have a real device's common name."""
    world = active(aws)
    world.device.signer = None
    give_thing(world, "jitr-verify-1")

    world.cleanup.run()

    (left,) = world.cleanup.left_behind
    assert left.command == "aws iot delete-thing --thing-name jitr-verify-1"
    assert (things(aws), certificates(aws)) == (["jitr-verify-1"], [])


def test_what_aws_iot_still_sees_attached_is_deleted_a_little_later(aws: Account) -> None:
    world = active(aws)
    policy = policies(aws)[0]
    tries = []

    def attach_again(**_: object) -> None:
        tries.append(1)
        if len(tries) < 3:
            aws.iot.attach_policy(policyName=policy, target=arn(world))

    aws.iot.meta.events.register("before-call.iot.DeleteCertificate", attach_again)
    world.cleanup.run()

    assert (len(tries), certificates(aws), world.cleanup.left_behind) == (3, [], [])


def test_what_cannot_be_removed_is_named_and_keeps_the_rest_from_nothing(aws: Account) -> None:
    world = active(aws)
    world.session.denied |= {"update_certificate"}

    world.cleanup.run()

    (left,) = world.cleanup.left_behind
    assert left.what == f"certificate {world.device.certificate_id}"
    assert f"aws iot delete-certificate --certificate-id {world.device.certificate_id}" in left.command
    assert "permission" in left.why
    assert ledger_keys(aws) == []


def test_a_certificate_that_stays_attached_is_named_after_some_tries(aws: Account) -> None:
    world = active(aws)
    policy = policies(aws)[0]

    def attach_again(**_: object) -> None:
        aws.iot.attach_policy(policyName=policy, target=arn(world))

    aws.iot.meta.events.register("before-call.iot.DeleteCertificate", attach_again)
    world.cleanup.run()

    assert [left.what for left in world.cleanup.left_behind] == [f"certificate {world.device.certificate_id}"]
    assert world.watch.now < 60


def test_a_device_that_was_never_registered_leaves_nothing_to_remove(aws: Account) -> None:
    world = World(aws)
    world.cleanup.add_certificate()

    world.cleanup.run()

    assert world.cleanup.left_behind == []
