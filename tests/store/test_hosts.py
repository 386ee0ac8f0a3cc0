"""Several servers behind one URL: one that says nothing costs its own time and no other's, and only once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.store.engine import Engine, StoreUnavailable, create_engine, transaction
from tests.support.postgres_proxy import PostgresProxy
from tests.support.processes import free_port

PATIENCE_SECONDS = 0.4
"""Of each host."""


@dataclass(kw_only=True)
class Mute:
    """A server that takes connections and says nothing."""

    port: int
    asked: int = 0


@asynccontextmanager
async def mute_server() -> AsyncIterator[Mute]:
    mute = Mute(port=free_port())

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mute.asked += 1
        while await reader.read(1000):
            pass
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", mute.port):
        yield mute


@pytest.fixture
def proxy(shared_database_url: str) -> Iterator[PostgresProxy]:
    """The tests' server, by TCP."""
    with PostgresProxy(shared_database_url) as running:
        yield running


def engine_for(url: str, *ports: int, only_writable: bool = False) -> Engine:
    """Make an engine for several ports of this machine."""
    parts = make_url(url)
    hosts = {"host": [f"127.0.0.1:{port}" for port in ports]}
    wanted = {"target_session_attrs": "read-write"} if only_writable else {}
    several = parts.set(host=None, port=None, query={**hosts, **wanted})
    several_url = several.render_as_string(hide_password=False)
    return create_engine(several_url, application="tests", acquire_seconds=PATIENCE_SECONDS)


async def ask(engine: Engine) -> float:
    """Ask over a new connection; give the time that it took."""
    started = time.monotonic()
    async with transaction(engine) as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    seconds = time.monotonic() - started
    await engine.dispose()
    return seconds


async def test_a_mute_first_host_costs_its_own_time_once(proxy: PostgresProxy) -> None:
    port = make_url(proxy.url).port or 0
    async with mute_server() as mute:
        engine = engine_for(proxy.url, mute.port, port)
        first, *others = [await ask(engine) for _ in range(3)]
        await engine.dispose()
        assert PATIENCE_SECONDS <= first < 3
        assert all(seconds < PATIENCE_SECONDS for seconds in others)
        assert mute.asked == 1


async def test_a_host_that_refuses_is_passed_over_and_a_server_that_takes_writes_is_found(proxy: PostgresProxy) -> None:
    engine = engine_for(proxy.url, free_port(), make_url(proxy.url).port or 0, only_writable=True)
    assert await ask(engine) < 3
    await engine.dispose()


@pytest.mark.parametrize("only_writable", [False, True])
async def test_without_a_host_that_answers_the_database_is_unavailable(
    proxy: PostgresProxy, only_writable: bool
) -> None:
    engine = engine_for(proxy.url, free_port(), free_port(), only_writable=only_writable)
    with pytest.raises(StoreUnavailable):
        await ask(engine)
    await engine.dispose()


async def test_where_no_server_takes_writes_the_database_is_unavailable(
    proxy: PostgresProxy, own_database_url: str
) -> None:
    read_only = make_url(own_database_url).database
    owner = create_engine(own_database_url, application="tests")
    async with transaction(owner) as connection:
        await connection.execute(text(f"ALTER DATABASE {read_only} SET default_transaction_read_only = on"))
    await owner.dispose()
    port = make_url(proxy.url).port or 0
    url = make_url(proxy.url).set(database=read_only).render_as_string(hide_password=False)
    engine = engine_for(url, port, port, only_writable=True)
    with pytest.raises(StoreUnavailable):
        await ask(engine)
    await engine.dispose()
