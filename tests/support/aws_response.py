"""What AWS sends over the wire: answers for a handler of a client's `before-send` event."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse


class _Body(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def aws_response(status: int, body: dict[str, Any] | None = None, error: str = "") -> AWSResponse:
    """A JSON answer; an `error` is AWS's error code."""
    headers = {"content-type": "application/json"} | ({"x-amzn-errortype": error} if error else {})
    return AWSResponse("http://emulated", status, headers, _Body(json.dumps(body or {}).encode()))
