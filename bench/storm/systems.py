"""The three compared systems; each has one function that receives events."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from botocore.credentials import Credentials

from bench.storm.baseline import AsynchronousInvocation, Iot
from bench.storm.cloud import QueueDepth, StormCloud
from iot_jitr_cli.lab.ministack import REGION
from iot_jitr_runtime.stack_outputs import Output


@dataclass
class System(ABC):
    """Activates devices when it receives their registration events."""

    cloud: StormCloud
    name = ""

    async def start(self) -> None:
        """Make ready."""
        await asyncio.to_thread(self.cloud.empty_queues)
        await asyncio.to_thread(self.cloud.reset_rate_limiter)

    @abstractmethod
    async def send(self, certificate_ids: list[str]) -> None:
        """Send events as the topic rule does."""

    @abstractmethod
    async def depth(self) -> QueueDepth:
        """The number of events that are not finished."""

    async def dead_letters(self) -> int:
        """The number of events that were given up."""
        return (await asyncio.to_thread(self.cloud.depth, Output.DEAD_LETTER_QUEUE_URL)).total

    async def stop(self) -> None:
        """Remove everything that could affect the next run."""
        await asyncio.to_thread(self.cloud.empty_queues)


class Ours(System):
    """The pipeline as it is deployed."""

    name = "ours"

    async def start(self) -> None:
        """Run the real handler."""
        await super().start()
        await asyncio.to_thread(self.cloud.use_ours)

    async def send(self, certificate_ids: list[str]) -> None:
        """Put the events into the activation queue."""
        await asyncio.to_thread(self.cloud.send_events, certificate_ids)

    async def depth(self) -> QueueDepth:
        """The activation queue."""
        return await asyncio.to_thread(self.cloud.depth)


class NoStaleCheck(Ours):
    """The pipeline without its stale-event check."""

    name = "no-stale-check"

    async def start(self) -> None:
        """Run the handler without the check."""
        await System.start(self)
        await asyncio.to_thread(self.cloud.use_no_stale_check)


@dataclass
class Recipe(System):
    """The plain documented recipe: rule → Lambda."""

    name = "recipe"
    gone: list[str] = field(default_factory=list)
    _invocation: AsynchronousInvocation | None = None

    async def start(self) -> None:
        """Start the recipe behind the same quotas."""
        await super().start()
        endpoint = self.cloud.lab.ministack
        iot = Iot(
            self.cloud.proxy.url, Credentials(endpoint.access_key_id, endpoint.secret_access_key), REGION
        )
        self._invocation = AsynchronousInvocation(
            iot, self.cloud.outputs[Output.DEVICE_POLICY_NAME], self.gone.append
        )
        self._invocation.start()

    @property
    def invocation(self) -> AsynchronousInvocation:
        """The function's asynchronous invocation."""
        if self._invocation is None:
            raise RuntimeError("not started")
        return self._invocation

    async def send(self, certificate_ids: list[str]) -> None:
        """Invoke the function once for each event."""
        for certificate_id in certificate_ids:
            self.invocation.invoke(certificate_id)

    async def depth(self) -> QueueDepth:
        """Events that wait in the service, are being executed, or are retried later."""
        waiting = self.invocation.waiting.qsize()
        return QueueDepth(waiting, self.invocation.unfinished - waiting)

    async def dead_letters(self) -> int:
        """Events that are lost after three failures."""
        return len(self.gone)

    async def stop(self) -> None:
        """Stop all running executions."""
        await self.invocation.stop()
        await super().stop()


SYSTEMS = {system.name: system for system in (Ours, NoStaleCheck, Recipe)}
