"""The client certificate callback of a domain configuration; MiniStack stores it, but never invokes it.

AWS IoT invokes the function after mutual TLS authentication at each connect to the domain, and continues only
if it returns `true`: https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html

MiniStack's own code is not changed: the launcher's event loop calls `admits` between the handshake and
MiniStack's session, so before any just-in-time registration. `docs/testing.md` lists the behaviour that AWS
does not document, and the behaviour here.
"""

import json
import logging
from collections.abc import Sequence
from hashlib import sha256
from ssl import DER_cert_to_PEM_cert
from typing import Any
from uuid import uuid4

from ministack.core.responses import (  # type: ignore[import-untyped]
    _request_account_id,
    _request_region,
)
from ministack.services import iot, lambda_svc  # type: ignore[import-untyped]

_PROTOCOLS = {"SECURE_MQTT", "HTTPS"}
"""The protocols for which a domain configuration with authentication type AWS_X509 has a callback."""
_logger = logging.getLogger(__name__)


def account_endpoint(server_name: str | None) -> str | None:
    """Return the name by which MiniStack finds the account of a server name, for the registration.

    MiniStack finds no account by the name of an AWS-managed domain configuration.
    """
    found = _configuration(server_name)
    if found is None:
        return server_name
    account, region, _ = found
    return f"{iot._endpoint_prefix(account)}-ats.iot.{region}.{iot._MINISTACK_HOST}"  # noqa: SLF001


async def admits(server_name: str | None, chain: Sequence[bytes]) -> bool:
    """Return whether a connect is allowed.

    Args:
        server_name: The server name that the client sent (SNI).
        chain: The verified chain that the client presented, DER, its own certificate first.
    """
    found = _configuration(server_name)
    if found is None or not chain:
        return True
    account, region, configuration = found
    callback = configuration.get("clientCertificateConfig", {}).get("clientCertificateCallbackArn")
    if (
        callback is None
        or configuration["authenticationType"] != "AWS_X509"
        or configuration["applicationProtocol"] not in _PROTOCOLS
    ):
        return True
    event = {
        "connectionMetadata": {"id": str(uuid4())},
        "principalId": sha256(chain[0]).hexdigest(),
        "serverName": server_name,
        "clientCertificateChain": [DER_cert_to_PEM_cert(each) for each in chain],
    }
    answer = await _invoke(account, region, callback, configuration["domainConfigurationArn"], event)
    admitted = isinstance(answer, dict) and answer.get("isAuthenticated") is True
    if not admitted:
        _logger.warning("the client certificate callback %s refused a connect: %s", callback, answer)
    return admitted


def _configuration(server_name: str | None) -> tuple[str, str, dict[str, Any]] | None:
    """Return account, region and record of the domain configuration with this name."""
    if not server_name:
        return None
    wanted = server_name.lower().rstrip(".")
    for (account, region, _), record in list(iot._domain_configurations._data.items()):  # noqa: SLF001
        # MiniStack adds the port of its HTTP endpoint to the domain names.
        if record["domainType"] != "ENDPOINT" and record["domainName"].partition(":")[0] == wanted:
            return account, region, record
    return None


async def _invoke(account: str, region: str, function: str, source: str, event: dict[str, Any]) -> Any:
    """Invoke a function if its policy allows AWS IoT to invoke it; return its result or the error."""
    _request_account_id.set(account)
    _request_region.set(region)
    record = iot._provisioning_hook_function(function, source)  # noqa: SLF001
    if record is None:
        return "AWS IoT may not invoke it"
    result = await iot.run_reentrant(
        lambda_svc._execute_function_with_config_scope,  # noqa: SLF001
        record,
        event,
        thread_name="lab-client-certificate-callback",
    )
    if not isinstance(result, dict) or result.get("throttle") or result.get("error"):
        return result
    body = result.get("body")
    return json.loads(body) if isinstance(body, bytes | str) and body else body
