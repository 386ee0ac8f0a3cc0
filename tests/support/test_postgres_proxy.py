"""The proxy does at each step what it says: what Postgres has kept, and what its client has heard, read past it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tests.support.databases import drop, empty_copy
from tests.support.postgres_proxy import Ending, PostgresProxy, Step

INSERT = "INSERT INTO proxied (id) VALUES ($1)"
STEPS = [
    (Step.UNSEEN, [], []),
    (Step.UNCOMMITTED, [], []),
    (Step.COMMITTED_LATE, [], [1]),
    (Step.COMMITTED, [1], [1]),
]
"""What is stored while the client is held, and in the end."""


def plain(url: str) -> str:
    """Write a URL for asyncpg itself."""
    return url.replace("postgresql+asyncpg", "postgresql")


@pytest.fixture(scope="module")
def database_url(postgres_url: str) -> Iterator[str]:
    """A database for this module."""
    url, name = asyncio.run(empty_copy(postgres_url, None))
    yield url
    asyncio.run(drop(postgres_url, name))


@pytest.fixture
async def direct(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection past the proxy, and the empty table."""
    connection = await asyncpg.connect(plain(database_url))
    await connection.execute("DROP TABLE IF EXISTS proxied; CREATE TABLE proxied (id int PRIMARY KEY)")
    yield connection
    await connection.close()


@pytest.fixture
def proxy(database_url: str) -> Iterator[PostgresProxy]:
    with PostgresProxy(database_url, statement=b"INSERT INTO proxied") as running:
        yield running


async def stored(direct: asyncpg.Connection) -> list[int]:
    return [row["id"] for row in await direct.fetch("SELECT id FROM proxied ORDER BY id")]


async def insert(connection: asyncpg.Connection, number: int, *, in_a_transaction: bool) -> None:
    if not in_a_transaction:
        await connection.execute(INSERT, number)
        return
    await connection.execute("BEGIN")
    await connection.execute(INSERT, number)
    await connection.execute("SELECT 1")
    await connection.execute("COMMIT")


@pytest.mark.parametrize("in_a_transaction", [False, True])
async def test_without_a_trap_everything_passes(
    proxy: PostgresProxy, direct: asyncpg.Connection, *, in_a_transaction: bool
) -> None:
    connection = await asyncpg.connect(plain(proxy.url))
    for number in range(3):
        await insert(connection, number, in_a_transaction=in_a_transaction)
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(connection, 2, in_a_transaction=in_a_transaction)
    await connection.execute("ROLLBACK" if in_a_transaction else "SELECT 1")
    assert await connection.fetchval("SELECT string_agg('é', '') FROM generate_series(1, 100000)") == "é" * 100_000
    await connection.close()
    assert await stored(direct) == [0, 1, 2]
    assert proxy.statements == 4


@pytest.mark.parametrize("in_a_transaction", [False, True])
@pytest.mark.parametrize("ending", [Ending.RESET, Ending.CLOSE])
@pytest.mark.parametrize(("step", "in_the_end"), [(step, in_the_end) for step, _, in_the_end in STEPS])
async def test_a_client_that_is_cut_off_hears_nothing_and_the_server_has_come_as_far_as_the_step(
    proxy: PostgresProxy,
    direct: asyncpg.Connection,
    step: Step,
    in_the_end: list[int],
    ending: Ending,
    *,
    in_a_transaction: bool,
) -> None:
    connection = await asyncpg.connect(plain(proxy.url))
    trap = proxy.arm(step, ending)
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        await insert(connection, 1, in_a_transaction=in_a_transaction)
    await trap.has_sprung()
    await is_left(direct)
    assert await stored(direct) == in_the_end


@pytest.mark.parametrize("in_a_transaction", [False, True])
@pytest.mark.parametrize(("step", "at_once", "in_the_end"), STEPS)
async def test_a_client_that_is_held_hears_nothing_until_it_ends_the_connection_itself(
    proxy: PostgresProxy,
    direct: asyncpg.Connection,
    step: Step,
    at_once: list[int],
    in_the_end: list[int],
    *,
    in_a_transaction: bool,
) -> None:
    connection = await asyncpg.connect(plain(proxy.url))
    trap = proxy.arm(step, Ending.HOLD)
    waiting = asyncio.create_task(insert(connection, 1, in_a_transaction=in_a_transaction))
    await trap.has_sprung()
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert (done, await stored(direct)) == (set(), at_once)
    connection.terminate()
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionError)):
        await waiting
    await is_left(direct)
    assert await stored(direct) == in_the_end


async def test_a_trap_springs_once_and_lets_smaller_statements_pass(
    proxy: PostgresProxy, direct: asyncpg.Connection
) -> None:
    many = "INSERT INTO proxied SELECT unnest($1::int[])"
    trap = proxy.arm(Step.COMMITTED, Ending.CLOSE, at_least_bytes=100)
    connection = await asyncpg.connect(plain(proxy.url))
    await connection.execute(many, [1, 2])
    assert not trap.sprung.done()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await connection.execute(many, list(range(10, 30)))
    again = await asyncpg.connect(plain(proxy.url))
    await again.execute(many, list(range(30, 50)))
    await again.close()
    assert await stored(direct) == [1, 2, *range(10, 50)]


async def is_left(direct: asyncpg.Connection) -> None:
    """Wait until no other session is in this database."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with asyncio.timeout(10):
        while await direct.fetchval(others):  # noqa: ASYNC110 - the event is the server's
            await asyncio.sleep(0.01)
