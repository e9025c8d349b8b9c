"""Responses of AWS that moto does not give, injected into a real boto3 client before sending."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def answered(client: Any, operation: str, code: str) -> Iterator[None]:
    """Let every call of `operation` be answered with the error `code`."""
    event = f"before-send.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    response = {"Error": {"Code": code, "Message": "answered by a test"}, "ResponseMetadata": {}}

    def answer(**_: Any) -> None:
        # It is raised, so that the emulation does not receive the call.
        raise client.exceptions.from_code(code)(response, operation)

    client.meta.events.register_first(event, answer)
    try:
        yield
    finally:
        client.meta.events.unregister(event, answer)
