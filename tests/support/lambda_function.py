"""A function as Lambda runs it: a new execution environment, the context of an invocation, the log."""

import importlib
import io
import json
import uuid
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.support.aws_clients import REGION

if TYPE_CHECKING:
    import pytest


def started(
    monkeypatch: "pytest.MonkeyPatch",
    function: str,
    variables: Mapping[str, str],
    log: io.StringIO,
    region: str = REGION,
) -> ModuleType:
    """Import the handler of `iot_jitr_runtime.<function>` anew; it writes its log to `log`."""
    others = {
        "POWERTOOLS_SERVICE_NAME": f"{function}-{uuid.uuid4()}",
        "POWERTOOLS_METRICS_NAMESPACE": "IotJitr",
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in {**others, **variables}.items():
        monkeypatch.setenv(name, value)
    module = importlib.reload(importlib.import_module(f"iot_jitr_runtime.{function}.handler"))
    module.logger.handlers[0].setStream(log)
    return module


def context(function: str, *, seconds: int = 900, region: str = REGION) -> SimpleNamespace:
    """The context of an invocation with so many seconds left."""
    return SimpleNamespace(
        function_name=function,
        memory_limit_in_mb=512,
        invoked_function_arn=f"arn:aws:lambda:{region}:123456789012:function:{function}",
        aws_request_id="request-1",
        get_remaining_time_in_millis=lambda: seconds * 1000,
    )


def lines(text: str) -> list[dict[str, Any]]:
    """The lines of a log or of metrics that are JSON objects."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
