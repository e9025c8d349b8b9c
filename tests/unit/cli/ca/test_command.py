"""`jitr ca`: what AWS's console list does not show, and the two steps for an offline key."""

import json
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
from iot_jitr_runtime.ca_registration.properties import CaProperties, Mode, OnDelete
from iot_jitr_runtime.ca_registration.signers import NoSigner, PresignedSigner
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount, EmulatedIot, ca_account
from tests.support.ca_resource import CaResource
from tests.support.command_line import CommandResult, run_jitr

SPEC = CaSpec("Factory CA")
CA = SPEC.build()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[CaAccount]:
    with ca_account() as account:
        monkeypatch.setattr("iot_jitr_cli.ca.command.aws_session", lambda: account.session)
        yield account


@pytest.fixture
def iot(account: CaAccount) -> EmulatedIot:
    return account.iot


def of_pipeline(account: CaAccount, **changes: Any) -> str:
    """A CA that a deployed stack manages."""
    properties = CaProperties(CA.pem, NoSigner(), Mode.SNI_ONLY, **changes)
    return CaResource.of(account.session).create(properties)


class TestList:
    def test_shows_the_auto_registration_status_and_the_owner(
        self, account: CaAccount, iot: EmulatedIot
    ) -> None:
        other = CaSpec("Workshop CA", ends_in_days=20.5).build()
        ours, theirs = of_pipeline(account), iot.add(other)

        answer = run_jitr("ca", "list")

        assert answer.exit_code == 0
        first, about_first, second, about_second = answer.out.splitlines()
        assert first == f"{ours}  CN=Factory CA"
        assert about_first.startswith("    ACTIVE auto-registration ENABLE, mode SNI_ONLY, until ")
        assert about_first.endswith(
            f"{CA.not_after:%Y-%m-%d} (3649 days), stack 'fleet', resource 'CaFactory'"
        )
        assert second == f"{theirs}  CN=Workshop CA"
        assert about_second.startswith("    ACTIVE auto-registration DISABLE, mode DEFAULT, until ")
        assert about_second.endswith(f"{other.not_after:%Y-%m-%d} (20 days), no stack of iot-jitr")

    def test_shows_an_expired_ca_and_a_provisioning_template(self, iot: EmulatedIot) -> None:
        expired = CaSpec(starts_in_days=-20, ends_in_days=-10).build()
        iot.add(expired, registrationConfig={"templateBody": "{}"})

        answer = run_jitr("ca", "list")

        assert f"expired {expired.not_after:%Y-%m-%d}" in answer.out
        assert "has a provisioning template" in answer.out

    def test_shows_an_adopted_ca_and_one_whose_stack_is_gone(
        self, account: CaAccount, iot: EmulatedIot
    ) -> None:
        iot.add(CA, certificateMode="SNI_ONLY")
        of_pipeline(account, on_delete=OnDelete.RETAIN)
        assert "resource 'CaFactory', adopted" in run_jitr("ca", "list").out

        properties = CaProperties(CA.pem, NoSigner(), Mode.SNI_ONLY, on_delete=OnDelete.RETAIN)
        resource = CaResource.of(account.session)
        resource.create(properties)
        resource.delete()
        assert "resource 'CaFactory' (gone), adopted" in run_jitr("ca", "list").out

    @pytest.mark.parametrize(
        ("error", "remedy"),
        [
            (EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"), "is the network up"),
            (ClientError({"Error": {"Code": "ExpiredTokenException"}}, "ListCACertificates"), "log in again"),
        ],
    )
    def test_that_cannot_be_told_says_what_to_do(
        self, account: CaAccount, error: Exception, remedy: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

        def fail(**_: Any) -> None:
            raise error

        account.session.events.register_first("before-send.iot", fail)

        answer = run_jitr("ca", "list")

        assert answer.exit_code == ExitCode.UNDETERMINED
        assert remedy in answer.err
        assert "taken effect" not in answer.err

    def test_of_an_empty_account_says_so(self, iot: EmulatedIot) -> None:
        assert iot.cas == {}
        assert run_jitr("ca", "list").out == "no CA certificate is registered in this account and region\n"
        assert run_jitr("ca", "list", "--json").json == []

    def test_as_json_names_every_field(self, account: CaAccount) -> None:
        ca_id = of_pipeline(account)

        (found,) = run_jitr("ca", "list", "--json").json

        assert found == {
            "certificate_id": ca_id,
            "arn": account.iot.cas[ca_id]["certificateArn"],
            "subject": "CN=Factory CA",
            "status": "ACTIVE",
            "auto_registration": "ENABLE",
            "mode": "SNI_ONLY",
            "not_before": CA.not_before.isoformat(),
            "not_after": CA.not_after.isoformat(),
            "has_provisioning_template": False,
            "managed_by": "stack 'fleet', resource 'CaFactory'",
            "adopted": False,
            "certificate_pem": CA.pem,
            "registers_devices": True,
            "steps_off_template": [],
        }


class TestShow:
    @pytest.mark.parametrize("shorten", [lambda ca_id: ca_id, lambda ca_id: ca_id[:8], str.upper])
    def test_names_everything(self, account: CaAccount, shorten: Callable[[str], str]) -> None:
        ca_id = of_pipeline(account)

        answer = run_jitr("ca", "show", shorten(ca_id))

        assert answer.exit_code == 0
        assert f"id                     {ca_id}\n" in answer.out
        assert "auto-registration      ENABLE\n" in answer.out
        assert "registers devices      yes" in answer.out
        assert "provisioning template  no" in answer.out
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
    def test_says_whether_devices_are_registered(
        self, iot: EmulatedIot, status: str, auto_registration: str, registers: str
    ) -> None:
        ca_id = iot.add(CA, status=status, autoRegistrationStatus=auto_registration)

        assert f"registers devices      {registers}\n" in run_jitr("ca", "show", ca_id).out

    def test_says_that_tags_are_damaged(self, iot: EmulatedIot) -> None:
        ca_id = iot.add(CA, registrationConfig={"templateBody": "{}"})
        iot.tags[iot.cas[ca_id]["certificateArn"]] = {"jitr:stack": "fleet"}

        answer = run_jitr("ca", "show", ca_id)

        assert "managed by             unreadable: the tags jitr:stack" in answer.out
        assert "provisioning template  yes: AWS activates its devices" in answer.out

    def test_explains_a_provisioning_template_with_the_steps_off_it(self, iot: EmulatedIot) -> None:
        ca_id = iot.add(CA, registrationConfig={"templateBody": "{}"})

        answer = run_jitr("ca", "show", ca_id)
        steps = run_jitr("ca", "show", ca_id, "--json").json["steps_off_template"]

        commands = [step["command"] for step in steps]
        assert [command.split()[:3] for command in commands] == [
            ["aws", "iot", "describe-ca-certificate"],
            ["aws", "iot", "update-ca-certificate"],
            ["jitr", "ca", "show"],
            ["npx", "cdk", "deploy"],
        ]
        assert f"--certificate-id {ca_id} --remove-auto-registration" in commands[1]
        assert all(command in answer.out for command in commands)

    def test_of_a_ca_without_a_template_has_no_steps_off_it(self, iot: EmulatedIot) -> None:
        ca_id = iot.add(CA)

        assert "Steps off it" not in run_jitr("ca", "show", ca_id).out
        assert run_jitr("ca", "show", ca_id, "--json").json["steps_off_template"] == []

    def test_as_json(self, account: CaAccount) -> None:
        assert run_jitr("ca", "show", of_pipeline(account), "--json").json["registers_devices"] is True

    @pytest.mark.parametrize("ca_id", ["0" * 64, "f00"])
    def test_of_an_unknown_id_is_wrong_use(self, iot: EmulatedIot, ca_id: str) -> None:
        assert iot.cas == {}

        answer = run_jitr("ca", "show", ca_id)

        assert answer.exit_code == 2
        assert "'jitr ca list' names them" in answer.err

    def test_an_empty_id_is_not_the_only_ca(self, iot: EmulatedIot) -> None:
        ca_id = iot.add(CA, autoRegistrationStatus="ENABLE")

        answer = run_jitr("ca", "disable", "")

        assert answer.exit_code == 2
        assert "found an empty id" in answer.err
        assert iot.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_of_an_ambiguous_id_is_wrong_use(self, iot: EmulatedIot) -> None:
        ca_id = iot.add(CA)
        iot.cas[ca_id[:8] + "0" * 56] = iot.cas[ca_id]

        answer = run_jitr("ca", "show", ca_id[:8])

        assert answer.exit_code == 2
        assert f"2 CA certificates' ids begin with '{ca_id[:8]}'; give more of it" in answer.err


class TestSwitch:
    @pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
    def test_enable_turns_the_ca_on(self, iot: EmulatedIot, status: str) -> None:
        ca_id = iot.add(CA, status=status)

        answer = run_jitr("ca", "enable", ca_id)

        assert answer == CommandResult(0, f"{ca_id}  ACTIVE auto-registration ENABLE\n", "")
        assert iot.state(ca_id) == ("ACTIVE", "ENABLE")

    @pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
    def test_disable_leaves_the_status(self, iot: EmulatedIot, status: str) -> None:
        ca_id = iot.add(CA, status=status, autoRegistrationStatus="ENABLE")

        answer = run_jitr("ca", "disable", ca_id, "--json")

        assert answer.json == {"certificate_id": ca_id, "status": status, "auto_registration": "DISABLE"}
        assert iot.state(ca_id) == (status, "DISABLE")

    def test_names_the_stack_that_manages_the_ca(self, account: CaAccount) -> None:
        answer = run_jitr("ca", "disable", of_pipeline(account))

        assert answer.exit_code == 0
        assert answer.err.startswith("note: stack 'fleet', resource 'CaFactory' manages this CA")

    def test_enable_refuses_a_ca_with_a_provisioning_template(self, iot: EmulatedIot) -> None:
        ca_id = iot.add(CA, registrationConfig={"templateBody": "{}"})

        answer = run_jitr("ca", "enable", ca_id)

        assert answer.exit_code == 2
        assert "past every check" in answer.err
        assert iot.state(ca_id) == ("ACTIVE", "DISABLE")

    def test_a_call_that_aws_refuses_exits_3(self, iot: EmulatedIot, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        iot.refusals = ["ThrottlingException"] * 1000

        answer = run_jitr("ca", "list")

        assert answer.exit_code == 3
        assert answer.err.count("\n") == 1
        assert "throttled through all retries" in answer.err


class TestOfflineKey:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        (tmp_path / "ca.pem").write_text(CA.pem)
        (tmp_path / "ca.der").write_bytes(CA.der)
        (tmp_path / "ca.key").write_text(pem_of(SPEC.key))
        (tmp_path / "encrypted.key").write_text(pem_of(SPEC.key, "s3cret"))
        der = SPEC.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "key.der").write_bytes(der)
        return tmp_path

    def sign(self, files: Path, *more: object, code: str = REGISTRATION_CODE, **names: str) -> CommandResult:
        certificate, key = names.get("certificate", "ca.pem"), names.get("key", "ca.key")
        options = ("--ca-cert", files / certificate, "--ca-key", files / key)
        return run_jitr("ca", "sign-verification", code, *options, *more)

    def test_the_two_steps_register_the_ca(self, account: CaAccount, files: Path) -> None:
        code = run_jitr("ca", "registration-code").out.strip()
        signed = self.sign(files, "--out", files / "verification.pem", code=code)
        verification = (files / "verification.pem").read_text()

        ca_id = CaResource.of(account.session).create(CaProperties(CA.pem, PresignedSigner(verification)))

        assert code == REGISTRATION_CODE
        assert signed.exit_code == 0
        assert account.iot.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_the_code_as_json(self, iot: EmulatedIot) -> None:
        assert iot.cas == {}
        assert run_jitr("ca", "registration-code", "--json").json == {"registration_code": REGISTRATION_CODE}

    @pytest.mark.parametrize("certificate", ["ca.pem", "ca.der"])
    @pytest.mark.parametrize("key", ["ca.key", "key.der"])
    def test_signs_on_standard_output_without_aws(
        self, monkeypatch: pytest.MonkeyPatch, files: Path, certificate: str, key: str
    ) -> None:
        def no_aws() -> None:
            raise AssertionError("signing must not ask AWS")

        monkeypatch.setattr("iot_jitr_cli.ca.command.aws_session", no_aws)

        answer = self.sign(files, certificate=certificate, key=key)

        made = Certificate.load(answer.out)
        made.check_issued_by(CA)
        assert made.common_names == [REGISTRATION_CODE]

    def test_is_valid_for_as_long_as_asked(self, files: Path) -> None:
        before = datetime.now(UTC).replace(microsecond=0)

        made = Certificate.load(self.sign(files, "--days", 7, "--json").json["verification_certificate"])

        assert before <= made.not_after - timedelta(days=7) <= datetime.now(UTC)

    def test_asks_for_the_passphrase_of_an_encrypted_key(
        self, monkeypatch: pytest.MonkeyPatch, files: Path
    ) -> None:
        asked: list[Any] = []

        def prompt(text: str, **options: Any) -> str:
            asked.append((text, options))
            return "s3cret"

        monkeypatch.setattr(click, "prompt", prompt)

        answer = self.sign(files, key="encrypted.key")

        assert Certificate.load(answer.out).common_names == [REGISTRATION_CODE]
        assert asked == [(f"passphrase of {files / 'encrypted.key'}", {"hide_input": True, "err": True})]

    def test_says_that_the_passphrase_is_wrong(self, monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
        monkeypatch.setattr(click, "prompt", lambda *_, **__: "wrong")

        answer = self.sign(files, key="encrypted.key")

        assert answer.exit_code == 2
        assert "or the passphrase is wrong" in answer.err
        assert "Traceback" not in answer.err

    @pytest.mark.parametrize("code", ["", "0a1b", "CN=" + "a" * 61, "x" * 65])
    def test_refuses_what_is_no_registration_code(self, files: Path, code: str) -> None:
        answer = self.sign(files, code=code)

        assert answer.exit_code == 2
        assert "is no registration code" in answer.err

    def test_refuses_the_key_of_another_ca(self, files: Path) -> None:
        (files / "ca.key").write_text(pem_of(CaSpec().key))

        answer = self.sign(files)

        assert answer.exit_code == 2
        assert "is not the key of the CA certificate 'CN=Factory CA'" in answer.err

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            ("hunter2", "not a private key"),
            (pem_of(ed25519.Ed25519PrivateKey.generate()), "Ed25519PrivateKey, expected EC or RSA"),
        ],
    )
    def test_refuses_what_is_no_usable_key(self, files: Path, content: str, found: str) -> None:
        (files / "ca.key").write_text(content)

        answer = self.sign(files)

        assert answer.exit_code == 2
        assert found in answer.err
        assert "hunter2" not in answer.err

    def test_refuses_a_certificate_that_is_no_ca(self, files: Path) -> None:
        (files / "ca.pem").write_text(CaSpec(key=SPEC.key, is_ca=False, may_sign=False).build().pem)

        answer = self.sign(files)

        assert answer.exit_code == 2
        assert "is it a device certificate?" in answer.err

    def test_refuses_what_is_no_certificate(self, files: Path) -> None:
        answer = self.sign(files, certificate="ca.key")

        assert answer.exit_code == 2
        assert "ca.key: " in answer.err

    def test_never_overwrites_a_file(self, files: Path) -> None:
        answer = self.sign(files, "--out", files / "ca.pem")

        assert answer.exit_code == 2
        assert "never overwritten" in answer.err
        assert (files / "ca.pem").read_text() == CA.pem

    def test_says_where_it_wrote(self, files: Path) -> None:
        target = files / "verification.pem"

        answer = self.sign(files, "--out", target)

        assert answer.out == f"verification certificate  {target}  (for 30 days)\n"

    def test_as_json_names_the_file(self, files: Path) -> None:
        target = files / "verification.pem"

        answer = self.sign(files, "--out", target, "--json")

        assert json.loads(answer.out) == {"verification_certificate": target.read_text(), "file": str(target)}
