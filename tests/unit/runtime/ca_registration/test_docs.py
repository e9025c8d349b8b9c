"""The examples of docs/ca.md work."""

import json
import re
from pathlib import Path

import boto3
import pytest

from iot_jitr.configuration import JitrConfiguration
from iot_jitr_runtime.ca_registration.properties import CaProperties, OnDelete
from iot_jitr_runtime.ca_registration.signers import KmsSigner
from iot_jitr_runtime.ownership import KEYS
from tests.support.ca_certificates import FACTORY
from tests.support.ca_registry import CaAccount
from tests.support.ca_resource import CaResource

PAGE = (Path(__file__).parents[4] / "docs" / "ca.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_script_makes_a_ca_whose_key_is_in_kms(
    account: CaAccount,
    resource: CaResource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(boto3, "client", account.session.client)
    (script,) = blocks("python")

    exec(script, {})
    arn = capsys.readouterr().out.strip()

    ca_id = resource.create(CaProperties((tmp_path / "ca.pem").read_text(), KmsSigner(arn)))
    assert account.iot.state(ca_id) == ("ACTIVE", "ENABLE")


def test_every_example_is_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    for name in ("ca", "verification"):
        (tmp_path / "ca" / f"{name}.pem").write_text(FACTORY)
    examples = [json.loads(block.replace("…", "0")) for block in blocks("json")]

    parsed = [JitrConfiguration.parse({"cas": [example]}, tmp_path).cas[0] for example in examples]

    assert [type(ca.signer).__name__ for ca in parsed] == [
        "SecretSigner",
        "KmsSigner",
        "PrivateCaSigner",
        "PresignedSigner",
        "NoSigner",
    ]


@pytest.mark.parametrize("name", [*OnDelete, *sorted(KEYS)])
def test_every_delete_policy_and_tag_is_described(name: str) -> None:
    assert f"`{name}`" in PAGE
