"""Postgres with no connection left: 503 meanwhile, a worker that waits instead of knocking, and service afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from app.store.engine import create_engine
from tests.conftest import FULL
from tests.support.batches import ordinary, shortfalls_after_kills
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import settled
from tests.support.own_postgres import Database, own_postgres
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

FULL_SECONDS: Final = 4.0
BACK_WITHIN_SECONDS: Final = 5.0
LOOPS: Final = 14
"""Of a worker, at most: each may say once in half a second, on average, that the database is away."""

_END_ALL: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'gateway-%'
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """On a server of its own with few connections."""
    with own_postgres(tmp_path / "postgres", {"max_connections": "40"}) as server:
        yield server.database()


@asynccontextmanager
async def every_connection_taken(database_url: str) -> AsyncIterator[int]:
    """End the gateway's connections and take every slot, and keep it; gives how many."""
    url = database_url.replace("postgresql+asyncpg", "postgresql")
    first = await asyncpg.connect(url)
    taken = [first]
    try:
        for _ in range(3):  # some of the gateway's may have come back in between
            await first.execute(_END_ALL)
            while (another := await _connected(url)) is not None:
                taken.append(another)
        yield len(taken)
    finally:
        for connection in taken:
            connection.terminate()


async def _connected(url: str) -> asyncpg.Connection | None:
    try:
        return await asyncpg.connect(url)
    except asyncpg.TooManyConnectionsError:
        return None


async def test_a_gateway_without_any_connection_waits_and_serves_again_when_there_are_some(
    database: Database, tmp_path: Path
) -> None:
    batch = ordinary(200 if FULL else 80)
    with Fleet(database.url, tmp_path) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=database.shop.test)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.send(batch, over_seconds=FULL_SECONDS + 2))
            await load.has_acknowledged(20)
            async with every_connection_taken(database.url):
                began, said = time.monotonic(), fleet.process("worker").output().count("database unavailable")
                await asyncio.sleep(FULL_SECONDS)
                complaints = fleet.process("worker").output().count("database unavailable") - said
            ended = time.monotonic()
        engine = create_engine(database.url, application="tests")
        run = await settled(engine, fleet, load, batch)
        await engine.dispose()
    assert violations(run) == []
    assert shortfalls_after_kills(run, batch) == []
    assert len(run.acknowledged) == len(batch)
    refused = [e for e in load.exchanges if e.status == 503 and began < e.began < ended]
    assert refused, "nobody was refused"
    assert load.improper() == []
    assert load.first_accepted_after(ended) - ended <= BACK_WITHIN_SECONDS
    assert 0 < complaints <= 2 * FULL_SECONDS * LOOPS
    assert fleet.complaints() == []
