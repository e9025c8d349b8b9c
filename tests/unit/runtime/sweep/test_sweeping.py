"""What a new CRL revokes or suspends, what a lifted hold releases, and what stays as it is."""

from contextlib import ExitStack, closing

import pytest

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
from tests.support.town import SETTLE, Town


def test_an_active_device_on_the_crl_becomes_revoked(town: Town) -> None:
    revoked, other = town.bring_in(2)
    published = town.publish({revoked: KEY_COMPROMISE})

    seen = town.sweep()

    assert (town.status(revoked), town.status(other)) == ("REVOKED", "ACTIVE")
    assert seen.revocations == [(revoked, RevocationResult.REVOKED)]
    row = town.row(revoked)
    assert (row.state, row.reason, row.detail) == (State.REVOKED, Reason.REVOKED, "keyCompromise")
    assert (row.index_version, row.claim_expires_at) == (published.version, 0)
    assert town.ledger.fleet.size(town.ca) == 1


def test_a_device_on_hold_is_suspended_and_comes_back_when_the_hold_is_lifted(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    assert (town.status(device), town.row(device).state) == ("INACTIVE", State.SUSPENDED)
    assert town.ledger.fleet.size(town.ca) == 0

    lifted = town.publish()
    seen = town.sweep()

    assert seen.releases == [(device, ReleaseResult.RELEASED, None)]
    row = town.row(device)
    assert (town.status(device), row.state, row.index_version) == (
        "ACTIVE",
        State.ACTIVATED,
        lifted.version,
    )
    assert town.aws.policies(device) == [POLICY]
    assert town.on_hold() == []
    assert town.ledger.fleet.size(town.ca) == 1


def test_a_hold_that_turns_into_a_compromise_is_seen(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.publish({device: KEY_COMPROMISE})

    seen = town.sweep()

    assert (town.status(device), town.row(device).state) == ("REVOKED", State.REVOKED)
    assert seen.releases == []
    assert town.on_hold() == []


def test_a_hold_that_came_and_went_before_the_second_pass_is_lifted(town: Town) -> None:
    [device] = town.bring_in()
    town.settle()
    town.publish({device: HOLD})
    town.sweep()
    town.publish()
    town.settle()

    assert (town.status(device), town.row(device).state) == ("ACTIVE", State.ACTIVATED)


def test_the_second_pass_revokes_nobody_whom_the_ca_has_taken_off_the_list_since(town: Town) -> None:
    town.publish()
    device = town.register()
    town.publish({device: KEY_COMPROMISE})
    town.sweep()
    town.publish()
    town.sweep()
    town.activator = town.new_activator()
    town.activate(device)

    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    seen = town.sweep()

    assert seen.revocations == []
    assert town.status(device) == "ACTIVE"


def test_what_an_operator_switched_off_is_not_suspended_and_never_released(town: Town) -> None:
    [device] = town.bring_in()
    town.aws.iot.update_certificate(certificateId=device, newStatus="INACTIVE")
    town.publish({device: HOLD})
    assert town.sweep().revocations == [(device, RevocationResult.NOT_ACTIVE)]

    town.publish()
    assert town.sweep().releases == []

    assert (town.status(device), town.row(device).state) == ("INACTIVE", State.ACTIVATED)


@pytest.mark.parametrize("status", ["REVOKED", "ACTIVE"])
def test_what_somebody_decided_about_during_the_hold_is_left_as_it_is(town: Town, status: str) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.aws.iot.update_certificate(certificateId=device, newStatus=status)
    town.publish()

    town.sweep()

    assert town.status(device) == status
    expected = State.ACTIVATED if status == "ACTIVE" else State.KNOWN
    assert town.row(device).state is expected
    assert town.on_hold() == []


def test_a_certificate_that_somebody_else_activated_is_revoked_as_well(town: Town) -> None:
    town.publish()
    device = town.register()
    town.aws.iot.update_certificate(certificateId=device, newStatus="ACTIVE")
    town.activate(device)
    assert town.row(device).state is State.KNOWN
    town.publish({device: None})

    town.sweep()

    assert town.status(device) == "REVOKED"


def test_a_pending_certificate_that_is_revoked_becomes_revoked(town: Town) -> None:
    town.publish()
    device = town.register()
    town.publish({device: None})
    town.activator = town.new_activator()
    town.activate(device)
    assert (town.status(device), town.row(device).state) == ("PENDING_ACTIVATION", State.REFUSED)

    town.sweep()

    assert town.status(device) == "REVOKED"


def test_a_pending_certificate_on_hold_stays_pending(town: Town) -> None:
    town.publish()
    device = town.register()
    town.publish({device: HOLD})
    town.activator = town.new_activator()
    town.activate(device)

    town.settle()

    assert (town.status(device), town.row(device).state) == ("PENDING_ACTIVATION", State.REFUSED)


def test_a_serial_that_is_not_registered_is_simply_not_activated_later(town: Town) -> None:
    town.publish()
    device = town.register()
    town.publish({device: None})
    seen = town.sweep()
    assert seen.revocations == []

    town.activator = town.new_activator()
    town.activate(device)

    assert town.status(device) == "PENDING_ACTIVATION"


def test_a_certificate_that_was_deleted_is_no_obstacle(town: Town) -> None:
    revoked, held = town.bring_in(2)
    town.publish({held: HOLD})
    town.sweep()
    for device in (revoked, held):
        town.aws.iot.update_certificate(certificateId=device, newStatus="INACTIVE")
        town.aws.iot.detach_policy(policyName=POLICY, target=_arn(town, device))
        town.aws.iot.delete_certificate(certificateId=device)
    town.publish({revoked: None})

    seen = town.sweep()

    assert seen.revocations == [(revoked, RevocationResult.GONE)]
    assert seen.releases == [(held, ReleaseResult.GONE, None)]
    assert town.ledger.fleet.size(town.ca) == 0


def _arn(town: Town, device: str) -> str:
    description = town.aws.iot.describe_certificate(certificateId=device)["certificateDescription"]
    return str(description["certificateArn"])


def test_nothing_is_asked_of_aws_iot_where_nothing_is_new(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: None})
    town.settle()

    with counted(town.aws.iot) as calls:
        for _ in range(3):
            town.sweep()
        town.publish({device: None})
        town.settle()

    assert calls == []


def test_where_nothing_was_published_nothing_is_swept(town: Town) -> None:
    assert town.sweep().revocations == []
    assert town.state().settled is None


# The dry run.


def test_a_dry_run_reports_once_and_changes_nothing(town: Town) -> None:
    revoked, held, other = town.bring_in(3)
    published = town.publish({revoked: None, held: HOLD})

    [report] = town.sweep(dry_run=True).facts(DRY_RUN)
    assert (report["index_version"], report["devices"]) == (published.version, 2)
    assert report["certificates"] == {revoked: "unspecified", held: "certificateHold"}
    assert town.sweep(dry_run=True).facts(DRY_RUN) == []
    assert {town.status(each) for each in (revoked, held, other)} == {"ACTIVE"}

    town.sweep()
    assert [town.status(each) for each in (revoked, held, other)] == ["REVOKED", "INACTIVE", "ACTIVE"]


def test_a_line_of_the_report_names_so_many_certificates(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_jitr_runtime.sweep.sweep.NAMED_IN_A_LINE", 2)
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))

    reports = town.sweep(dry_run=True).facts(DRY_RUN)

    assert [len(report["certificates"]) for report in reports] == [2, 1]
    assert {device for report in reports for device in report["certificates"]} == set(devices)


# Finding whom it concerns.


def test_many_serials_are_looked_up_by_going_through_the_ledger_once(town: Town) -> None:
    revoked, held, other = town.bring_in(3)
    foreign = dict.fromkeys(range(1000, 1200))
    town.publish({revoked: KEY_COMPROMISE, held: HOLD}, extra=foreign)

    with counted(town.aws.dynamodb) as calls:
        town.sweep()

    assert calls.count("Scan") == 1
    assert [town.status(each) for each in (revoked, held, other)] == ["REVOKED", "INACTIVE", "ACTIVE"]
    assert town.ledger.fleet.size(town.ca) == 1


def test_both_ways_to_find_them_agree(town: Town) -> None:
    devices = town.bring_in(5)
    former = town.publish({devices[0]: HOLD, devices[1]: None})
    newer = town.publish({devices[0]: KEY_COMPROMISE, devices[1]: None, devices[2]: HOLD, devices[3]: None})
    current = town.publish({devices[0]: KEY_COMPROMISE, devices[1]: None, devices[2]: None})
    with ExitStack() as stack:
        opened = []
        for number, published in enumerate([newer, former, current]):
            path = town.folder / f"compared-{number}"
            town.store.download(town.ca, path, version_id=published.version_id)
            opened.append(stack.enter_context(closing(Index.open(path))))
        targets = Targets(town.ledger, town.ca, *opened)
        pages = [targets.page("", scanning=scanning) for scanning in (False, True)]

    expected = {
        (devices[0], RevocationReason.KEY_COMPROMISE),
        # By now its reason is another, and the certificate after it is not listed any more.
        (devices[2], RevocationReason.UNSPECIFIED),
    }
    for page in pages:
        assert {(target.certificate_id, target.reason) for target in page.targets} == expected
        assert page.cursor is None
