"""`jitr crl confirm`: a person lets a mass revocation through, having seen whom it puts out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.main import jitr
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.revocation.store import key
from iot_jitr_runtime.stack_outputs import Output
from iot_jitr_runtime.sweep.catch import SafetyCatch
from iot_jitr_runtime.sweep.states import IndexRef
from tests.support.account import REGION, Account, account
from tests.support.buckets import s3_client
from tests.support.crls import KEY_COMPROMISE
from tests.support.town import SETTLE, Town

CATCH = SafetyCatch(share=0.1, minimum=2)


@pytest.fixture(scope="module")
def shared() -> Iterator[Account]:
    with account() as opened:
        yield opened


@pytest.fixture
def town(shared: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    made = Town(shared, s3_client(), tmp_path)
    outputs = {
        "FactoryCaCertificateId": made.ca,
        Output.LEDGER_TABLE: made.aws.table,
        Output.REVOCATION_BUCKET: made.store.bucket,
    }
    deployment = Deployment("iot-jitr", REGION, outputs)
    monkeypatch.setattr("iot_jitr_cli.crl.command.find_deployment", lambda *_: deployment)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def held(town: Town) -> list[CertificateId]:
    """Devices that a CRL would put out, were it not held back."""
    devices = town.bring_in(3)
    town.sweep(catch=CATCH)
    town.publish(dict.fromkeys(devices[:2], KEY_COMPROMISE))
    assert town.sweep(catch=CATCH).held_
    return devices[:2]


def confirm(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(jitr, ["crl", "confirm", *arguments], input=answer)


def report(*arguments: str) -> tuple[int, Any]:
    result = confirm(*arguments, "--json")
    return result.exit_code, json.loads(result.stdout)


def statuses(town: Town, devices: list[CertificateId]) -> set[str]:
    return {town.status(device) for device in devices}


def test_where_nothing_waits_the_answer_is_no(town: Town) -> None:
    town.bring_in()

    assert (confirm("Factory").exit_code, confirm("Factory").stdout) == (
        1,
        "nothing of CA Factory is held back\n",
    )
    assert report("Factory") == (1, {"held": None})


def test_the_dry_run_names_the_devices_and_lets_nothing_through(
    town: Town, held: list[CertificateId]
) -> None:
    result = confirm("Factory", "--dry-run")

    assert result.exit_code == 0
    assert "would put out 2 devices of 3 in service" in result.stdout
    for device in held:
        assert device in result.stdout
    assert "keyCompromise" in result.stdout
    town.sweep(catch=CATCH)
    assert statuses(town, held) == {"ACTIVE"}


def test_the_dry_run_is_available_as_json(town: Town, held: list[CertificateId]) -> None:
    code, found = report(town.ca, "--dry-run")

    assert code == 0
    assert (found["confirmed"], found["held"]["devices"], found["held"]["fleet"]) == (False, 2, 3)
    assert {each["certificate_id"] for each in found["certificates"]} == set(held)
    assert {each["reason"] for each in found["certificates"]} == {"keyCompromise"}


def test_a_yes_lets_it_through(town: Town, held: list[CertificateId]) -> None:
    result = confirm("Factory", answer="y\n")

    assert result.exit_code == 0
    assert "confirmed: the sweep puts 2 devices out" in result.stdout
    town.sweep(catch=CATCH)
    assert statuses(town, held) == {"REVOKED"}


@pytest.mark.parametrize(("answer", "exit_code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_anything_else_lets_nothing_through(
    town: Town, held: list[CertificateId], answer: str, exit_code: int
) -> None:
    assert confirm("Factory", answer=answer).exit_code == exit_code

    town.sweep(catch=CATCH)
    assert statuses(town, held) == {"ACTIVE"}


def test_json_asks_no_questions(town: Town, held: list[CertificateId]) -> None:
    result = confirm("Factory", "--json")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    town.sweep(catch=CATCH)
    assert statuses(town, held) == {"ACTIVE"}


def test_who_has_looked_already_is_not_asked(town: Town, held: list[CertificateId]) -> None:
    code, found = report("Factory", "--yes")

    assert (code, found["confirmed"]) == (0, True)
    town.sweep(catch=CATCH)
    assert statuses(town, held) == {"REVOKED"}


def test_a_ca_that_the_deployment_does_not_have_is_wrong_use(town: Town) -> None:
    del town
    result = confirm("Workshop")

    assert result.exit_code == 2
    assert "has no CA 'Workshop'; it has: Factory" in result.stderr


def test_the_first_index_can_be_looked_at_as_well(town: Town) -> None:
    town.number = 1
    town.publish()
    devices = town.bring_in(2)
    town.store.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca))
    town.publish(dict.fromkeys(devices))
    town.sweep(catch=CATCH)

    code, found = report("Factory", "--dry-run")

    assert (code, len(found["certificates"])) == (0, 2)


def test_who_was_entered_after_the_index_was_swept_is_named_as_well(town: Town) -> None:
    devices = town.bring_in(2)
    town.publish(dict.fromkeys(devices))
    town.states.ask(town.ca, now=town.clock.milliseconds)
    token, _ = town.states.lease(town.ca, now=1, expires_at=2)
    town.states.write(town.ca, token, first=IndexRef.of(town.store.current(town.ca)))
    town.clock.pass_time(seconds=SETTLE.total_seconds())
    assert town.sweep(catch=CATCH).held_

    _, told = report("Factory", "--dry-run")

    assert {each["certificate_id"] for each in told["certificates"]} == set(devices)


def test_an_index_that_is_not_kept_any_more_cannot_be_looked_at(
    town: Town, held: list[CertificateId]
) -> None:
    del held
    waiting = town.state().held
    assert waiting is not None
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=waiting.index.version_id)

    result = confirm("Factory", "--dry-run")

    assert result.exit_code == 3
    assert "is not kept any more" in result.stderr


def test_a_swept_index_that_is_not_kept_any_more_counts_as_none(
    town: Town, held: list[CertificateId]
) -> None:
    swept = town.state().first
    assert swept is not None
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=swept.version_id)

    code, found = report("Factory", "--dry-run")

    assert (code, {each["certificate_id"] for each in found["certificates"]}) == (0, set(held))
