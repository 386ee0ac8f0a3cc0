"""API and sandbox killed or away for a while: clients and providers try again, workers wait, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.message import AttemptPhase
from app.sandbox.magic import Scenario
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import mixed, of, ordinary, shortfalls
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import count, settled, until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

_TRIED: Final = "SELECT count(DISTINCT message_id) FROM attempts WHERE phase = 'not_sent'"


async def kill_api(fleet: Fleet, load: Load, *, times: int) -> None:
    """Kill the API while requests are answered, and again as soon as it has answered some more."""
    for _ in range(times):
        await load.has_acknowledged(len(load.acknowledged) + 10)
        fleet.kill("api")
        fleet.start("api")


async def test_an_api_killed_under_load_leaves_one_message_for_each_idempotency_key(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = mixed(1_000) if FULL else ordinary(100)
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=30 if FULL else 3))
            group.create_task(kill_api(fleet, load, times=10 if FULL else 2))
        run = await settled(engine, fleet, load, batch)
    assert violations(run) == []
    assert shortfalls(run, batch) == []
    assert {message.id for message in run.messages} == run.acknowledged
    assert {message.reference for message in run.messages} == {planned.reference for planned in batch}
    assert load.statuses()[0] > 0, "the kills have hit no request"
    assert load.statuses().keys() <= {0, 202, 503}
    assert fleet.complaints() == []


async def test_messages_wait_for_a_provider_that_refuses_connections_and_none_is_lost(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(60)
    patience = {"GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS": "[0.5, 1]", "GATEWAY_DISPATCH__MAX_TRIES": "20"}
    with Fleet(own_database_url, tmp_path, **patience) as fleet:
        fleet.start("api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await until(engine, fleet, _TRIED, len(batch))
        fleet.start("sandbox")
        run = await settled(engine, fleet, load, batch)
    assert violations(run) == []
    assert shortfalls(run, batch) == []
    phases = f"SELECT count(*) FROM attempts WHERE phase NOT IN ('{AttemptPhase.NOT_SENT}', '{AttemptPhase.ACCEPTED}')"
    assert await count(engine, phases) == 0
    assert all(message.attempts >= 2 and message.was(EventReason.RETRY) for message in run.messages)


async def test_webhooks_that_found_the_api_away_arrive_when_it_is_back(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = of(Scenario.DELIVERED, 40)
    with Fleet(own_database_url, tmp_path, GATEWAY_SANDBOX__PACE="8") as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await asyncio.to_thread(fleet.terminate, "api")
        await until(engine, fleet, "SELECT count(*) FROM messages WHERE status IN ('sent', 'delivered')", len(batch))
        while_away = await count(engine, "SELECT count(*) FROM messages WHERE status = 'delivered'")
        fleet.start("api")
        run = await settled(engine, fleet, load, batch)
    assert while_away < len(batch), "every webhook had come before the API went"
    assert violations(run) == []
    assert shortfalls(run, batch) == []
