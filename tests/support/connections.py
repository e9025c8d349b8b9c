"""Connected devices, behind a real client of AWS IoT's data plane: moto has no `DeleteConnection`."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from moto.core.models import botocore_stubber

from tests.support.aws_clients import aws_client
from tests.support.aws_response import aws_response

_PATH = "/connections/"


class Connections:
    """The connected client ids, and every call that was made to end one."""

    def __init__(
        self, check: Callable[[str], None] = lambda _client_id: None, client: "Any | None" = None
    ) -> None:
        """Call `check` for each call as it takes effect; `client` is one of the data plane."""
        self.connected: set[str] = set()
        self.refused: set[str] = set()
        """Client ids whose sessions AWS IoT refuses to close."""
        self.calls: list[str] = []
        self.requests: list[Any] = []
        self.check = check
        self.client = client or aws_client("iot-data")
        # Moto would raise NotImplementedError beside every answer of ours.
        self.client.meta.events.unregister("before-send", botocore_stubber)
        self.client.meta.events.register("before-send.iot-data-plane.DeleteConnection", self._answer)

    def _answer(self, request: Any, **_: Any) -> Any:
        self.requests.append(request)
        client_id = unquote(urlsplit(request.url).path.removeprefix(_PATH))
        self.calls.append(client_id)
        if client_id in self.refused:
            return aws_response(403, {"message": "it is refused"}, "ForbiddenException")
        self.check(client_id)
        if client_id in self.connected:
            self.connected.remove(client_id)
            return aws_response(200)
        return aws_response(404, {"message": "there is no such connection"}, "ResourceNotFoundException")
