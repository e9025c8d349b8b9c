"""What a new CRL revokes or suspends, what a lifted hold releases, and what stays as it is."""

from contextlib import ExitStack, closing
from typing import Any

import pytest

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.sweep.enforce import ReleaseResult, RevocationResult
from iot_jitr_runtime.sweep.sweep import DRY_RUN
from iot_jitr_runtime.sweep.targets import Targets
from tests.support.account import POLICY
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import counted
from tests.support.sweep_harness import SweepHarness
from tests.support.things import arn_of


def test_an_active_device_on_the_crl_becomes_revoked(harness: SweepHarness) -> None:
    revoked, other = harness.activate_devices(2)
    published = harness.publish({revoked: KEY_COMPROMISE})

    seen = harness.sweep()

    assert (harness.status(revoked), harness.status(other)) == ("REVOKED", "ACTIVE")
    assert seen.revocations == [(revoked, RevocationResult.REVOKED)]
    row = harness.row(revoked)
    assert (row.state, row.reason, row.detail) == (State.REVOKED, Reason.REVOKED, "keyCompromise")
    assert (row.index_version, row.lease_expires_at) == (published.version, 0)
    assert harness.ledger.fleet.size(harness.ca) == 1


def test_a_device_on_hold_is_suspended_and_released_when_the_hold_is_lifted(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    assert (harness.status(device), harness.row(device).state) == ("INACTIVE", State.SUSPENDED)
    assert harness.ledger.fleet.size(harness.ca) == 0

    lifted = harness.publish()
    seen = harness.sweep()

    assert seen.releases == [(device, ReleaseResult.RELEASED, None)]
    row = harness.row(device)
    assert (harness.status(device), row.state, row.index_version) == (
        "ACTIVE",
        State.ACTIVATED,
        lifted.version,
    )
    assert harness.aws.policies(device) == [POLICY]
    assert harness.on_hold() == []
    assert harness.ledger.fleet.size(harness.ca) == 1


def test_a_hold_that_turns_into_a_compromise_revokes(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish({device: KEY_COMPROMISE})

    seen = harness.sweep()

    assert (harness.status(device), harness.row(device).state) == ("REVOKED", State.REVOKED)
    assert seen.releases == []
    assert harness.on_hold() == []


def test_a_hold_that_was_listed_for_a_moment_is_released(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.settle()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish()
    harness.settle()

    assert (harness.status(device), harness.row(device).state) == ("ACTIVE", State.ACTIVATED)


def test_a_certificate_removed_from_the_crl_is_not_revoked(harness: SweepHarness) -> None:
    harness.publish()
    device = harness.register()
    harness.publish({device: KEY_COMPROMISE})
    harness.sweep()
    harness.publish()
    harness.sweep()
    harness.activator = harness.new_activator()
    harness.activate(device)

    seen = harness.sweep_after_the_settle_time()

    assert seen.revocations == []
    assert harness.status(device) == "ACTIVE"


def test_a_device_deactivated_by_an_operator_is_not_suspended_or_released(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.aws.iot.update_certificate(certificateId=device, newStatus="INACTIVE")
    harness.publish({device: HOLD})
    assert harness.sweep().revocations == [(device, RevocationResult.NOT_ACTIVE)]

    harness.publish()
    assert harness.sweep().releases == []

    assert (harness.status(device), harness.row(device).state) == ("INACTIVE", State.ACTIVATED)


def test_a_certificate_that_another_caller_activated_is_revoked_as_well(harness: SweepHarness) -> None:
    harness.publish()
    [device] = harness.known_from_elsewhere()
    harness.publish({device: None})

    harness.sweep()

    assert harness.status(device) == "REVOKED"


@pytest.mark.parametrize(
    ("reason", "status", "state"),
    [(KEY_COMPROMISE, "REVOKED", State.REVOKED), (HOLD, "PENDING_ACTIVATION", State.REFUSED)],
)
def test_a_pending_certificate_becomes_revoked_and_is_not_suspended(
    harness: SweepHarness, reason: Any, status: str, state: State
) -> None:
    harness.publish()
    device = harness.register()
    harness.publish({device: reason})
    harness.activator = harness.new_activator()
    harness.activate(device)
    assert (harness.status(device), harness.row(device).state) == ("PENDING_ACTIVATION", State.REFUSED)

    harness.settle()

    assert (harness.status(device), harness.row(device).state) == (status, state)


def test_a_serial_that_is_not_registered_is_not_activated_later(harness: SweepHarness) -> None:
    harness.publish()
    device = harness.register()
    harness.publish({device: None})
    seen = harness.sweep()
    assert seen.revocations == []

    harness.activator = harness.new_activator()
    harness.activate(device)

    assert harness.status(device) == "PENDING_ACTIVATION"


def test_a_certificate_that_was_deleted_does_not_stop_the_pass(harness: SweepHarness) -> None:
    revoked, held = harness.activate_devices(2)
    harness.publish({held: HOLD})
    harness.sweep()
    for device in (revoked, held):
        harness.aws.iot.update_certificate(certificateId=device, newStatus="INACTIVE")
        harness.aws.iot.detach_policy(policyName=POLICY, target=arn_of(harness.aws, device))
        harness.aws.iot.delete_certificate(certificateId=device)
    harness.publish({revoked: None})

    seen = harness.sweep()

    assert seen.revocations == [(revoked, RevocationResult.GONE)]
    assert seen.releases == [(held, ReleaseResult.GONE, None)]
    assert harness.ledger.fleet.size(harness.ca) == 0


def test_the_devices_own_policy_is_deleted(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    iot, name = harness.aws.iot, f"own-{device}"
    iot.create_policy(policyName=name, policyDocument="{}")
    iot.attach_policy(policyName=name, target=arn_of(harness.aws, device))
    harness.ledger.items.update(Update(device, {"policyName": name}))
    harness.publish({device: None})

    harness.sweep()

    assert name not in harness.aws.policies(device)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName=name)


def test_without_a_new_entry_there_is_no_aws_iot_call(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: None})
    harness.settle()

    with counted(harness.aws.iot) as calls:
        for _ in range(3):
            harness.sweep()
        harness.publish({device: None})
        harness.settle()

    assert calls == []


def test_without_a_published_index_no_certificate_is_swept(harness: SweepHarness) -> None:
    assert harness.sweep().revocations == []
    assert harness.state().settled is None


# The dry run.


def test_a_dry_run_reports_once_and_changes_nothing(harness: SweepHarness) -> None:
    revoked, held, other = harness.activate_devices(3)
    published = harness.publish({revoked: None, held: HOLD})

    [report] = harness.sweep(dry_run=True).facts(DRY_RUN)
    assert (report["index_version"], report["devices"]) == (published.version, 2)
    assert report["certificates"] == {revoked: "unspecified", held: "certificateHold"}
    assert harness.sweep(dry_run=True).facts(DRY_RUN) == []
    assert {harness.status(each) for each in (revoked, held, other)} == {"ACTIVE"}

    harness.sweep()
    assert [harness.status(each) for each in (revoked, held, other)] == ["REVOKED", "INACTIVE", "ACTIVE"]


def test_a_long_report_is_split_into_several_lines(
    harness: SweepHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iot_jitr_runtime.sweep.sweep.NAMED_IN_A_LINE", 2)
    devices = harness.activate_devices(3)
    harness.publish(dict.fromkeys(devices))

    reports = harness.sweep(dry_run=True).facts(DRY_RUN)

    assert [len(report["certificates"]) for report in reports] == [2, 1]
    assert {device for report in reports for device in report["certificates"]} == set(devices)


# Finding the targets.


def test_many_new_serials_are_found_by_one_scan(harness: SweepHarness) -> None:
    revoked, held, other = harness.activate_devices(3)
    foreign = dict.fromkeys(range(1000, 1200))
    harness.publish({revoked: KEY_COMPROMISE, held: HOLD}, extra=foreign)

    with counted(harness.aws.dynamodb) as calls:
        harness.sweep()

    assert calls.count("Scan") == 1
    assert [harness.status(each) for each in (revoked, held, other)] == ["REVOKED", "INACTIVE", "ACTIVE"]
    assert harness.ledger.fleet.size(harness.ca) == 1


def test_both_ways_to_find_the_targets_give_the_same_result(harness: SweepHarness) -> None:
    devices = harness.activate_devices(5)
    former = harness.publish({devices[0]: HOLD, devices[1]: None})
    newer = harness.publish(
        {devices[0]: KEY_COMPROMISE, devices[1]: None, devices[2]: HOLD, devices[3]: None}
    )
    current = harness.publish({devices[0]: KEY_COMPROMISE, devices[1]: None, devices[2]: None})
    with ExitStack() as stack:
        opened = []
        for number, published in enumerate([newer, former, current]):
            path = harness.folder / f"compared-{number}"
            harness.store.download(harness.ca, path, version_id=published.version_id)
            opened.append(stack.enter_context(closing(Index.open(path))))
        targets = Targets(harness.ledger, harness.ca, *opened)
        pages = [targets.page("", scanning=scanning) for scanning in (False, True)]

    expected = {
        (devices[0], RevocationReason.KEY_COMPROMISE),
        # By now its reason is another, and the certificate after it is not listed any more.
        (devices[2], RevocationReason.UNSPECIFIED),
    }
    for page in pages:
        assert {(target.certificate_id, target.reason) for target in page.targets} == expected
        assert page.cursor is None
