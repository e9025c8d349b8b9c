"""The baseline is the documented recipe: rule → Lambda → describe, attach, activate; no queue, no ledger.

The recipe's handler is `recipe`. The rest simulates AWS with its documented behaviour: an asynchronous
invocation waits until one of 1,000 concurrent executions is free. A failed invocation is retried after one
minute and after two more minutes; then the event is lost
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). If the simulation is less
strict than AWS, the recipe has an advantage: no cold starts, no function time-out.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from botocore.credentials import Credentials

CONCURRENT_EXECUTIONS = 1000
RETRY_AFTER_SECONDS = (60.0, 120.0)
ATTEMPTS = 5
"""The default of a boto3 client: `legacy` retries, five attempts."""


class CallFailedError(Exception):
    """A call failed five times."""


@dataclass
class Iot:
    """An AWS IoT client for a thousand executions: the requests and retries of boto3, with asyncio."""

    endpoint: str
    credentials: "Credentials"
    region: str
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def call(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        """Make one call, with the default retries of boto3."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, answer = await self._once(method, path, body)
            except (OSError, asyncio.IncompleteReadError):
                status, answer = 500, b""
            if status == 200:
                return json.loads(answer) if answer else {}
            if status not in {400, 429, 500, 503} or attempt == ATTEMPTS:
                break
            await asyncio.sleep(random.random() * 2 ** (attempt - 1))
        raise CallFailedError(f"{method} {path}: {status}")

    async def _once(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        request = AWSRequest(method, self.endpoint + path, data=body, headers={"Host": self._host})
        SigV4Auth(self.credentials, "iot", self.region).add_auth(request)
        head = [f"{method} {path} HTTP/1.1", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in request.headers.items()]
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        try:
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            lengths = (
                line.partition(":")[2] for line in headers if line.lower().startswith("content-length")
            )
            answer = await reader.readexactly(int(next(lengths, "0")))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return int(headers[0].split()[1]), answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(self.endpoint)
        return await asyncio.open_connection(address.hostname, address.port)

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).netloc


async def recipe(iot: Iot, certificate_id: str, policy: str) -> None:
    """Activate a certificate, as in the documentation's example."""
    described = await iot.call("GET", f"/certificates/{certificate_id}")
    arn = described["certificateDescription"]["certificateArn"]
    await iot.call("PUT", f"/target-policies/{quote(policy)}", json.dumps({"target": arn}).encode())
    await iot.call("PUT", f"/certificates/{certificate_id}?newStatus=ACTIVE")


@dataclass
class AsynchronousInvocation:
    """Lambda's asynchronous invocation of `recipe`."""

    iot: Iot
    policy: str
    on_gone: Callable[[str], None]
    """Called with the certificate of every event that failed three times."""
    waiting: asyncio.Queue[tuple[str, int]] = field(default_factory=asyncio.Queue)
    unfinished: int = 0
    """Number of events that are neither processed nor lost."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> None:
        """Begin to execute the invocations."""
        for _ in range(CONCURRENT_EXECUTIONS):
            self._spawn(self._execute())

    def invoke(self, certificate_id: str) -> None:
        """Invoke the function with an event about this certificate."""
        self.unfinished += 1
        self.waiting.put_nowait((certificate_id, 0))

    async def stop(self) -> None:
        """Drop all unfinished invocations."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self) -> None:
        while True:
            certificate_id, retries = await self.waiting.get()
            try:
                await recipe(self.iot, certificate_id, self.policy)
            except CallFailedError:
                self._failed(certificate_id, retries)
            else:
                self.unfinished -= 1

    def _failed(self, certificate_id: str, retries: int) -> None:
        if retries == len(RETRY_AFTER_SECONDS):
            self.unfinished -= 1
            self.on_gone(certificate_id)
        else:
            self._spawn(self._retry(certificate_id, retries))

    async def _retry(self, certificate_id: str, retries: int) -> None:
        await asyncio.sleep(RETRY_AFTER_SECONDS[retries])
        self.waiting.put_nowait((certificate_id, retries + 1))
