"""`jitr ca`: the two steps for an offline key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iot_jitr_cli.console import ExitCode
from iot_jitr_runtime.ca_registration.properties import CaProperties
from iot_jitr_runtime.ca_registration.signers import PresignedSigner
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CaResource
from tests.support.command_line import CommandResult, run_jitr

SPEC = CaSpec("Factory CA")
CA = SPEC.build()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A CA and its key in every form, and files that are neither."""
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
