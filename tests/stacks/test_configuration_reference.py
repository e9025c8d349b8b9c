"""docs/configuration.md describes the keys that the app reads, all of them and no others."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from iot_jitr import JitrConfiguration
from iot_jitr.configuration.reader import Section
from tests.support.ca_certificates import FACTORY

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
SIGNERS: list[dict[str, Any]] = [
    {"type": "secret", "secret": "key"},
    {"type": "kms", "key": "arn:aws:kms:eu-central-1:123456789012:key/1"},
    {"type": "acm-pca", "arn": "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/1"},
    {"type": "presigned", "verification_certificate": "ca/ca.pem"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text(FACTORY)
    return tmp_path


DEVICES: list[dict[str, Any]] = [
    {"admission": {"kind": "allow_list"}, "things": {}},
    {"admission": {"kind": "function", "function": "arn:aws:lambda:eu-central-1:123456789012:function:x"}},
]


CRLS: list[dict[str, Any]] = [
    {"crl_url": "https://crl.example/ca.crl", "max_age_hours": 48},
    {"crl_s3": {"bucket": "my-crls", "prefix": "factory/"}},
]


def context(signer: dict[str, Any], **more: Any) -> dict[str, Any]:
    ca = {"name": "Factory", "certificate": "ca/ca.pem", "signer": signer, "revocation": "none"}
    return {"cas": [ca], **more}


def test_every_key_that_is_read_is_described_and_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = set()
    get = Section.get

    def recording(section: Section, name: str) -> Any:
        read.add(re.sub(r"\[\d+\]", "[]", section.key(name)).removeprefix("jitr."))
        return get(section, name)

    monkeypatch.setattr(Section, "get", recording)
    for signer in SIGNERS:
        JitrConfiguration.parse(context(signer), folder)
    for devices in DEVICES:
        JitrConfiguration.parse(context(SIGNERS[0], **devices), folder)
    for crl in CRLS:
        configuration = context(SIGNERS[0])
        configuration["cas"][0]["revocation"] = crl
        JitrConfiguration.parse(configuration, folder)

    described = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(described) == sorted(read)


def test_the_example_is_understood(folder: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)

    configuration = JitrConfiguration.parse(json.loads(example), folder)

    assert [ca.name for ca in configuration.cas] == ["Factory"]


def test_the_defaults_are_the_described_ones(folder: Path) -> None:
    described = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", PAGE.read_text(), flags=re.MULTILINE))
    configuration = JitrConfiguration.parse(context(SIGNERS[0]), folder)

    simple = set(described) - {"cas", "policy", "admission", "alarms", "things", "on_refusal", "revocation"}
    assert {key: str(getattr(configuration, key)) for key in simple} == {
        key: described[key] for key in simple
    }
