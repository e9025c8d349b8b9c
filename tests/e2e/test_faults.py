"""Faults, end to end: after each, every admissible device is active, no other one is, no message is lost.

Two pipelines share one local cloud, and a proxy is between their activators and the API. All faults
happen in one run (`tests/support/faulted_clouds.py`); the tests check its result.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support.api_calls import actions_of, calls_of
from tests.support.cloud import TIME_LIMIT
from tests.support.command_line import run_jitr
from tests.support.faulted_clouds import PENDING, TRIES, Clouds, faulted_clouds

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with faulted_clouds(tmp_path_factory.mktemp("faults")) as clouds:
        yield clouds


# after each fault


OUT = {
    (State.REFUSED, Reason.REVOKED),
    (State.REFUSED, Reason.EXPIRED),
    (State.REVOKED, Reason.REVOKED),
}
"""The outcomes in the ledger of a device that must not be activated."""
NAMES = ["killed", "s3", "api", "ledger", "redelivered", "poisoned", "clocks", "mixed", "mixed in second"]


@pytest.mark.parametrize("name", NAMES)
def test_every_admissible_device_is_active_and_no_other(clouds: Clouds, name: str) -> None:
    pipeline, case = clouds.aftermath.cases[name]

    assert pipeline.statuses(case.admissible) == {"ACTIVE"}
    for certificate in case.admissible:
        row = pipeline.row(certificate)
        assert row is not None
        assert (row.state, row.reason, row.lease_expires_at) == (State.ACTIVATED, None, 0)
        assert pipeline.policies_of(certificate) == [pipeline.outputs[Output.DEVICE_POLICY_NAME]]
    # The sweep may have run meanwhile and made the listed ones REVOKED.
    assert pipeline.statuses(case.inadmissible) <= {"PENDING_ACTIVATION", "REVOKED"}
    for certificate in case.inadmissible:
        row = pipeline.row(certificate)
        assert row is not None
        assert (row.state, row.reason) in OUT
        assert pipeline.policies_of(certificate) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_message_has_an_outcome(clouds: Clouds, name: str) -> None:
    pipeline, case = clouds.aftermath.cases[name]

    assert case.messages
    assert set(case.messages) <= pipeline.ended()


def test_no_message_is_left_and_the_dead_letters_are_the_permanent_errors(clouds: Clouds) -> None:
    aftermath = clouds.aftermath
    reasons = {
        name: sorted(letter["MessageAttributes"]["reason"]["StringValue"] for letter in letters)
        for name, letters in aftermath.letters.items()
    }

    assert aftermath.drained == {"first": True, "second": True}
    assert reasons == {
        "first": [Reason.FOREIGN_CA, Reason.MALFORMED_EVENT, Reason.MALFORMED_EVENT],
        "second": [Reason.FOREIGN_CA],
    }


# while it lasted


@pytest.mark.parametrize(
    ("name", "reason"),
    # Without the ledger no reason is recorded.
    [("s3", Reason.SERVICE_ERROR), ("api", Reason.SERVICE_ERROR), ("ledger", None)],
)
def test_without_a_service_all_devices_are_tried_again_and_none_is_activated(
    clouds: Clouds, name: str, reason: Reason | None
) -> None:
    outage = clouds.aftermath.outages[name]

    assert outage.struck > TRIES * len(outage.case.messages), "each was tried, and again"
    assert outage.statuses == {"PENDING_ACTIVATION"}
    assert outage.reasons == {reason}


def test_the_messages_of_a_killed_worker_are_delivered_again(clouds: Clouds) -> None:
    _, case = clouds.aftermath.cases["killed"]
    of_the_victim = clouds.aftermath.decisions[case.messages[1]]

    assert len(clouds.aftermath.killed) == 1
    assert of_the_victim
    assert Reason.INTERNAL_ERROR not in {each.get("reason") for each in of_the_victim}


def test_a_message_delivered_twice_activates_once(clouds: Clouds) -> None:
    _, case = clouds.aftermath.cases["redelivered"]
    decided = clouds.aftermath.decisions[case.messages[0]]

    assert len(decided) > 1
    assert [each["outcome"] for each in decided].count("activated") == 1


def test_the_event_of_the_other_pipeline_changes_nothing(clouds: Clouds) -> None:
    for this, other in (("mixed", "mixed in second"), ("mixed in second", "mixed")):
        (pipeline, _), (_, case) = clouds.aftermath.cases[this], clouds.aftermath.cases[other]
        row = pipeline.row(case.good[0].certificate.fingerprint)
        assert row is not None
        assert (row.state, row.serial_number) == (None, None)


# the reconciler


def test_the_reconciler_finds_devices_that_connected_while_the_rule_was_disabled(clouds: Clouds) -> None:
    certificate = clouds.missed.certificate.fingerprint
    assert clouds.first.status(certificate) == "PENDING_ACTIVATION"
    assert clouds.first.row(certificate) is None
    registered = clouds.first.registered_at(certificate)
    assert wait_until(
        lambda: datetime.now(UTC) > registered + PENDING + timedelta(seconds=1),
        limit=TIME_LIMIT,
        interval=0.2,
    )
    too_new = clouds.first.plant(clouds.first.ca.issue(DeviceSpec("its-event-is-on-its-way")))

    clouds.first.reconcile()

    clouds.first.wait_for_state(certificate, State.ACTIVATED)
    assert clouds.first.row(too_new) is None
    assert clouds.first.connect(clouds.missed).ending == "published"


def test_certificates_activated_elsewhere_are_backfilled_and_checked_against_the_crl(clouds: Clouds) -> None:
    both = (clouds.stranger, clouds.revoked_stranger)
    good, bad = (clouds.first.register_active(identity) for identity in both)

    clouds.first.reconcile()

    for identity, certificate in zip(both, (good, bad), strict=True):
        row = clouds.first.row(certificate)
        assert row is not None
        assert row.serial_number == identity.certificate.serial_number

    def is_revoked() -> bool:
        # A run of its schedule may hold the lease just now, and then this one ends at once.
        clouds.first.rescan()
        return clouds.first.status(bad) == "REVOKED"

    assert wait_until(is_revoked, limit=TIME_LIMIT, interval=1)
    assert clouds.first.status(good) == "ACTIVE"


def test_redrive_activates_missed_devices_and_dead_letters_after_the_fix(clouds: Clouds) -> None:
    """The cause: the CA of a device was not one of this deployment, and now is."""
    first, second = clouds.first, clouds.second
    missed = first.plant(first.ca.issue(DeviceSpec("its-event-was-lost")))
    early = second.plant(second.ca.issue(DeviceSpec("came-before-its-ca")))
    letters = first.waiting(Output.DEAD_LETTER_QUEUE_URL)
    first.send_batch([second.event(early)])
    assert wait_until(
        lambda: first.waiting(Output.DEAD_LETTER_QUEUE_URL) == letters + 1, limit=TIME_LIMIT, interval=0.1
    )
    cas = json.loads(first.activator_settings()[environment.CAS])
    cas[second.outputs["LabCaCertificateId"]] = {"revocation": "none"}
    first.configure_activator(**{environment.CAS: json.dumps(cas)})

    result = run_jitr("redrive", "--pending-minutes", 0, "--json", variables=first.lab.ministack.credentials)

    assert result.exit_code == 0, result.err
    assert result.json["dead_letters"] == letters + 1
    first.wait_for_state(missed, State.ACTIVATED)
    first.wait_for_state(early, State.ACTIVATED)
    assert first.policies_of(early) == [first.outputs[Output.DEVICE_POLICY_NAME]]
    first.wait_until_drained()
    reasons = {letter["MessageAttributes"]["reason"]["StringValue"] for letter in first.peek_dead_letters()}
    assert reasons == {Reason.MALFORMED_EVENT}


def test_every_recorded_call_of_a_function_is_in_its_code(clouds: Clouds) -> None:
    """Each of these has its statement: `tests/stacks/test_iam_reference.py`. Every fault has happened."""
    recorded = clouds.first.calls_by_handler()

    assert {environment.ACTIVATOR_HANDLER, environment.SWEEP_HANDLER} <= set(recorded)
    for handler, calls in recorded.items():
        if handler.startswith("iot_jitr_runtime."):
            made = {action for call in calls_of(handler) for action in call}
            unknown = {call for call in calls if not made & set(actions_of(*call))}
            assert unknown == set(), handler
