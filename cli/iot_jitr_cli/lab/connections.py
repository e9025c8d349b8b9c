"""`DeleteConnection` and `GetConnection` of the AWS IoT data plane, which MiniStack does not have.

Both act on the live MQTT sessions of MiniStack's broker, with IAM enforced on `client/<id>`:
https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html
https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_GetConnection.html

MiniStack's own code is not changed: `install` replaces the handler of its data plane. The new handler answers
these two calls, and passes all others to MiniStack's. `docs/testing.md` lists the differences from AWS.
"""

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ministack.core import iam_actions  # type: ignore[import-untyped]
from ministack.core.responses import (  # type: ignore[import-untyped]
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import iot  # type: ignore[import-untyped]

_ACTIONS = {"DELETE": "iot:DeleteConnection", "GET": "iot:GetConnection"}
_PATH = "/connections/"
_KEPT = 30 * 60 * 1000
"""Time for which a disconnect is stored, in milliseconds."""
_CLIENT_ID_LENGTH = 128
_REASON = "API_INITIATED_DISCONNECT"
"""A value of `DisconnectReasonValue` in the service model of AWS IoT."""

Key = tuple[str, str, str]
"""Account, region and client id: MiniStack's key of a session."""


def install() -> None:
    """Add the two calls to the MiniStack of this process."""
    from ministack import app  # type: ignore[import-untyped]  # noqa: PLC0415  starts logging when imported

    own_handler, own_action = app.SERVICE_HANDLERS["iot-data"], iam_actions.extract_iam_action

    def action(service: str, method: str, path: str, *rest: Any) -> str | None:
        # MiniStack would authorise both against `*`. Without an action it only authenticates the caller;
        # the handler below authorises the call.
        if service == "iot-data" and _is_connection(method, path):
            return None
        found: str | None = own_action(service, method, path, *rest)
        return found

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        if not _is_connection(method, path):
            return await own_handler(method, path, headers, body, query)
        client_id = path.removeprefix(_PATH)
        account, region = get_account_id(), get_region()
        denied = app._enforce_data_plane(  # noqa: SLF001
            "iot-data",
            _ACTIONS[method],
            headers,
            query,
            str(uuid4()),
            resource_arn=f"arn:aws:iot:{region}:{account}:client/{client_id}",
        )
        return denied or await _answer(method, (account, region, client_id), query)

    iam_actions.extract_iam_action = action
    app.SERVICE_HANDLERS["iot-data"] = handle


def _is_connection(method: str, path: str) -> bool:
    return method in _ACTIONS and path.startswith(_PATH)


async def _answer(method: str, key: Key, query: Mapping[str, Any]) -> Any:
    """Answer an authorised call: status, headers and body, as MiniStack's handlers return them."""
    client_id = key[2]
    if not 1 <= len(client_id) <= _CLIENT_ID_LENGTH or client_id.startswith("$"):
        return error_response_json("InvalidRequestException", "the client id is invalid", 400)
    if method == "GET" and (found := _describe(key)):
        return json_response(found)
    if method == "DELETE" and await _delete(key, query):
        return 200, {"Content-Type": "application/json"}, b""
    return error_response_json("ResourceNotFoundException", "there is no such connection", 404)


def _describe(key: Key) -> dict[str, Any] | None:
    """Return the response of `GetConnection`; None: no recent connection and no persistent session."""
    session = iot._connected_clients.get(key)  # noqa: SLF001
    last = iot._connectivity.get(key, {})  # noqa: SLF001
    if session is not None:
        answer = {
            "clientId": key[2],
            "connected": True,
            "connectedSince": last["timestamp"],
            "cleanSession": not session._persist_session,  # noqa: SLF001
            "sessionExpiry": session._session_expiry_interval,  # noqa: SLF001
            "thingName": session._policy_context.get("iot:connection.thing.thingname"),  # noqa: SLF001
        }
        return {name: value for name, value in answer.items() if value is not None}
    if last and time.time() * 1000 - last["timestamp"] <= _KEPT:
        return {
            "clientId": key[2],
            "connected": False,
            "disconnectedSince": last["timestamp"],
            "disconnectReason": last["disconnectReason"],
        }
    return {"clientId": key[2], "connected": False} if _has_persistent_session(key) else None


async def _delete(key: Key, query: Mapping[str, Any]) -> bool:
    """Close the connection; return whether there was a connection or a persistent session."""
    session = iot._connected_clients.get(key)  # noqa: SLF001
    if session is None and not _has_persistent_session(key):
        return False
    if session is not None:
        session._forced_disconnect_reason = _REASON  # noqa: SLF001
        if _is_true(query, "preventWillMessage"):
            session._will_topic = None  # noqa: SLF001
        # This closes the socket of a TLS connection, or of a WebSocket.
        await session._send({"type": "websocket.close", "code": 1000})  # noqa: SLF001
        await session.cleanup()
    if _is_true(query, "cleanSession"):
        iot._persistent_sessions.pop(key, None)  # noqa: SLF001
    return True


def _has_persistent_session(key: Key) -> bool:
    session = iot._persistent_sessions.get(key)  # noqa: SLF001
    return session is not None and not iot._is_session_expired(session)  # noqa: SLF001


def _is_true(query: Mapping[str, Any], name: str) -> bool:
    value = query.get(name, "")
    return str(value[0] if isinstance(value, list) else value).lower() == "true"
