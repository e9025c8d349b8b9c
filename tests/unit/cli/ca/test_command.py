"""`jitr ca`: what AWS's console list does not show, and the two steps for an offline key."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iot_jitr_cli.console import ExitCode
from iot_jitr_runtime.ca_registration.properties import CaProperties, OnDelete
from iot_jitr_runtime.ca_registration.signers import PresignedSigner
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount, EmulatedIot, ca_account
from tests.support.ca_resource import CaResource, sni_only
from tests.support.command_line import CommandResult, run_jitr

SPEC = CaSpec("Factory CA")
CA = SPEC.build()
OWNER = "stack 'fleet', resource 'CaFactory'"
TEMPLATE = {"registrationConfig": {"templateBody": "{}"}}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[CaAccount]:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with ca_account() as account:
        monkeypatch.setattr("iot_jitr_cli.ca.command.aws_session", lambda: account.session)
        yield account


@pytest.fixture
def iot(account: CaAccount) -> EmulatedIot:
    return account.iot


def of_pipeline(account: CaAccount, **changes: Any) -> CaResource:
    """The CA as a deployed stack manages it."""
    resource = CaResource.of(account.session)
    resource.create(sni_only(ca_certificate_pem=CA.pem, **changes))
    return resource


def test_list_shows_auto_registration_end_and_owner_of_each_ca(account: CaAccount) -> None:
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


def test_json_names_every_field(account: CaAccount) -> None:
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
def test_show_names_everything_of_a_ca_whose_id_may_be_shortened(
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
    ca_id = iot.add(CA)
    iot.tags[iot.cas[ca_id]["certificateArn"]] = {"jitr:stack": "fleet"}

    assert "managed by             unreadable: the tags jitr:stack" in run_jitr("ca", "show", ca_id).out


def test_show_explains_a_provisioning_template_with_the_steps_off_it(iot: EmulatedIot) -> None:
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
        # A shell variable that is not set begins every id.
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
def test_disable_leaves_the_status(iot: EmulatedIot, status: str) -> None:
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


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A CA and its key in every form, and what is neither."""
    (tmp_path / "ca.pem").write_text(CA.pem)
    (tmp_path / "ca.der").write_bytes(CA.der)
    (tmp_path / "device.pem").write_text(CaSpec(key=SPEC.key, is_ca=False, may_sign=False).build().pem)
    (tmp_path / "ca.key").write_text(pem_of(SPEC.key))
    (tmp_path / "encrypted.key").write_text(pem_of(SPEC.key, "s3cret"))
    (tmp_path / "key.der").write_bytes(
        SPEC.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "other.key").write_text(pem_of(CaSpec().key))
    (tmp_path / "ed25519.key").write_text(pem_of(ed25519.Ed25519PrivateKey.generate()))
    (tmp_path / "no.key").write_text("hunter2")
    return tmp_path


def sign(
    files: Path,
    *more: object,
    certificate: str = "ca.pem",
    key: str = "ca.key",
    code: str = REGISTRATION_CODE,
) -> CommandResult:
    options = ("--ca-cert", files / certificate, "--ca-key", files / key)
    return run_jitr("ca", "sign-verification", code, *options, *more)


def test_the_two_steps_register_the_ca(account: CaAccount, files: Path) -> None:
    code = run_jitr("ca", "registration-code").out.strip()
    target = files / "verification.pem"
    signed = sign(files, "--out", target, code=code)

    properties = CaProperties(CA.pem, PresignedSigner(target.read_text()))
    ca_id = CaResource.of(account.session).create(properties)

    assert code == REGISTRATION_CODE
    assert signed == CommandResult(0, f"verification certificate  {target}  (for 30 days)\n", "")
    assert account.iot.state(ca_id) == ("ACTIVE", "ENABLE")


@pytest.mark.usefixtures("account")
def test_the_registration_code_as_json() -> None:
    assert run_jitr("ca", "registration-code", "--json").json == {"registration_code": REGISTRATION_CODE}


@pytest.mark.parametrize("certificate", ["ca.pem", "ca.der"])
@pytest.mark.parametrize("key", ["ca.key", "key.der"])
def test_signing_prints_the_certificate_and_calls_no_aws(
    monkeypatch: pytest.MonkeyPatch, files: Path, certificate: str, key: str
) -> None:
    monkeypatch.delattr("iot_jitr_cli.ca.command.aws_session")

    made = Certificate.load(sign(files, certificate=certificate, key=key).out)

    made.check_issued_by(CA)
    assert made.common_names == [REGISTRATION_CODE]


def test_signing_as_json_names_the_file_and_uses_the_given_validity(files: Path) -> None:
    target, before = files / "verification.pem", datetime.now(UTC).replace(microsecond=0)

    printed = sign(files, "--days", 7, "--out", target, "--json").json

    assert printed == {"verification_certificate": target.read_text(), "file": str(target)}
    made = Certificate.load(target.read_text())
    assert before <= made.not_after - timedelta(days=7) <= datetime.now(UTC)


def test_signing_prompts_for_the_passphrase_of_an_encrypted_key(
    monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    prompts: list[Any] = []

    def prompt(text: str, **options: Any) -> str:
        prompts.append((text, options))
        return "s3cret"

    monkeypatch.setattr(click, "prompt", prompt)

    answer = sign(files, key="encrypted.key")

    assert Certificate.load(answer.out).common_names == [REGISTRATION_CODE]
    assert prompts == [(f"passphrase of {files / 'encrypted.key'}", {"hide_input": True, "err": True})]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        *(({"code": code}, "is no registration code") for code in ["", "0a1b", "CN=" + "a" * 61, "x" * 65]),
        ({"key": "encrypted.key"}, "or the passphrase is wrong"),
        ({"key": "other.key"}, "is not the key of the CA certificate 'CN=Factory CA'"),
        ({"key": "no.key"}, "not a private key"),
        ({"key": "ed25519.key"}, "Ed25519PrivateKey, expected EC or RSA"),
        ({"certificate": "device.pem"}, "is it a device certificate?"),
        ({"certificate": "ca.key"}, "ca.key: "),
    ],
    ids=str,
)
def test_signing_refuses(
    monkeypatch: pytest.MonkeyPatch, files: Path, arguments: dict[str, str], found: str
) -> None:
    monkeypatch.setattr(click, "prompt", lambda *_, **__: "wrong")

    answer = sign(files, **arguments)

    assert answer.exit_code == ExitCode.WRONG_USE
    assert found in answer.err
    assert "hunter2" not in answer.err
    assert "Traceback" not in answer.err


def test_signing_never_overwrites_a_file(files: Path) -> None:
    answer = sign(files, "--out", files / "ca.pem")

    assert answer.exit_code == ExitCode.WRONG_USE
    assert "never overwritten" in answer.err
    assert (files / "ca.pem").read_text() == CA.pem
