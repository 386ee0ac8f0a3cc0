"""Connections to Postgres that end, go deaf, run out or get in each other's way, while Postgres itself is well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import Planned, ordinary, shortfalls, shortfalls_after_kills
from tests.support.chaos_proxy import ChaosProxy
from tests.support.gateway import Tenant
from tests.support.invariants import Run, violations
from tests.support.load import Load
from tests.support.observation import count, settled, until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

_END_ONE: Final = """
SELECT count(pg_terminate_backend(pid)) FROM (
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'gateway-%' AND application_name <> 'gateway-tests'
    ORDER BY random() LIMIT 1
) AS victim
"""
_WAITING: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'gateway-api%' AND wait_event_type = 'Lock'
"""
NOTICED_WITHIN_SECONDS: Final = 6.0
LISTENING_WITHIN_SECONDS: Final = 15.0


@pytest.fixture
def proxy(own_database_url: str) -> Iterator[ChaosProxy]:
    """What stands between the gateway's processes and the database; the tests themselves go past it."""
    with ChaosProxy.to_database(own_database_url) as running:
        yield running


async def is_clean(run: Run, batch: list[Planned], load: Load, fleet: Fleet) -> None:
    """Nothing is lost, doubled or left, and every answer was a 202 or a proper 503."""
    assert violations(run) == []
    assert {message.id for message in run.messages} == run.acknowledged
    assert len(run.acknowledged) == len(batch)
    assert load.improper() == []
    assert fleet.complaints() == []


async def end_backends(engine: Engine, load: Load, batch: list[Planned], *, each_seconds: float) -> int:
    """End a random connection of the gateway's again and again, until all is acknowledged; give how many ended."""
    ended = 0
    while len(load.acknowledged) < len(batch):
        ended += await count(engine, _END_ONE)
        await asyncio.sleep(each_seconds)
    return ended


async def test_connections_that_are_ended_at_random_lose_nothing_and_double_nothing(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(400 if FULL else 100)
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=7 if FULL else 2))
            ending = group.create_task(end_backends(engine, load, batch, each_seconds=0.2))
        run = await settled(engine, fleet, load, batch)
        await is_clean(run, batch, load, fleet)
    assert ending.result() >= (30 if FULL else 5)
    assert shortfalls_after_kills(run, batch) == []


async def accepted_after(load: Load, planned: Planned) -> float:
    """Send one message until it is accepted; give how long that took."""
    began = time.monotonic()
    await load.send([planned], connections=1)
    return time.monotonic() - began


async def test_a_half_open_connection_is_noticed_and_listening_goes_on(
    own_database_url: str, proxy: ChaosProxy, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(60)
    left = iter(batch)
    # Without polling, only a notification has a message sent.
    settings = {"GATEWAY_DISPATCH__POLL_SECONDS": "60", "GATEWAY_DATABASE_URL": proxy.database_url(own_database_url)}
    with Fleet(own_database_url, tmp_path, **settings) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send([next(left), next(left)])
        await until(engine, fleet, "SELECT count(*) FROM messages WHERE status = 'delivered'", 2)
        proxy.freeze()
        frozen = time.monotonic()
        noticed = await accepted_after(load, next(left))
        attempted = await count(engine, "SELECT count(*) FROM attempts")
        while await count(engine, "SELECT count(*) FROM attempts") == attempted:
            await accepted_after(load, next(left))
            await asyncio.sleep(0.3)
            assert time.monotonic() - frozen < 2 * LISTENING_WITHIN_SECONDS, "nobody listens"
        woken = time.monotonic() - frozen
        asked = [planned for planned in batch if planned.reference in load.acknowledged]
        run = await settled(engine, fleet, load, asked)
        await is_clean(run, asked, load, fleet)
    assert noticed <= NOTICED_WITHIN_SECONDS
    assert woken <= LISTENING_WITHIN_SECONDS
    assert shortfalls(run, asked) == []


_REFUSE_AT_RANDOM: Final = """
CREATE FUNCTION refuse_at_random() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF random() < 0.15 THEN
        RAISE EXCEPTION 'crafted' USING ERRCODE = (ARRAY['40001', '40P01'])[1 + (random() * 1.99)::int % 2];
    END IF;
    RETURN NULL;
END $$
"""
_AT_EACH_EVENT: Final = (
    "CREATE TRIGGER refuse AFTER INSERT ON status_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_at_random()"
)


async def test_transactions_that_lose_against_others_are_made_again(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(200 if FULL else 60)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(_REFUSE_AT_RANDOM)
        await connection.exec_driver_sql(_AT_EACH_EVENT)
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch, over_seconds=3)
        run = await settled(engine, fleet, load, batch)
        await is_clean(run, batch, load, fleet)
    assert shortfalls_after_kills(run, batch) == []


async def test_a_cancel_that_is_caught_in_a_deadlock_is_told_to_come_again(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("api")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(ordinary(1))
        [message] = load.acknowledged.values()
        auth = (shop.test.user, shop.test.secret)
        async with httpx.AsyncClient(base_url=fleet.api_url, auth=auth, timeout=20, trust_env=False) as client:
            async with engine.connect() as other:
                # The other way round than everybody here: first the queue row, then the message.
                await other.execute(text("SET LOCAL deadlock_timeout = '10s'"))
                await other.execute(text("SELECT FROM dispatch_queue FOR UPDATE"))
                canceling = asyncio.create_task(client.post(f"/v1/messages/{message}/cancel"))
                await until(engine, fleet, _WAITING, 1)
                await other.execute(text("SELECT FROM messages FOR UPDATE"))
                refused = await canceling
                await other.rollback()
            again = await client.post(f"/v1/messages/{message}/cancel")
        complaints = fleet.complaints()
    assert (refused.status_code, refused.json()["code"]) == (503, "temporarily-unavailable")
    assert refused.headers["retry-after"].isdecimal()
    assert (again.status_code, again.json()["status"]) == (200, "canceled")
    assert complaints == []
