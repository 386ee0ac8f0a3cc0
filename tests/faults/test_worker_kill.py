"""Workers killed at any moment: nothing acknowledged is lost, and nothing is sent twice that may be sent once only."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.sandbox.magic import Scenario
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import BOTH_GUARANTEES, mixed, of, shortfalls, shortfalls_after_kills
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import count, duplicates, settled, until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

MESSAGES: Final = 1_000
KILLS: Final = 10
LOAD_SECONDS: Final = 40.0

LEASED: Final = "SELECT count(*) FROM dispatch_queue WHERE leased_until IS NOT NULL"
IN_FLIGHT: Final = "SELECT count(*) FROM dispatch_queue WHERE leased_until > now() + interval '3 seconds'"
"""Sends before their deadline: it ends three seconds before the lease."""


async def kill_workers(fleet: Fleet, engine: Engine, load: Load) -> None:
    """Kill one of two workers, or both, at random moments with sends in flight; each comes back at once."""
    chance = random.Random(20_260)  # noqa: S311 - a seeded generator, so that a run can be repeated
    moments = sorted(chance.sample(range(MESSAGES // 10, MESSAGES * 9 // 10), KILLS))
    for number, acknowledged in enumerate(moments):
        await load.has_acknowledged(acknowledged)
        await until(engine, fleet, IN_FLIGHT, 1)
        victims = ["worker-1", "worker-2"] if number % 3 == 2 else [chance.choice(["worker-1", "worker-2"])]
        for victim in victims:
            fleet.kill(victim)
        fleet.start(*victims)


async def test_workers_killed_under_load_lose_nothing_and_send_nothing_twice(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = mixed(MESSAGES, guarantees=BOTH_GUARANTEES, unanswered_every=10)
    with Fleet(own_database_url, tmp_path, GATEWAY_DISPATCH__CONCURRENCY="16") as fleet:
        fleet.start("sandbox", "api", "worker-1", "worker-2")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=LOAD_SECONDS))
            group.create_task(kill_workers(fleet, engine, load))
        run = await settled(engine, fleet, load, batch)
        counted = {entry["message"]: entry["taken"] for entry in await duplicates(fleet)}
    assert violations(run) == []
    assert shortfalls_after_kills(run, batch) == []
    assert len(run.messages) == len(run.acknowledged) == MESSAGES
    rescued = [message for message in run.messages if message.was(EventReason.WORKER_LOST)]
    assert rescued, "no kill has hit a send in flight"
    resent = {message.id for message in run.messages if message.possible_duplicate}
    assert counted.keys() <= resent
    assert set(counted.values()) <= {2}
    assert fleet.complaints() == []


async def test_a_send_that_the_provider_never_took_ends_by_its_guarantee_when_its_worker_is_killed(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = of(Scenario.DELIVERED, 12, guarantees=tuple(DeliveryGuarantee))
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        fleet.process("sandbox").send(signal.SIGSTOP)  # takes connections, and reads nothing from them
        await load.send(batch)
        await until(engine, fleet, LEASED, len(batch))
        fleet.kill("worker")
        fleet.kill("sandbox")
        fleet.start("sandbox", "worker")
        run = await settled(engine, fleet, load, batch)
        assert await duplicates(fleet) == []
    assert violations(run) == []
    assert {message.id for message in run.messages if message.was(EventReason.WORKER_LOST)} == run.acknowledged
    ends = Counter((m.guarantee, m.status, m.attempts, m.possible_duplicate) for m in run.messages)
    assert ends == {
        (DeliveryGuarantee.AT_MOST_ONCE, MessageStatus.UNCONFIRMED, 1, False): 6,
        (DeliveryGuarantee.AT_LEAST_ONCE, MessageStatus.DELIVERED, 2, True): 6,
    }
    assert sorted(run.inbox) == sorted(m.id for m in run.messages if m.status is MessageStatus.DELIVERED)


async def test_a_send_that_the_provider_took_is_found_by_its_webhook_when_its_worker_is_killed(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = of(Scenario.TIMEOUT_THEN_PROOF, 8)
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await until(engine, fleet, "SELECT count(*) FROM webhook_receipts", 8)
        assert fleet.process("worker").exit_code is None
        fleet.kill("worker")
        fleet.start("worker")
        run = await settled(engine, fleet, load, batch)
    assert violations(run) == []
    assert shortfalls(run, batch) == []
    assert {message.attempts for message in run.messages} == {1}


async def test_a_worker_that_is_asked_to_stop_under_load_settles_what_it_sends_and_exits_cleanly(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = mixed(600 if FULL else 150)
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker-1")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=4))
            await until(engine, fleet, "SELECT count(*) FROM messages WHERE status <> 'queued'", 40)
            await until(engine, fleet, IN_FLIGHT, 1)
            assert await asyncio.to_thread(fleet.terminate, "worker-1", within_seconds=30) == 0
            left = await count(engine, LEASED)
            fleet.start("worker-2")
        run = await settled(engine, fleet, load, batch)
    assert left == 0
    assert violations(run) == []
    assert shortfalls(run, batch) == []
    assert [message.id for message in run.messages if message.was(EventReason.WORKER_LOST)] == []
