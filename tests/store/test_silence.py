"""A server that says nothing is given up in time, with every connection that leads to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text

from app.store.engine import Autocommit, Engine, StoreSilent, create_engine, transaction
from tests.support.chaos_proxy import BLACK_HOLE, ChaosProxy

CONNECTIONS = 3
LIMIT_SECONDS = 0.5
"""A statement's 0.3 s and the silence's 0.2 s."""

FAREWELL_SECONDS = 0.25


@pytest.fixture
def proxy(shared_database_url: str) -> Iterator[ChaosProxy]:
    with ChaosProxy.to_database(shared_database_url) as running:
        yield running


@pytest.fixture
async def pool(proxy: ChaosProxy, shared_database_url: str) -> AsyncIterator[Engine]:
    """A pool whose connections are all made and idle."""
    made = create_engine(
        proxy.database_url(shared_database_url),
        application="tests",
        pool_size=CONNECTIONS,
        acquire_seconds=LIMIT_SECONDS,
        statement_seconds=0.3,
        silence_seconds=0.2,
    )
    await asyncio.gather(*(ask(made, "SELECT pg_sleep(0.05)") for _ in range(CONNECTIONS)))
    yield made
    await made.dispose()


async def ask(engine: Engine, query: str) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text(query))


async def seconds_of_silence(engine: Engine) -> float:
    """Ask until it is clear that nobody answers; give how long that took."""
    began = time.monotonic()
    with pytest.raises(StoreSilent):
        await ask(engine, "SELECT 1")
    return time.monotonic() - began


async def test_a_silent_connection_is_given_up_and_the_next_question_is_asked_on_a_new_one(
    proxy: ChaosProxy, pool: Engine
) -> None:
    proxy.freeze()
    assert LIMIT_SECONDS <= await seconds_of_silence(pool) <= LIMIT_SECONDS + FAREWELL_SECONDS + 0.3
    began = time.monotonic()
    for _ in range(CONNECTIONS):
        await ask(pool, "SELECT 1")
    assert time.monotonic() - began <= CONNECTIONS * FAREWELL_SECONDS + 0.3, "an old connection was asked again"


async def test_a_silent_statement_outside_of_transactions_is_given_up_too(proxy: ChaosProxy, pool: Engine) -> None:
    proxy.freeze()
    with pytest.raises(StoreSilent):
        async with Autocommit(pool).connect() as connection:
            await connection.execute(text("SELECT 1"))


async def test_a_server_that_takes_connections_and_says_nothing_is_given_up_each_time(
    proxy: ChaosProxy, pool: Engine
) -> None:
    proxy.turn(BLACK_HOLE)
    for _ in range(2):
        assert await seconds_of_silence(pool) <= LIMIT_SECONDS + FAREWELL_SECONDS + 0.3


async def test_a_pool_of_silent_connections_is_left_in_time(proxy: ChaosProxy, pool: Engine) -> None:
    proxy.freeze()
    began = time.monotonic()
    await pool.dispose()
    assert time.monotonic() - began <= CONNECTIONS * FAREWELL_SECONDS + 0.3
