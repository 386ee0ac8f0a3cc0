"""API processes and workers restarted in turn under load, behind a proxy: nobody notices."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.balancer import Balancer
from tests.support.batches import Planned, ordinary, shortfalls
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import settled
from tests.support.processes import Fleet, free_port

pytestmark = pytest.mark.fault

API_RESTARTS: Final = 8 if FULL else 2
WORKER_RESTARTS: Final = 12 if FULL else 2
LONGEST_EXIT_SECONDS: Final = 30
PORTION: Final = 60
PORTION_SECONDS: Final = 1.5
PACE: Final = {"GATEWAY_API__NOTICE_SECONDS": "0.4", "GATEWAY_DISPATCH__POLL_SECONDS": "0.2"}


@dataclass(kw_only=True)
class Restarts:
    """Restarts that are made one after the other, each with its exit code and how long the exit took."""

    codes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def of_api(self, fleets: list[Fleet]) -> None:
        """Restart the API processes in turn, each when the one before is ready again."""
        for number in range(API_RESTARTS):
            fleet = fleets[number % len(fleets)]
            await self._stop(fleet, "api")
            fleet.start("api")
            await asyncio.to_thread(fleet.wait_until_ready)

    async def of_workers(self, fleet: Fleet, directory: Path, *, times: int = WORKER_RESTARTS) -> None:
        """Restart the workers in turn, each once it has begun and the one before works again."""
        for number in range(times):
            name = f"worker-{1 + number % 2}"
            # Before it has begun, a SIGTERM ends it at once: there is nothing yet that could be drained.
            await begun(directory, name, times=1 + number // 2)
            await self._stop(fleet, name)
            fleet.start(name)
            await begun(directory, name, times=2 + number // 2)

    async def _stop(self, fleet: Fleet, name: str) -> None:
        asked_at = time.monotonic()
        code = await asyncio.to_thread(fleet.terminate, name, within_seconds=LONGEST_EXIT_SECONDS)
        self.codes.append(code)
        self.seconds.append(time.monotonic() - asked_at)


async def begun(directory: Path, name: str, *, times: int) -> None:
    """Wait until a worker has begun to work for that many times; raises `TimeoutError`."""
    log = directory / f"{name}.log"
    async with asyncio.timeout(LONGEST_EXIT_SECONDS):
        while log.read_text().count("worker started") < times:  # noqa: ASYNC110 - another process writes the log
            await asyncio.sleep(0.05)


async def keep_sending(load: Load, done: asyncio.Event) -> list[Planned]:
    """Send one portion after the other until the restarts are made; give all that was sent."""
    plan = ordinary(100 * PORTION)
    sent = 0
    while not done.is_set():
        await load.send(plan[sent : sent + PORTION], over_seconds=PORTION_SECONDS)
        sent += PORTION
    return plan[:sent]


async def test_rolling_restarts_under_load_refuse_nothing_lose_nothing_and_send_nothing_twice(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    port = free_port()
    entrance = f"http://127.0.0.1:{port}"
    directories = [tmp_path / name for name in ("one", "two")]
    for directory in directories:
        directory.mkdir()
    api, workers, done = Restarts(), Restarts(), asyncio.Event()
    with (
        Fleet(own_database_url, directories[0], GATEWAY_PUBLIC_URL=entrance, **PACE) as fleet,
        Fleet(own_database_url, directories[1], GATEWAY_PUBLIC_URL=entrance, **PACE) as other,
    ):
        fleet.start("sandbox", "api", "worker-1", "worker-2")
        other.start("api")
        for part in (fleet, other):
            await asyncio.to_thread(part.wait_until_ready)
        balancer = Balancer([fleet.api_url, other.api_url])
        load = Load(api_url=entrance, credentials=shop.test)
        async with balancer.serving(port):
            sending = asyncio.create_task(keep_sending(load, done))
            async with asyncio.TaskGroup() as group:
                group.create_task(api.of_api([fleet, other]))
                group.create_task(workers.of_workers(fleet, directories[0]))
            done.set()
            batch = await sending
            run = await settled(engine, fleet, load, batch)
        complaints = fleet.complaints() + other.complaints()
    assert api.codes + workers.codes == [0] * (API_RESTARTS + WORKER_RESTARTS)
    assert max(api.seconds + workers.seconds) <= LONGEST_EXIT_SECONDS
    assert balancer.lost == 0
    assert load.statuses() == {202: len(batch)}
    assert len(run.acknowledged) == len(batch)
    assert violations(run) == []
    assert shortfalls(run, batch) == []
    assert [message.id for message in run.messages if message.was(EventReason.WORKER_LOST)] == []
    assert complaints == []


async def test_a_slow_provider_s_answers_are_awaited_in_a_restart_and_nobody_takes_over_what_is_still_being_sent(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch, restarts = ordinary(40), Restarts()
    with (
        FakeProvider(latency_seconds=(1.5, 2.5)) as provider,
        Fleet(own_database_url, tmp_path, **PACE, **provider.settings) as fleet,
    ):
        fleet.start("api", "worker-1", "worker-2")
        await asyncio.to_thread(fleet.wait_until_ready)
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=2))
            group.create_task(restarts.of_workers(fleet, tmp_path, times=2))
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert restarts.codes == [0, 0]
    assert violations(run) == []
    assert [message.id for message in run.messages if message.was(EventReason.WORKER_LOST)] == []
    assert {message.attempts for message in run.messages} == {1}
    assert complaints == []
