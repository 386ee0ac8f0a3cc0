"""A server whose standby is gone, or that was demoted: a commit that nobody confirmed is no success."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from app.embedded import EmbeddedPostgres, find_binaries
from app.store.engine import Autocommit, CommitUnconfirmed, Engine, StoreUnavailable, create_engine, transaction
from app.store.schema import migrate
from tests.support.gateway import Tenant, api_client, basic, tenant

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
CANCEL = f"SELECT count(pg_cancel_backend(pid)) FROM ({WAITING}) AS waiting"
POOL_REPLACED_SECONDS = 5


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The database of a server of this module's own, whose settings it may change."""
    binaries = find_binaries(os.environ.get("GATEWAY_PG_BIN"))
    directory = tmp_path_factory.mktemp("standby")
    with EmbeddedPostgres(directory=directory, binaries=binaries, durable=False) as server:
        yield server.url("postgres")


@pytest.fixture(scope="module")
async def operator(server_url: str) -> AsyncIterator[Engine]:
    """Whoever runs the server; it writes nothing, and so waits for nobody."""
    made = create_engine(server_url, application="operator")
    yield made
    await made.dispose()


@pytest.fixture(scope="module")
async def shop(server_url: str) -> Tenant:
    engine = create_engine(server_url, application="tests")
    await migrate(engine)
    made = await tenant(engine)
    await engine.dispose()
    return made


@pytest.fixture
async def engine(server_url: str) -> AsyncIterator[Engine]:
    """A pool of one connection, so that whatever comes next has the same."""
    made = create_engine(server_url, application="tests", pool_size=1)
    yield made
    await made.dispose()


@asynccontextmanager
async def setting(operator: Engine, name: str, value: str) -> AsyncIterator[None]:
    """Run the server with another setting."""

    async def alter(command: str, expected: str) -> None:
        async with operator.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql(f"ALTER SYSTEM {command}")
            await connection.exec_driver_sql("SELECT pg_reload_conf()")
        async with asyncio.timeout(5):
            while await value_of(operator, name) != expected:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)

    before = await value_of(operator, name)
    await alter(f"SET {name} = '{value}'", value)
    try:
        if name == "synchronous_standby_names":
            await until_commits_wait(operator)
        yield
    finally:
        await alter(f"RESET {name}", before)


async def until_commits_wait(operator: Engine) -> None:
    """Commit until a commit waits: sessions know the setting before the checkpointer has told them to wait."""
    async with asyncio.timeout(10):
        while True:
            probing = asyncio.create_task(write_by_itself(operator))
            while not probing.done():
                if await _canceled(operator):
                    await asyncio.gather(probing, return_exceptions=True)
                    return
                await asyncio.sleep(0.01)


async def value_of(operator: Engine, name: str) -> str:
    async with operator.connect() as connection:
        return str(await connection.scalar(text(f"SHOW {name}")))


async def cancel_a_wait(operator: Engine) -> None:
    """Cancel what waits for the standby, once something does."""
    async with asyncio.timeout(10):
        while not await _canceled(operator):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def _canceled(operator: Engine) -> int:
    async with operator.connect() as connection:
        return int(await connection.scalar(text(CANCEL)) or 0)


async def write_in_a_transaction(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'tests', '')")


async def write_by_itself(engine: Engine) -> None:
    async with Autocommit(engine).connect() as connection:
        await connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'tests', '')")


WAYS = pytest.mark.parametrize("write", [write_in_a_transaction, write_by_itself])


@WAYS
async def test_a_commit_whose_wait_for_the_standby_is_canceled_is_not_taken_for_a_success(
    engine: Engine, operator: Engine, write: object
) -> None:
    assert callable(write)
    for _ in range(10):
        async with setting(operator, "synchronous_standby_names", "nobody"):
            writing = asyncio.create_task(write(engine))
            await cancel_a_wait(operator)
            with pytest.raises(CommitUnconfirmed):
                await writing
        await write(engine)  # the mark is gone: the next one has the same connection


@WAYS
async def test_the_warning_is_heard_before_the_caller_goes_on(engine: Engine, operator: Engine, write: object) -> None:
    assert callable(write)
    heard: list[str] = []
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_log_listener(lambda _driver, message: heard.append(message.message))
    async with setting(operator, "synchronous_standby_names", "nobody"):
        writing = asyncio.create_task(write(engine))
        writing.add_done_callback(lambda _: heard.append("the caller"))
        await cancel_a_wait(operator)
        await asyncio.wait([writing])
    assert isinstance(writing.exception(), CommitUnconfirmed)
    assert heard == ["canceling wait for synchronous replication due to user request", "the caller"]


async def test_a_message_that_the_standby_did_not_confirm_is_answered_503_and_its_repeat_waits_for_the_standby_too(
    server_url: str, operator: Engine, shop: Tenant
) -> None:
    document = {"from": "+15551234567", "to": "+15559876543", "body": "Hello"}
    headers = {**basic(shop.test), "idempotency-key": "order-1"}
    async with api_client(server_url) as client:
        async with setting(operator, "synchronous_standby_names", "nobody"):
            refused = []
            for _ in range(2):
                asking = asyncio.create_task(client.post("/v1/messages", json=document, headers=headers))
                await cancel_a_wait(operator)
                refused.append(await asking)
        repeated = await client.post("/v1/messages", json=document, headers=headers)
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "temporarily-unavailable")] * 2
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert (repeated.status_code, repeated.headers["idempotent-replayed"]) == (202, "true")
    async with operator.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM messages")) == 1


async def take_a_number(engine: Engine) -> None:
    """Write what a server that takes no writes refuses."""
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("SELECT nextval('fence')")


async def test_one_refused_write_lets_a_pool_go_of_all_connections_to_a_primary_that_was_demoted(
    server_url: str, operator: Engine, shop: Tenant
) -> None:
    assert shop  # the schema is there
    pool = create_engine(server_url, application="tests", pool_size=3)
    before = await backends(pool, 3)
    async with setting(operator, "default_transaction_read_only", "on"):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="25006"):
            await take_a_number(pool)
        after = await backends(pool, 3)
    await take_a_number(pool)
    await pool.dispose()
    assert not before & after
    assert time.monotonic() - started < POOL_REPLACED_SECONDS


async def backends(pool: Engine, number: int) -> set[int]:
    """Give the server's processes behind so many connections of a pool."""
    connections = [await pool.connect() for _ in range(number)]
    pids = {int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0) for connection in connections}
    for connection in connections:
        await connection.close()
    return pids
