"""The record of AWS API calls."""

import asyncio
import io
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.lab.requests import read_calls, recorded

pytestmark = pytest.mark.timing

SIGNED = (
    b"AWS4-HMAC-SHA256 Credential=ASIA1/20261123/us-east-1/iot/aws4_request, SignedHeaders=host, Signature=0"
)


def served(
    scope: MutableMapping[str, Any], tmp_path: Path, status: int = 200
) -> list[tuple[str, str, str, int]]:
    async def app(_scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b""})

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {}

    log = io.StringIO()
    asyncio.run(recorded(app, log)(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    file = tmp_path / "requests.jsonl"
    file.write_text(log.getvalue())
    return [(call.key, call.service, call.operation, str(call.status)) for call in read_calls(file)]


def http(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": headers}


def test_a_rest_call_is_recorded_by_method_and_path_with_its_callers_key(tmp_path: Path) -> None:
    calls = served(http("GET", "/certificates/abc", (b"Authorization", SIGNED)), tmp_path)

    assert calls == [("ASIA1", "iot", "GET /certificates/abc", "200")]


def test_a_call_that_names_its_operation_is_recorded_by_it_and_by_its_status(
    tmp_path: Path,
) -> None:
    headers = ((b"x-amz-target", b"DynamoDB_20120810.BatchGetItem"), (b"authorization", SIGNED))

    assert served(http("POST", "/", *headers), tmp_path, 400) == [("ASIA1", "iot", "BatchGetItem", "400")]


def test_an_unsigned_call_is_recorded_without_a_key(tmp_path: Path) -> None:
    assert served(http("GET", "/bucket/object"), tmp_path) == [("", "", "GET /bucket/object", "200")]


def test_ministacks_own_pages_and_other_protocols_are_not_recorded(tmp_path: Path) -> None:
    assert served(http("GET", "/_ministack/health"), tmp_path) == []
    assert served({"type": "lifespan"}, tmp_path) == []
