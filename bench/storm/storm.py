"""One run of the storm: N devices are switched on at once, until all are active and the queue is empty."""

import asyncio
import heapq
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.storm.cloud import QueueDepth, StormCloud
from bench.storm.devices import Behaviour
from bench.storm.quotas import CONNECTS_PER_SECOND, TokenBucket
from bench.storm.real_devices import RealDevice, client_context
from bench.storm.results import ACTIVATIONS_PER_SECOND, Result
from bench.storm.systems import System
from iot_jitr_cli.lab.lab import MQTT_HOST
from iot_jitr_cli.pki.device import DeviceIdentity

POWER_UP_SECONDS = 1.0
"""Period in seconds within which all devices start."""
TIME_LIMIT = 2.0
"""Limit of a run: this factor times the ideal time, plus one minute."""
EMPTY_LIMIT = 60.0
"""Seconds for which the queue is observed after the last activation."""
_TICK = 0.05
_LOOK = 0.5


@dataclass
class Watch:
    """The observation of a running storm."""

    cloud: StormCloud
    system: System
    started: float
    active_at: dict[str, float] = field(default_factory=dict)
    peak_total: int = 0
    peak_backlog: int = 0
    depth: QueueDepth = field(default_factory=lambda: QueueDepth(0, 0))
    _seen: int = 0

    async def look(self) -> None:
        """Read the activations since the last call, and the queue."""
        report = await asyncio.to_thread(self.cloud.proxy.report, self._seen)
        self._seen += len(report["activated"])
        for certificate_id, moment in report["activated"]:
            self.active_at.setdefault(certificate_id, moment)
        self.depth = await self.system.depth()
        self.peak_total = max(self.peak_total, self.depth.total)
        self.peak_backlog = max(self.peak_backlog, self.depth.visible)


class Crowd:
    """The devices: their connects, and the start time of each."""

    def __init__(self) -> None:
        self.events = 0
        self.refused = 0
        self.first_attempt: dict[str, float] = {}

    async def run(self, watch: Watch) -> None:
        """Connect the devices until each is active."""
        raise NotImplementedError


class InjectedCrowd(Crowd):
    """Simulated devices: their events are put into the queue at the times at which they would connect."""

    def __init__(self, certificate_ids: list[str], behaviour: Behaviour) -> None:
        super().__init__()
        self._ids = certificate_ids
        self._behaviour = behaviour

    async def run(self, watch: Watch) -> None:
        """Simulate the connects of every device until its certificate is active."""
        now = time.time()
        due = [(now + random.uniform(0, POWER_UP_SECONDS), 1, name) for name in self._ids]
        self.first_attempt = {name: at for at, _, name in due}
        heapq.heapify(due)
        connects = TokenBucket(CONNECTS_PER_SECOND)
        sending: set[asyncio.Task[None]] = set()
        while due:
            events = list(self._attempts(due, connects, watch))
            if events:
                task = asyncio.create_task(watch.system.send(events))
                sending.add(task)
                task.add_done_callback(sending.discard)
            await asyncio.sleep(_TICK)
        await asyncio.gather(*sending)

    def _attempts(
        self, due: list[tuple[float, int, str]], connects: TokenBucket, watch: Watch
    ) -> Iterable[str]:
        now = time.time()
        while due and due[0][0] <= now:
            _, attempt, name = heapq.heappop(due)
            if name in watch.active_at:
                continue
            if connects.take():
                self.events += 1
                yield name
            else:
                self.refused += 1
            # The next delay begins at this attempt, even if this attempt is late: a device does not catch up.
            heapq.heappush(due, (now + self._behaviour.wait_after(attempt), attempt + 1, name))


class RealCrowd(Crowd):
    """Real TLS and MQTT clients."""

    def __init__(
        self, cloud: StormCloud, identities: list[DeviceIdentity], behaviour: Behaviour, folder: Path
    ) -> None:
        super().__init__()
        self._behaviour = behaviour
        self._devices = []
        for identity in identities:
            files = identity.save(folder)
            self._devices.append(
                RealDevice(
                    identity.certificate.common_names[0],
                    client_context(cloud.lab.files.broker_ca, files.chain, files.key),
                    MQTT_HOST,
                    cloud.lab.ministack.mqtt_port,
                )
            )
        self._ids = [identity.certificate.fingerprint for identity in identities]

    async def run(self, watch: Watch) -> None:
        """Start every device."""
        del watch
        try:
            await asyncio.gather(
                *(
                    device.run(self._behaviour, random.uniform(0, POWER_UP_SECONDS))
                    for device in self._devices
                )
            )
        finally:
            # Each refused connect was one event.
            self.events = sum(device.attempts - (device.connected_at is not None) for device in self._devices)
            self.first_attempt = {
                name: device.first_attempt for name, device in zip(self._ids, self._devices, strict=True)
            }


async def storm(cloud: StormCloud, system: System, behaviour: Behaviour, count: int, *, real: bool) -> Result:
    """Start `count` devices at once and observe them."""
    identities = await asyncio.to_thread(cloud.new_devices, count)
    certificate_ids = [str(identity.certificate.fingerprint) for identity in identities]
    with tempfile.TemporaryDirectory() as folder:
        crowd: Crowd
        if real:
            crowd = RealCrowd(cloud, identities, behaviour, Path(folder))
        else:
            await asyncio.to_thread(cloud.plant_all, identities)
            crowd = InjectedCrowd(certificate_ids, behaviour)
        await system.start()
        await asyncio.to_thread(cloud.proxy.reset)
        others = _OtherPrograms()
        watch = Watch(cloud, system, time.time())
        try:
            return await _watch(cloud, crowd, watch, certificate_ids, (behaviour, others, real))
        finally:
            await system.stop()


async def _watch(
    cloud: StormCloud,
    crowd: Crowd,
    watch: Watch,
    certificate_ids: list[str],
    about: tuple[Behaviour, "_OtherPrograms", bool],
) -> Result:
    behaviour, others, real = about
    count = len(certificate_ids)
    limit = TIME_LIMIT * count / ACTIVATIONS_PER_SECOND + 60
    devices = asyncio.create_task(crowd.run(watch))
    while len(watch.active_at) < count and time.time() - watch.started < limit:
        await asyncio.sleep(_LOOK)
        await watch.look()
    all_active = len(watch.active_at) >= count
    left = watch.depth.total
    devices_limit = asyncio.wait_for(devices, 60 if all_active else 0.01)
    with suppress(TimeoutError):
        await devices_limit
    emptied = await _wait_until_empty(watch) if all_active else None
    report = await asyncio.to_thread(cloud.proxy.report)
    first = min(crowd.first_attempt.values())
    last = max(watch.active_at.values(), default=0.0)
    waits = sorted(at - crowd.first_attempt[name] for name, at in watch.active_at.items())
    return Result(
        system=watch.system.name,
        behaviour=behaviour.name,
        devices=count,
        real_devices=real,
        active=await asyncio.to_thread(cloud.active, certificate_ids),
        seconds_to_last=round(last - first, 2) if all_active else None,
        seconds_observed=round(time.time() - watch.started, 1),
        p50_seconds=_quantile(waits, 0.5),
        p99_seconds=_quantile(waits, 0.99),
        connects_refused=crowd.refused,
        events=crowd.events,
        iot_calls=dict(Counter(report["served"]) + Counter(report["throttled"])),
        throttled_calls=sum(report["throttled"].values()),
        peak_waiting=watch.peak_total,
        peak_backlog=watch.peak_backlog,
        left_at_last=left,
        seconds_to_empty=None if emptied is None else round(max(0.0, emptied - last), 1),
        dead_letters=await watch.system.dead_letters(),
        other_cpu_percent=others.percent(),
    )


async def _wait_until_empty(watch: Watch) -> float | None:
    limit = time.time() + EMPTY_LIMIT
    while time.time() < limit:
        await watch.look()
        if watch.depth.total == 0:
            return time.time()
        await asyncio.sleep(_LOOK)
    return None


def _quantile(values: list[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(share * len(values)))], 2) if values else None


class _OtherPrograms:
    """The processor time of other programs than this benchmark."""

    def __init__(self) -> None:
        self._ours, self._all, self._begun = _cpu_of_ours(), _cpu_of_all(), time.monotonic()

    def percent(self) -> float:
        """Share of all processors since the beginning."""
        wall = (time.monotonic() - self._begun) * (psutil.cpu_count() or 1)
        spent = (_cpu_of_all() - self._all) - (_cpu_of_ours() - self._ours)
        return round(max(0.0, 100 * spent / wall), 1)


def _cpu_of_all() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def _cpu_of_ours() -> float:
    mine = psutil.Process()
    total = 0.0
    for process in [mine, *mine.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system
    return total
