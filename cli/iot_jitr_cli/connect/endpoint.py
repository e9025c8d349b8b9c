"""The MQTT endpoint that a device connects to: given by the caller, or the account's own."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from iot_jitr_cli.console import FILE, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mypy_boto3_iot import IoTClient

MQTT_TLS_PORT = 8883
HTTPS_PORT = 443
"""AWS IoT Core also serves MQTT on this port, if the client selects MQTT by ALPN."""


@dataclass(frozen=True)
class Endpoint:
    """An MQTT endpoint with TLS."""

    host: str
    port: int = MQTT_TLS_PORT
    ca_file: "Path | None" = None
    """CA certificates for the verification of the server, PEM or DER; `None`: the system's."""
    server_name: str | None = None
    """The name that is sent (SNI) and verified instead of the host, if DNS cannot resolve that name, as in
    the local cloud; `None`: the host."""

    @classmethod
    def parse(cls, text: str, ca_file: "Path | None" = None) -> "Endpoint":
        """Read `HOST` or `HOST:PORT`; an IPv6 address is in brackets.

        >>> Endpoint.parse("a1b2-ats.iot.eu-west-1.amazonaws.com").port
        8883

        Raises:
            WrongUseError: `text` has another format.
        """
        wrong = WrongUseError(f"endpoint '{text}': expected HOST or HOST:PORT, without a scheme or path")
        try:
            parts = urlsplit(f"//{text}")
            port = parts.port
            # For a name that DNS cannot encode, the resolver raises an error that is not an OSError.
            (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise wrong from error
        if not parts.hostname or parts.path or parts.query or "@" in text or "#" in text or port == 0:
            raise wrong
        return cls(parts.hostname, MQTT_TLS_PORT if port is None else port, ca_file)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        name = f" as {self.server_name}" if self.server_name else ""
        return f"{host}:{self.port}{name}"


def find_endpoint(
    given: str | None,
    ca_file: "Path | None",
    environ: "Mapping[str, str]",
    account_host: "Callable[[], str]",
) -> Endpoint:
    """Return the given endpoint, else the environment's, else the account's.

    Args:
        given: The endpoint that the caller gave.
        ca_file: CA certificates for the verification of the server.
        environ: The environment variables. `jitr lab env` exports `JITR_MQTT_HOST`, `JITR_MQTT_PORT` and, for
            a domain with a connect guard, `JITR_MQTT_SERVER_NAME`.
        account_host: Calls `read_account_host`, if it is needed.

    Raises:
        WrongUseError: The given endpoint or the environment's is invalid.
    """
    if given:
        return Endpoint.parse(given, ca_file)
    if host := environ.get("JITR_MQTT_HOST"):
        local = Endpoint.parse(f"{host}:{environ.get('JITR_MQTT_PORT') or MQTT_TLS_PORT}", ca_file)
        return replace(local, server_name=environ.get("JITR_MQTT_SERVER_NAME") or None)
    return Endpoint.parse(account_host(), ca_file)


def read_account_host(iot: "IoTClient", guarded_domain: str | None) -> str:
    """The host of the account's endpoint.

    Args:
        iot: The AWS IoT client.
        guarded_domain: Name of the domain configuration with a connect guard; without it, the account's own
            endpoint is read.
    """
    if guarded_domain is not None:
        return domain_name(iot, guarded_domain)
    return iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]


def domain_name(iot: "IoTClient", domain_configuration: str) -> str:
    """The domain name of a domain configuration (DescribeDomainConfiguration)."""
    found = iot.describe_domain_configuration(domainConfigurationName=domain_configuration)
    # The local cloud adds the port of its HTTP endpoint.
    return found["domainName"].partition(":")[0]


endpoint_option = click.option(
    "--endpoint",
    metavar="HOST[:PORT]",
    help="Default: JITR_MQTT_HOST and JITR_MQTT_PORT, else the domain of the stack's connect guard, else "
    "the AWS account's own; port 8883.",
)
"""Adds `--endpoint` to a command, as its argument `endpoint`."""

ca_file_option = click.option(
    "--ca-file",
    type=FILE,
    envvar="JITR_MQTT_CAFILE",
    show_envvar=True,
    help="CA certificates to verify the server with. Default: the system's.",
)
"""Adds `--ca-file` to a command, as its argument `ca_file`."""
