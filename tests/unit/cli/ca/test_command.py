"""`jitr ca`: details that AWS's console does not list, and changes of a CA."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from iot_jitr_cli.console import ExitCode
from iot_jitr_runtime.ca_registration.properties import OnDelete
from tests.support.ca_builder import CaSpec
from tests.support.ca_registry import CaAccount, EmulatedIot
from tests.support.ca_resource import CaResource, sni_only
from tests.support.command_line import CommandResult, run_jitr

SPEC = CaSpec("Factory CA")
CA = SPEC.build()
OWNER = "stack 'fleet', resource 'CaFactory'"
TEMPLATE = {"registrationConfig": {"templateBody": "{}"}}


def of_pipeline(account: CaAccount, **changes: Any) -> CaResource:
    """The CA as a deployed stack manages it."""
    resource = CaResource.of(account.session)
    resource.create(sni_only(ca_certificate_pem=CA.pem, **changes))
    return resource


def test_list_shows_auto_registration_expiry_and_owner_of_each_ca(account: CaAccount) -> None:
    other = CaSpec("Workshop CA", ends_in_days=20.5).build()
    expired = CaSpec("Old CA", starts_in_days=-20, ends_in_days=-10).build()
    ours = of_pipeline(account).physical_id
    theirs, old = account.iot.add(other), account.iot.add(expired, **TEMPLATE)

    answer = run_jitr("ca", "list")

    assert answer.exit_code == ExitCode.OK
    on, off = "ACTIVE auto-registration ENABLE", "ACTIVE auto-registration DISABLE"
    assert answer.out == (
        f"{ours}  CN=Factory CA\n"
        f"    {on}, mode SNI_ONLY, until {CA.not_after:%Y-%m-%d} (3649 days), {OWNER}\n"
        f"{theirs}  CN=Workshop CA\n"
        f"    {off}, mode DEFAULT, until {other.not_after:%Y-%m-%d} (20 days), no stack of iot-jitr\n"
        f"{old}  CN=Old CA\n"
        f"    {off}, mode DEFAULT, expired {expired.not_after:%Y-%m-%d}, no stack of iot-jitr, "
        "has a provisioning template\n"
    )


def test_list_shows_an_adopted_ca_and_that_its_stack_is_gone(account: CaAccount) -> None:
    account.iot.add(CA, certificateMode="SNI_ONLY")
    resource = of_pipeline(account, on_delete=OnDelete.RETAIN)
    assert f"{OWNER}, adopted" in run_jitr("ca", "list").out

    resource.delete()
    assert f"{OWNER} (gone), adopted" in run_jitr("ca", "list").out


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"), "is the network up"),
        (ClientError({"Error": {"Code": "ExpiredTokenException"}}, "ListCACertificates"), "log in again"),
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "ListCACertificates"), "throttled through"),
    ],
)
def test_an_error_of_aws_is_one_line_with_a_remedy(account: CaAccount, error: Exception, remedy: str) -> None:
    def fail(**_: Any) -> None:
        raise error

    account.session.events.register_first("before-send.iot", fail)

    answer = run_jitr("ca", "list")

    assert answer.exit_code == ExitCode.UNDETERMINED
    assert answer.err.count("\n") == 1
    assert remedy in answer.err
    assert "taken effect" not in answer.err


@pytest.mark.usefixtures("account")
def test_list_of_an_empty_account_is_empty() -> None:
    assert run_jitr("ca", "list").out == "no CA certificate is registered in this account and region\n"
    assert run_jitr("ca", "list", "--json").json == []


def test_the_json_output_has_every_field(account: CaAccount) -> None:
    ca_id = of_pipeline(account).physical_id

    (listed,) = run_jitr("ca", "list", "--json").json

    assert listed == run_jitr("ca", "show", ca_id, "--json").json
    assert listed == {
        "certificate_id": ca_id,
        "arn": account.iot.cas[ca_id]["certificateArn"],
        "subject": "CN=Factory CA",
        "status": "ACTIVE",
        "auto_registration": "ENABLE",
        "mode": "SNI_ONLY",
        "not_before": CA.not_before.isoformat(),
        "not_after": CA.not_after.isoformat(),
        "has_provisioning_template": False,
        "managed_by": OWNER,
        "adopted": False,
        "certificate_pem": CA.pem,
        "registers_devices": True,
        "steps_off_template": [],
    }


@pytest.mark.parametrize("shorten", [lambda ca_id: ca_id, lambda ca_id: ca_id[:8], str.upper])
def test_show_accepts_a_shortened_id_and_prints_all_fields_of_the_ca(
    account: CaAccount, shorten: Callable[[str], str]
) -> None:
    ca_id = of_pipeline(account).physical_id

    answer = run_jitr("ca", "show", shorten(ca_id))

    assert answer.exit_code == ExitCode.OK
    assert f"id                     {ca_id}\n" in answer.out
    assert "auto-registration      ENABLE\n" in answer.out
    assert "provisioning template  no\n" in answer.out
    assert "Steps off it" not in answer.out
    assert CA.pem.strip() in answer.out


@pytest.mark.parametrize(
    ("status", "auto_registration", "registers"),
    [
        ("ACTIVE", "ENABLE", "yes"),
        ("ACTIVE", "DISABLE", "no"),
        ("INACTIVE", "ENABLE", "no"),
        ("INACTIVE", "DISABLE", "no"),
    ],
)
def test_show_says_whether_devices_are_registered(
    iot: EmulatedIot, status: str, auto_registration: str, registers: str
) -> None:
    ca_id = iot.add(CA, status=status, autoRegistrationStatus=auto_registration)

    assert f"registers devices      {registers}\n" in run_jitr("ca", "show", ca_id).out


def test_show_says_that_tags_are_unreadable(iot: EmulatedIot) -> None:
    ca_id = iot.add(CA, {"jitr:stack": "fleet"})

    assert "managed by             unreadable: the tags jitr:stack" in run_jitr("ca", "show", ca_id).out


def test_show_prints_the_steps_that_remove_a_provisioning_template(iot: EmulatedIot) -> None:
    ca_id = iot.add(CA, **TEMPLATE)

    answer = run_jitr("ca", "show", ca_id)
    steps = run_jitr("ca", "show", ca_id, "--json").json["steps_off_template"]

    assert "provisioning template  yes: AWS activates its devices" in answer.out
    commands = [step["command"] for step in steps]
    assert [command.split()[:3] for command in commands] == [
        ["aws", "iot", "describe-ca-certificate"],
        ["aws", "iot", "update-ca-certificate"],
        ["jitr", "ca", "show"],
        ["npx", "cdk", "deploy"],
    ]
    assert f"--certificate-id {ca_id} --remove-auto-registration" in commands[1]
    assert all(command in answer.out for command in commands)


@pytest.mark.parametrize(
    ("ca_id", "found"),
    [
        ("0" * 64, "'jitr ca list' names them"),
        ("f00", "'jitr ca list' names them"),
        (CA.fingerprint[::-1][:8], "2 CA certificates' ids begin with"),
        # An unset shell variable gives an empty text, with which every id begins.
        ("", "found an empty id"),
    ],
    ids=["unknown", "unknown beginning", "ambiguous", "empty"],
)
@pytest.mark.parametrize("command", ["show", "disable"])
def test_an_id_that_does_not_name_one_ca_is_wrong_use(
    iot: EmulatedIot, command: str, ca_id: str, found: str
) -> None:
    registered = iot.add(CA, autoRegistrationStatus="ENABLE")
    iot.cas[registered[:8] + "0" * 56] = iot.cas[registered]
    before = iot.snapshot()

    answer = run_jitr("ca", command, ca_id)

    assert answer.exit_code == ExitCode.WRONG_USE
    assert found in answer.err
    assert iot.snapshot() == before


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_enable_turns_the_ca_on(iot: EmulatedIot, status: str) -> None:
    ca_id = iot.add(CA, status=status)

    answer = run_jitr("ca", "enable", ca_id)

    assert answer == CommandResult(0, f"{ca_id}  ACTIVE auto-registration ENABLE\n", "")
    assert iot.state(ca_id) == ("ACTIVE", "ENABLE")


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_disable_does_not_change_the_status(iot: EmulatedIot, status: str) -> None:
    ca_id = iot.add(CA, status=status, autoRegistrationStatus="ENABLE")

    answer = run_jitr("ca", "disable", ca_id, "--json")

    assert answer.json == {"certificate_id": ca_id, "status": status, "auto_registration": "DISABLE"}
    assert iot.state(ca_id) == (status, "DISABLE")


def test_a_change_names_the_stack_that_manages_the_ca(account: CaAccount) -> None:
    answer = run_jitr("ca", "disable", of_pipeline(account).physical_id)

    assert answer.exit_code == ExitCode.OK
    assert answer.err.startswith(f"note: {OWNER} manages this CA")


def test_enable_refuses_a_ca_with_a_provisioning_template(iot: EmulatedIot) -> None:
    ca_id = iot.add(CA, **TEMPLATE)

    answer = run_jitr("ca", "enable", ca_id)

    assert answer.exit_code == ExitCode.WRONG_USE
    assert "past every check" in answer.err
    assert iot.state(ca_id) == ("ACTIVE", "DISABLE")
