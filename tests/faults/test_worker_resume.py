"""Workers that die or stand still while the provider has their messages: soon taken over, and never sent for twice."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import BOTH_GUARANTEES, ordinary
from tests.support.fake_provider.conduct import Conduct, always
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import SILENT, Habits
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

RESUMED_WITHIN_SECONDS: Final = 2.0
WORKERS: Final = ("worker-1", "worker-2")
RESCUED: Final = "SELECT count(*) FROM status_events WHERE reason = 'worker-lost'"
LATENCY: Final = (0.05, 0.4)
"""Of the provider's answers, so that there is always something in flight."""

LATE: Final = Habits(statuses=("delivered",), delay_seconds=(4, 5))
"""Reports that come after a rescue, or they would prove at once what the dead had in flight."""


async def kill_at_random(fleet: Fleet, chance: random.Random, *, times: int) -> None:
    """Kill one of two workers each half second to second, and start it again at once."""
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.5, 1))
        victim = chance.choice(WORKERS)
        fleet.kill(victim)
        fleet.start(victim)


async def test_workers_killed_each_second_lose_nothing_and_double_nothing(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(500 if FULL else 100, guarantees=BOTH_GUARANTEES)
    kills = 10 if FULL else 2
    with (
        FakeProvider(habits=LATE, latency_seconds=LATENCY) as provider,
        Fleet(own_database_url, tmp_path, GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS="7", **provider.settings) as fleet,
    ):
        fleet.start("api", *WORKERS)
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=0.7 * kills))
            group.create_task(kill_at_random(fleet, random.Random(20_263), times=kills))  # noqa: S311 - a seeded one
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert len(run.acknowledged) == len(batch)
    assert {message.id for message in run.messages} == run.acknowledged
    assert any(message.was(EventReason.WORKER_LOST) for message in run.messages), "no kill has hit a send in flight"
    assert {m.status for m in run.messages} <= {MessageStatus.DELIVERED, MessageStatus.UNCONFIRMED}
    taken = run.taken()
    assert all(not taken[m.id] for m in run.messages if m.status is MessageStatus.UNCONFIRMED)
    assert complaints == []


async def test_what_a_killed_worker_had_in_flight_is_taken_over_within_two_seconds(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    rounds, each = (3, 5) if FULL else (2, 5)
    batch = ordinary(rounds * each)
    took: list[float] = []
    settings = {
        "GATEWAY_DISPATCH__LEASE_SECONDS": "12",
        "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "10",
        "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "12",
    }
    with (
        FakeProvider(always(Conduct.HANG), habits=SILENT) as provider,
        Fleet(own_database_url, tmp_path, **settings, **provider.settings) as fleet,
    ):
        fleet.start("api", "worker-0")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        for number in range(rounds):
            victim, heir = f"worker-{number}", f"worker-{number + 1}"
            await load.send(batch[number * each : (number + 1) * each])
            await until(engine, fleet, "SELECT count(*) FROM attempts", (number + 1) * each)
            fleet.start(heir)
            fleet.wait_until_live()
            fleet.kill(victim)
            killed = time.monotonic()
            await until(engine, fleet, RESCUED, (number + 1) * each, within_seconds=5)
            took.append(time.monotonic() - killed)
        run = await settled_with(engine, fleet, load, provider)
    assert max(took) <= RESUMED_WITHIN_SECONDS, took
    assert violations(run) == []
    assert {(m.status, m.attempts) for m in run.messages} == {(MessageStatus.UNCONFIRMED, 1)}


async def stand_still(
    fleet: Fleet, chance: random.Random, workers: Sequence[str], *, times: int, seconds: float
) -> None:
    """Stop all workers but one for longer than their leases, and have them go on as if nothing had been."""
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        zombies = [fleet.process(name) for name in chance.sample(workers, len(workers) - 1)]
        for zombie in zombies:
            zombie.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        for zombie in zombies:
            zombie.send(signal.SIGCONT)


async def test_a_worker_that_stood_still_for_longer_than_its_lease_changes_nothing_when_it_goes_on(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    """In full 20 stops: five workers of six at a time, in four rounds."""
    times, seconds = (4 if FULL else 1), 4.0
    workers = tuple(f"worker-{number}" for number in range(1, 7 if FULL else 3))
    batch = ordinary(100 * times, guarantees=tuple(DeliveryGuarantee))
    settings = {
        "GATEWAY_DISPATCH__LEASE_SECONDS": "3",
        "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "2",
        "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "7",
    }
    with (
        FakeProvider(habits=LATE, latency_seconds=LATENCY) as provider,
        Fleet(own_database_url, tmp_path, **settings, **provider.settings) as fleet,
    ):
        fleet.start("api", *workers)
        fleet.wait_until_ready()
        fleet.wait_until_live()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        chance = random.Random(20_264)  # noqa: S311 - a seeded one
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=times * seconds))
            group.create_task(stand_still(fleet, chance, workers, times=times, seconds=seconds))
        run = await settled_with(engine, fleet, load, provider, within_seconds=120)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert len(run.acknowledged) == len(batch)
    assert {m.status for m in run.messages} <= {MessageStatus.DELIVERED, MessageStatus.UNCONFIRMED}
    assert any(m.was(EventReason.WORKER_LOST) for m in run.messages), "nobody stood still with a send in flight"
    assert complaints == []
