"""A proxy in front of the local cloud's AWS IoT API that enforces the account's quotas.

`python -m bench.storm.proxy UPSTREAM` prints its own address and serves until its standard input is closed.
The functions use it through `AWS_ENDPOINT_URL_IOT`, a variable of the AWS SDK, so production code does not
depend on it. `GET /report` returns the results of the calls and the time of each activation, `POST /reset`
deletes this record.
"""

import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from bench.storm.operations import operation_of
from bench.storm.quotas import Quotas
from tests.support.fault_proxy import Answer, FaultProxy, Request

_CERTIFICATE = re.compile(r"/certificates/([0-9a-f]{64})")
_THROTTLED = Answer(
    400,
    b'{"message": "Rate exceeded"}',
    {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": "ThrottlingException",
        "x-amzn-RequestId": "storm",
    },
)


@dataclass
class Account:
    """The state of the proxy: the quotas, and the time of each activation (seconds since 1970)."""

    quotas: Quotas = field(default_factory=Quotas)
    activated: list[tuple[str, float]] = field(default_factory=list)

    def report(self, since: int) -> dict[str, object]:
        """The results of the calls; the activations from number `since` on."""
        return {
            "served": dict(self.quotas.served),
            "throttled": dict(self.quotas.throttled),
            "activated": self.activated[since:],
        }


class QuotaProxy(FaultProxy):
    """Throttles the calls above a quota, forwards the others, and answers questions about them."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._account = Account()
        self._lock = threading.Lock()

    def strike(self, request: Request) -> Answer | None:
        """Answer a question to the proxy itself or a call above its quota; None: the call is forwarded."""
        method, _, target = request.operation.partition(" ")
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        with self._lock:
            if path == "/report":
                return _of_json(self._account.report(int(query.get("since", ["0"])[0])))
            if path == "/reset":
                self._account = Account()
                return _of_json({})
            return None if self._account.quotas.allow(operation_of(method, target)) else _THROTTLED

    def forwarded(self, request: Request, answer: Answer) -> None:
        """Note the time of an activation."""
        method, _, target = request.operation.partition(" ")
        named = _CERTIFICATE.fullmatch(urlsplit(target).path)
        to_active = parse_qs(urlsplit(target).query).get("newStatus") == ["ACTIVE"]
        if named and to_active and method == "PUT" and answer.status == HTTPStatus.OK:
            with self._lock:
                self._account.activated.append((named[1], time.time()))


def _of_json(document: object) -> Answer:
    return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


def main() -> int:
    """Serve until standard input is closed."""
    with QuotaProxy(sys.argv[1]).running() as proxy:
        print(proxy.url, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
