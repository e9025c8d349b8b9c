"""The connect guard's entry point: settings, one S3 client, and one call of the logic.

For a fast start, it uses botocore instead of boto3 and no Powertools, and it loads the CA certificates and
indexes while the execution environment starts. A connect is logged only if its finding is not in `ADMITTED`.
"""

import json
import os
import sys
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from iot_jitr_runtime import environment
from iot_jitr_runtime.connect_guard import OnUnknown
from iot_jitr_runtime.connect_guard.guard import ADMITTED, ConnectDecision, ConnectFinding, ConnectGuard
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_CLIENT_CONFIG = Config(
    connect_timeout=0.5,
    read_timeout=1,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent_extra="iot-jitr",
)
"""Two attempts of 1.5 s at most and a second between them, within the function's time-out. The second one is
for a connection that S3 closed while the environment was frozen."""


def handle(event: dict[str, Any], _context: "LambdaContext") -> dict[str, bool]:
    """Decide about one connect (AWS IoT's event for a client certificate callback).

    A defect is raised: it counts as a failed invocation, and AWS IoT admits a device only where the result
    is `true`.
    """
    decision = _guard().decide(event)
    if decision.finding not in ADMITTED:
        sys.stdout.write(f"{_log_line(event, decision)}\n")
    return {"isAuthenticated": decision.admitted}


@cache
def _guard() -> ConnectGuard:
    """Build the guard, once for each execution environment.

    Raises:
        KeyError: A variable is missing: stack and function are not of the same version.
    """
    settings = json.loads(os.environ[environment.CONNECT_GUARD])
    s3: Any = botocore.session.get_session().create_client("s3", config=_CLIENT_CONFIG)
    store = IndexStore(s3, os.environ[environment.REVOCATION_BUCKET])
    refresh = timedelta(seconds=settings["refresh_seconds"])
    return ConnectGuard(
        IndexedRevocation(store, refresh=refresh),
        [CaCertificateId(ca) for ca in settings["cas"]],
        OnUnknown(settings["on_unknown"]),
    )


def _log_line(event: dict[str, Any], decision: ConnectDecision) -> str:
    """One line of JSON with the members that the other functions' lines have."""
    unknown = decision.finding in {ConnectFinding.UNKNOWN, ConnectFinding.UNREADABLE}
    return json.dumps(
        {
            "level": "WARNING" if unknown else "INFO",
            "message": "connect_admitted" if decision.admitted else "connect_refused",
            "service": os.environ.get("POWERTOOLS_SERVICE_NAME"),
            "finding": decision.finding,
            "detail": decision.detail,
            "principal_id": event.get("principalId"),
            "server_name": event.get("serverName"),
            "connection": event.get("connectionMetadata"),
        },
        default=str,
    )


if environment.CONNECT_GUARD in os.environ:
    # At the start, not at the first connect: Lambda allows more time for a start, and SnapStart keeps its
    # result.
    _guard().prepare()
