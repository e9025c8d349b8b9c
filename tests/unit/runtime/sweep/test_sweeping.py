"""Whom a new CRL concerns is put out, who was on hold comes back, and nobody slips through between."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from iot_jitr_runtime.ledger import KEY, State
from iot_jitr_runtime.outcomes import DecisionError, Reason
from iot_jitr_runtime.revocation.index import DamagedIndexError
from iot_jitr_runtime.revocation.store import key
from iot_jitr_runtime.sweep.catch import SafetyCatch
from iot_jitr_runtime.sweep.enforcement import Enforced
from iot_jitr_runtime.sweep.release import Released
from iot_jitr_runtime.sweep.states import BeingSweptError, LeaseLostError, NothingHeldError
from iot_jitr_runtime.sweep.targets import Targets
from tests.support.account import POLICY
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import Crash, Fault, counted, injected
from tests.support.town import SETTLE, Town


def test_a_device_that_is_revoked_while_active_is_put_out(town: Town) -> None:
    revoked, other = town.bring_in(2)
    published = town.publish({revoked: KEY_COMPROMISE})

    seen = town.sweep()

    assert (town.status(revoked), town.status(other)) == ("REVOKED", "ACTIVE")
    assert seen.enforced_ == [(revoked, Enforced.REVOKED)]
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

    assert seen.released_ == [(device, Released.RELEASED, None)]
    row = town.row(device)
    assert (town.status(device), row.state, row.index_version) == (
        "ACTIVE",
        State.ACTIVATED,
        lifted.version,
    )
    assert town.aws.policies(device) == [POLICY]
    assert town.ledger.suspended(town.ca) == []
    assert town.ledger.fleet.size(town.ca) == 1


def test_a_hold_that_turns_into_a_compromise_is_seen(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.publish({device: KEY_COMPROMISE})

    seen = town.sweep()

    assert (town.status(device), town.row(device).state) == ("REVOKED", State.REVOKED)
    assert seen.released_ == []
    assert town.ledger.suspended(town.ca) == []


def test_a_hold_that_came_and_went_before_the_second_pass_is_lifted(town: Town) -> None:
    [device] = town.bring_in()
    town.sweep_twice()
    town.publish({device: HOLD})
    town.sweep()
    town.publish()
    town.sweep_twice()

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

    assert town.state().second is not None
    assert seen.enforced_ == []
    assert town.status(device) == "ACTIVE"


def test_what_an_operator_switched_off_is_not_suspended_and_never_released(town: Town) -> None:
    [device] = town.bring_in()
    town.aws.iot.update_certificate(certificateId=device, newStatus="INACTIVE")
    town.publish({device: HOLD})
    assert town.sweep().enforced_ == [(device, Enforced.UNTOUCHED)]

    town.publish()
    assert town.sweep().released_ == []

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
    assert town.ledger.suspended(town.ca) == []


def test_a_certificate_known_from_elsewhere_is_put_out_as_well(town: Town) -> None:
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

    town.sweep_twice()

    assert (town.status(device), town.row(device).state) == ("PENDING_ACTIVATION", State.REFUSED)


def test_a_serial_that_is_not_registered_is_simply_not_activated_later(town: Town) -> None:
    town.publish()
    device = town.register()
    town.publish({device: None})
    seen = town.sweep()
    assert seen.enforced_ == []

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

    assert seen.enforced_ == [(revoked, Enforced.GONE)]
    assert seen.released_ == [(held, Released.GONE, None)]
    assert town.ledger.fleet.size(town.ca) == 0
    assert town.state().first is not None


def _arn(town: Town, device: str) -> str:
    description = town.aws.iot.describe_certificate(certificateId=device)["certificateDescription"]
    return str(description["certificateArn"])


def test_nothing_is_asked_of_aws_iot_where_nothing_is_new(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: None})
    town.sweep_twice()

    with counted(town.aws.iot) as calls:
        for _ in range(3):
            town.sweep()
        town.publish({device: None})
        town.sweep_twice()

    assert calls == []


def test_where_nothing_was_published_nothing_is_swept(town: Town) -> None:
    assert town.sweep().enforced_ == []
    assert town.state().first is None


# The race between the activator and the sweep.


def test_a_device_activated_on_the_former_index_is_found_by_the_second_pass(town: Town) -> None:
    """The interleaving: checked on the old index, published, swept, and only then activated."""
    town.publish()
    device = town.register()

    def publish_and_sweep(**_: Any) -> None:
        town.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", publish_and_sweep)
        town.publish({device: KEY_COMPROMISE})
        # The row is there already, so even the first pass would find it; it finds the claim on it.
        assert town.sweep().put_off_[0][1].reason is Reason.CLAIMED_ELSEWHERE

    town.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", publish_and_sweep)
    town.activate(device)
    assert (town.status(device), town.row(device).state) == ("ACTIVE", State.ACTIVATED)

    town.sweep()

    assert town.status(device) == "REVOKED"


def test_a_device_that_comes_while_the_activator_still_holds_the_former_index_is_found(town: Town) -> None:
    town.bring_in()
    late = town.register("late")
    town.publish({late: KEY_COMPROMISE})
    assert town.sweep().enforced_ == []
    first = town.state().first

    town.clock.pass_time(seconds=50)
    town.activate(late)
    assert town.status(late) == "ACTIVE", "its copy of the index is less than a minute old"
    town.sweep()
    assert town.status(late) == "ACTIVE", "not yet: the index may still be unknown to somebody"

    town.clock.pass_time(seconds=SETTLE.total_seconds())
    seen = town.sweep()

    assert seen.enforced_ == [(late, Enforced.REVOKED)]
    assert town.status(late) == "REVOKED"
    assert town.state().second == first
    assert town.state().pending is None


def test_a_hold_that_the_activator_did_not_see_is_found_by_the_second_pass(town: Town) -> None:
    town.bring_in()
    late = town.register("late")
    town.publish({late: HOLD})
    town.sweep()
    town.activate(late)

    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    town.sweep()

    assert (town.status(late), town.row(late).state) == ("INACTIVE", State.SUSPENDED)


def test_indexes_that_follow_one_another_fast_do_not_keep_the_second_pass_from_coming(town: Town) -> None:
    town.bring_in()
    late = town.register("late")
    town.publish({late: None})
    town.sweep()
    town.activate(late)

    for _ in range(6):
        town.clock.pass_time(seconds=25)
        town.publish({late: None})
        town.sweep()

    assert town.status(late) == "REVOKED"


@pytest.mark.parametrize("crash_at", ["record_activating", "attach", "update", "record_activated"])
def test_an_activation_cut_off_anywhere_is_found(town: Town, crash_at: str) -> None:
    town.bring_in()
    late = town.register("late")
    step = {
        "record_activating": (town.aws.dynamodb, "UpdateItem", Fault.CRASH_AFTER, 3),
        "attach": (town.aws.iot, "AttachPolicy", Fault.CRASH_AFTER, 1),
        "update": (town.aws.iot, "UpdateCertificate", Fault.CRASH_AFTER, 1),
        "record_activated": (town.aws.dynamodb, "TransactWriteItems", Fault.CRASH_AFTER, 1),
    }[crash_at]
    client, operation, fault, at_call = step
    with injected(client, operation, fault, at_call=at_call) as struck, suppress(Crash):
        town.activate(late)
    assert struck()
    town.publish({late: KEY_COMPROMISE})
    town.sweep()

    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    town.sweep()
    town.sweep()
    town.activator = town.new_activator()
    town.activate(late)

    assert town.status(late) == "REVOKED"


# Cut off, repeated, run side by side.

OPERATIONS = [
    ("iot", "DescribeCertificate"),
    ("iot", "DescribeCACertificate"),
    ("iot", "AttachPolicy"),
    ("iot", "UpdateCertificate"),
    ("dynamodb", "UpdateItem"),
    ("dynamodb", "TransactWriteItems"),
    ("dynamodb", "Query"),
    ("dynamodb", "BatchGetItem"),
    ("dynamodb", "GetItem"),
    ("s3", "GetObject"),
    ("s3", "HeadObject"),
]
"""Every call that a run makes."""
FAULTS = [
    Fault.THROTTLE,
    Fault.SERVER_ERROR,
    Fault.TIMEOUT_BEFORE,
    Fault.TIMEOUT_AFTER,
    # A crash before a call is one after the call before.
    Fault.CRASH_AFTER,
]
LATER_CALLS = [
    *(("dynamodb", "UpdateItem", at_call) for at_call in (2, 4, 6, 8, 10)),
    ("dynamodb", "TransactWriteItems", 2),
    ("dynamodb", "TransactWriteItems", 3),
    ("iot", "UpdateCertificate", 2),
    ("iot", "UpdateCertificate", 3),
]


@pytest.mark.parametrize(
    ("service", "operation", "fault", "at_call"),
    [
        *((service, operation, fault, 1) for service, operation in OPERATIONS for fault in FAULTS),
        *((service, operation, Fault.CRASH_AFTER, at_call) for service, operation, at_call in LATER_CALLS),
    ],
)
def test_a_run_that_is_cut_off_anywhere_is_finished_by_the_next(
    town: Town, service: str, operation: str, fault: Fault, at_call: int
) -> None:
    revoked, held, lifted = town.bring_in(3)
    town.publish({lifted: HOLD})
    town.sweep()
    town.publish({revoked: KEY_COMPROMISE, held: HOLD})
    client = town.s3 if service == "s3" else getattr(town.aws, service)
    with (
        injected(client, operation, fault, at_call=at_call) as struck,
        suppress(Crash, ClientError, BotoCoreError),
    ):
        town.sweep()
    assert struck()

    for _ in range(2):
        # The lease, and the claims, of whoever died expire.
        town.clock.pass_time(minutes=6)
        town.sweep()

    assert [town.status(each) for each in (revoked, held, lifted)] == ["REVOKED", "INACTIVE", "ACTIVE"]
    assert town.row(held).state is State.SUSPENDED
    assert town.ledger.fleet.size(town.ca) == 1
    town.publish({revoked: KEY_COMPROMISE})
    town.sweep()
    assert town.status(held) == "ACTIVE"
    assert town.ledger.fleet.size(town.ca) == 2


def test_two_runs_side_by_side_do_not_mix(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))
    second = []

    def run_beside(**_: Any) -> None:
        town.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", run_beside)
        with counted(town.aws.iot) as calls:
            town.make_sweep().run(town.ca, stopped_by=town.clock() + timedelta(seconds=300))
        second.append(calls)

    town.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", run_beside)
    town.sweep()

    assert second == [[]]
    assert {town.status(device) for device in devices} == {"REVOKED"}


def test_a_run_ends_in_time_and_the_next_goes_on(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))

    def slow(_: float) -> None:
        town.clock.pass_time(seconds=20)

    from iot_jitr_runtime.ledger import Turns
    from iot_jitr_runtime.sweep.pace import Pace

    pace = Pace(Turns(town.aws.dynamodb, town.aws.table, 1e6), town.clock, slow)
    town.sweep(seconds=50, pace=pace)
    assert sorted(town.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]
    assert town.state().first is None

    town.sweep()

    assert {town.status(device) for device in devices} == {"REVOKED"}
    assert town.state().first is not None


def test_one_certificate_that_fails_does_not_keep_the_others_from_it(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))
    with injected(town.aws.iot, "UpdateCertificate", Fault.THROTTLE, at_call=1):
        seen = town.sweep()

    assert [verdict.reason for _, verdict in seen.put_off_] == [Reason.THROTTLED]
    assert sorted(town.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]
    town.clock.pass_time(minutes=6)
    town.sweep()
    assert {town.status(device) for device in devices} == {"REVOKED"}


def test_a_status_that_aws_iot_does_not_let_change_is_no_obstacle(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = town.bring_in(2)
    town.publish(dict.fromkeys(devices))
    update = town.aws.iot.update_certificate

    def refuse_one(**arguments: Any) -> Any:
        if arguments["certificateId"] == devices[0]:
            raise town.aws.iot.exceptions.CertificateStateException(
                {"Error": {"Code": "CertificateStateException"}}, "UpdateCertificate"
            )
        return update(**arguments)

    monkeypatch.setattr(town.aws.iot, "update_certificate", refuse_one)
    seen = town.sweep()

    assert dict(seen.enforced_) == {devices[0]: Enforced.IMPOSSIBLE, devices[1]: Enforced.REVOKED}
    assert town.state().first is not None


def test_an_index_that_cannot_be_read_revokes_nobody(town: Town) -> None:
    [device] = town.bring_in()
    town.s3.put_object(Bucket=town.store.bucket, Key=key(town.ca), Body=b"damaged")

    with pytest.raises(DamagedIndexError):
        town.sweep()
    assert town.status(device) == "ACTIVE"
    town.publish()
    town.sweep()
    assert town.state().first is not None


def test_a_swept_index_that_the_bucket_no_longer_keeps_counts_as_none(town: Town) -> None:
    revoked, other = town.bring_in(2)
    town.publish({revoked: None})
    town.sweep_twice()
    swept = town.state().first
    assert swept is not None
    town.publish({revoked: None, other: None})
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=swept.version_id)

    seen = town.sweep()

    assert seen.enforced_ == [(other, Enforced.REVOKED)]


# The safety catch.


def test_a_crl_that_would_put_out_too_many_waits_for_a_person(town: Town) -> None:
    devices = town.bring_in(4)
    town.publish(dict.fromkeys(devices[:2]))
    catch = SafetyCatch(share=0.25, minimum=2)

    seen = town.sweep(catch=catch)

    assert [(held.devices, held.fleet) for held in seen.held_] == [(2, 4)]
    assert {town.status(device) for device in devices} == {"ACTIVE"}
    assert len(town.sweep(catch=catch).held_) == 1, "the alarm goes on"

    held = town.state().held
    assert held is not None
    town.states.confirm(town.ca, held.index.version)
    town.sweep(catch=catch)

    assert [town.status(device) for device in devices] == ["REVOKED", "REVOKED", "ACTIVE", "ACTIVE"]
    assert town.state().held is None


def test_the_index_that_is_held_back_governs_activations_all_the_same(town: Town) -> None:
    devices = town.bring_in(2)
    newcomer = town.register("newcomer")
    town.publish(dict.fromkeys([*devices, newcomer]))
    town.sweep(catch=SafetyCatch(share=0.1, minimum=1))

    town.clock.pass_time(minutes=1)
    town.activate(newcomer)

    assert town.aws.decisions[0].verdict.reason is Reason.REVOKED


def test_a_crl_below_the_catch_goes_through(town: Town) -> None:
    devices = town.bring_in(4)
    town.publish({devices[0]: None})

    assert town.sweep(catch=SafetyCatch(share=0.25, minimum=1)).held_ == []
    assert town.status(devices[0]) == "REVOKED"


def test_a_crl_that_takes_the_mistake_back_ends_the_hold(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.5, minimum=2)
    town.publish(dict.fromkeys(devices))
    town.sweep(catch=catch)
    town.publish({devices[0]: None})

    assert town.sweep(catch=catch).held_ == []
    assert [town.status(device) for device in devices] == ["REVOKED", "ACTIVE", "ACTIVE"]
    assert town.state().held is None


def test_a_confirmation_counts_only_for_what_the_person_has_looked_at(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.1, minimum=1)
    town.publish({devices[0]: None})
    town.sweep(catch=catch)
    looked_at = town.state().held
    assert looked_at is not None
    town.publish(dict.fromkeys(devices))
    town.sweep(catch=catch)

    with pytest.raises(NothingHeldError):
        town.states.confirm(town.ca, looked_at.index.version)
    town.sweep(catch=catch)
    assert {town.status(device) for device in devices} == {"ACTIVE"}


def test_a_confirmed_index_is_swept_to_its_end_before_a_newer_one(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.1, minimum=1)
    town.publish({devices[0]: None})
    town.sweep(catch=catch)
    held = town.state().held
    assert held is not None
    town.states.confirm(town.ca, held.index.version)
    town.publish(dict.fromkeys(devices))

    town.sweep(catch=catch)
    assert [town.status(device) for device in devices] == ["REVOKED", "ACTIVE", "ACTIVE"]
    assert len(town.sweep(catch=catch).held_) == 1


def test_where_nothing_is_held_nothing_can_be_confirmed(town: Town) -> None:
    with pytest.raises(NothingHeldError):
        town.states.confirm(town.ca, "whatever")


def test_holds_are_lifted_while_a_mass_revocation_waits(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.5, minimum=2)
    town.publish({devices[0]: HOLD})
    town.sweep(catch=catch)
    town.publish({devices[1]: None, devices[2]: None})

    town.sweep(catch=catch)

    assert [town.status(device) for device in devices] == ["ACTIVE", "ACTIVE", "ACTIVE"]


# The dry run.


def test_a_dry_run_reports_once_and_changes_nothing(town: Town) -> None:
    revoked, held, other = town.bring_in(3)
    published = town.publish({revoked: None, held: HOLD})

    assert town.sweep(dry_run=True).reports == [(published.version, {revoked, held})]
    assert town.sweep(dry_run=True).reports == []
    assert {town.status(each) for each in (revoked, held, other)} == {"ACTIVE"}

    town.sweep()
    assert [town.status(each) for each in (revoked, held, other)] == ["REVOKED", "INACTIVE", "ACTIVE"]


# Releases: after all checks are repeated.


class Admission:
    def __init__(self, *reasons: Exception) -> None:
        self.reasons = list(reasons)

    def admit(self, candidate: object) -> dict[str, str]:
        del candidate
        if self.reasons:
            raise self.reasons.pop(0)
        return {}


@pytest.mark.parametrize("reason", [Reason.NOT_LISTED, Reason.ADMISSION_FAILED])
def test_a_release_needs_the_admission_again_and_is_tried_again(town: Town, reason: Reason) -> None:
    from iot_jitr_runtime.outcomes import DeferredError, RefusedError

    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    error: DecisionError = (RefusedError if reason is Reason.NOT_LISTED else DeferredError)(reason, "no")
    town.admission = Admission(error)
    town.publish()

    [(_, result, verdict)] = town.sweep().released_
    assert (result, verdict and verdict.reason) == (Released.NOT_RELEASED, reason)
    assert (town.status(device), town.row(device).state) == ("INACTIVE", State.SUSPENDED)
    assert town.sweep().released_ == [], "not before some time has passed"

    town.clock.pass_time(minutes=6)
    town.sweep()
    assert town.status(device) == "ACTIVE"


def test_an_expired_certificate_is_not_released(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.clock.pass_time(days=400)
    town.publish()

    [(_, result, verdict)] = town.sweep().released_

    assert (result, verdict and verdict.reason) == (Released.NOT_RELEASED, Reason.EXPIRED)
    assert town.status(device) == "INACTIVE"


def test_a_stale_index_releases_nobody(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.publish()
    town.clock.pass_time(days=3)

    [(_, result, verdict)] = town.sweep().released_

    assert (result, verdict and verdict.reason) == (Released.NOT_RELEASED, Reason.CRL_STALE)
    assert town.status(device) == "INACTIVE"


def test_a_release_cut_off_after_the_change_is_recorded(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.publish()
    with injected(town.aws.iot, "UpdateCertificate", Fault.CRASH_AFTER), suppress(Crash):
        town.sweep()
    assert (town.status(device), town.row(device).state) == ("ACTIVE", State.SUSPENDED)

    town.clock.pass_time(minutes=6)
    town.sweep()

    assert town.row(device).state is State.ACTIVATED
    assert town.ledger.fleet.size(town.ca) == 1


def test_a_row_that_is_not_suspended_any_more_is_left_alone(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.aws.dynamodb.update_item(
        TableName=town.aws.table,
        Key={KEY: {"S": device}},
        UpdateExpression="SET #state = :retired",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":retired": {"S": State.RETIRED}},
    )
    town.publish()

    seen = town.sweep()

    assert seen.released_ == [(device, Released.DECIDED_ELSEWHERE, None)]
    assert (town.status(device), town.row(device).state) == ("INACTIVE", State.RETIRED)
    assert town.ledger.suspended(town.ca) == []


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


def test_both_ways_to_find_them_agree(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import closing

    from iot_jitr_runtime.revocation.index import Index

    devices = town.bring_in(4)
    former = town.publish({devices[0]: HOLD, devices[1]: None})
    newer = town.publish({devices[0]: KEY_COMPROMISE, devices[1]: None, devices[2]: HOLD})
    paths = []
    for number, published in enumerate([former, newer]):
        paths.append(town.folder / f"compared-{number}")
        town.store.download(town.ca, paths[-1], version_id=published.version_id)
    finder = Targets(town.ledger)
    with closing(Index.open(paths[0])) as before, closing(Index.open(paths[1])) as now:
        one = {(t.certificate_id, t.reason) for t in finder.find(town.ca, now, before)}
        monkeypatch.setattr("iot_jitr_runtime.sweep.targets._FEW", 0)
        two = {(t.certificate_id, t.reason) for t in finder.find(town.ca, now, before)}

    assert one == two
    assert {certificate for certificate, _ in one} == {devices[0], devices[2]}


# The lease.


def test_a_lease_is_one_runs_until_it_expires(town: Town) -> None:
    token, _ = town.states.lease(town.ca, now=1000, expires_at=2000)
    with pytest.raises(BeingSweptError):
        town.states.lease(town.ca, now=1500, expires_at=2500)
    other, _ = town.states.lease(town.ca, now=2001, expires_at=3000)

    with pytest.raises(LeaseLostError):
        town.states.write(town.ca, token, released="x")
    town.states.write(town.ca, other, released="x")
    assert town.state().released == "x"
