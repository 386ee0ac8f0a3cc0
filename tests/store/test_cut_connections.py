"""A connection that ends while it is being set up tells that the database is away for now, not that there is a bug."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.store.engine import Autocommit, Engine, StoreUnavailable, create_engine, transaction
from app.store.hosts import Hosts
from app.store.notifications import listen

CONNECT = Hosts.connect


async def cut_at_once(hosts: Hosts, **options: Any) -> Any:
    """Connect, and lose the connection before anything is asked on it."""
    connection = await CONNECT(hosts, **options)
    connection.terminate()
    return connection


async def ended_by_the_server(hosts: Hosts, **options: Any) -> Any:
    """Connect, and have the server end the connection before anything is asked on it."""
    connection = await CONNECT(hosts, **options)
    other = await CONNECT(hosts, **options)
    await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await other.close()
    return connection


async def transact(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("SELECT 1"))


async def state_alone(engine: Engine) -> None:
    async with Autocommit(engine).connect() as connection:
        await connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("lost", [cut_at_once, ended_by_the_server])
@pytest.mark.parametrize("use", [transact, state_alone])
async def test_a_connection_that_is_lost_while_it_is_set_up_is_a_database_that_is_away(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch, lost: Callable[..., Any], use: Callable[..., Any]
) -> None:
    monkeypatch.setattr(Hosts, "connect", lost)
    engine = create_engine(shared_database_url, application="tests")
    with pytest.raises(StoreUnavailable):
        await use(engine)
    await engine.dispose()
    await asyncio.sleep(0)


async def test_a_driver_that_is_out_of_step_with_itself_is_a_database_that_is_away(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out_of_step(*_: Any) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    engine = create_engine(shared_database_url, application="tests")
    with pytest.raises(StoreUnavailable):
        async with transaction(engine):
            await out_of_step()
    monkeypatch.setattr(asyncpg.Connection, "add_listener", out_of_step)
    with pytest.raises(StoreUnavailable):
        await listen(engine, ["gateway_dispatch"], lambda _channel: None)
    await engine.dispose()


async def test_a_driver_that_is_used_wrongly_is_a_bug_still(shared_database_url: str) -> None:
    engine = create_engine(shared_database_url, application="tests")
    with pytest.raises(asyncpg.InterfaceError):
        async with transaction(engine):
            raise asyncpg.InterfaceError("another operation is in progress")
    await engine.dispose()
