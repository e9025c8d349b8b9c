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
TARGET = (b"x-amz-target", b"DynamoDB_20120810.BatchGetItem")


def http(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": headers}


@pytest.mark.parametrize(
    ("scope", "calls"),
    [
        (
            http("GET", "/certificates/abc", (b"Authorization", SIGNED)),
            [("ASIA1", "iot", "GET /certificates/abc", 400)],
        ),
        (http("POST", "/", TARGET, (b"authorization", SIGNED)), [("ASIA1", "iot", "BatchGetItem", 400)]),
        (http("GET", "/bucket/object"), [("", "", "GET /bucket/object", 400)]),
        (http("GET", "/_ministack/health"), []),
        ({"type": "lifespan"}, []),
    ],
    ids=["REST", "a named operation", "unsigned", "MiniStack's own page", "another protocol"],
)
def test_an_api_call_is_recorded_with_its_callers_key_and_status_and_passed_on(
    scope: dict[str, Any], calls: list[tuple[str, str, str, int]], tmp_path: Path
) -> None:
    async def app(_scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 400})
        await send({"type": "http.response.body", "body": b""})

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    log, file = io.StringIO(), tmp_path / "requests.jsonl"
    asyncio.run(recorded(app, log)(scope, None, send))
    file.write_text(log.getvalue())

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert [(call.key, call.service, call.operation, call.status) for call in read_calls(file)] == calls
