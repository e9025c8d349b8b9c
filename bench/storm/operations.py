"""Finds the operation of the AWS IoT API for a request, from botocore's description of the service."""

import re
from dataclasses import dataclass

import botocore.session

UNKNOWN = "Unknown"


@dataclass(frozen=True)
class _Route:
    operation: str
    method: str
    path: re.Pattern[str]


def _routes() -> list[_Route]:
    service = botocore.session.Session().get_service_model("iot")
    routes = []
    for name in service.operation_names:
        http = service.operation_model(name).http
        path = http["requestUri"].partition("?")[0]
        pattern = "".join(
            "[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", path)
        )
        routes.append(_Route(name, http["method"], re.compile(pattern)))
    # The path with the fewest variables is the first: `/things/x/jobs` is not `/things/{name}/{other}`.
    return sorted(routes, key=lambda route: -len(route.path.pattern.replace("[^/]+", "")))


_ROUTES = _routes()


def operation_of(method: str, target: str) -> str:
    """Return the operation of a request; `UNKNOWN` if the service has no such operation.

    >>> operation_of("PUT", "/certificates/ab12?newStatus=ACTIVE")
    'UpdateCertificate'
    >>> operation_of("GET", "/certificates-by-ca/ab12?pageSize=250")
    'ListCertificatesByCA'
    """
    path = target.partition("?")[0]
    for route in _ROUTES:
        if route.method == method and route.path.fullmatch(path):
            return route.operation
    return UNKNOWN
