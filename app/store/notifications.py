"""Listening for Postgres's notifications: a hint that work waits, never the only way to find it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.store.engine import Engine, StoreUnavailable

_PROBE_SECONDS: Final = 5
"""How often the listening connection is tried, since a dead socket says nothing."""


async def listen(engine: Engine, channels: Sequence[str], wake: Callable[[str], None]) -> None:
    """Call `wake` with the channel's name for each notification, until cancelled.

    Raises `StoreUnavailable` when the connection is lost; the caller calls again after a pause.
    """
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver = (await connection.get_raw_connection()).driver_connection
            if driver is None:
                raise StoreUnavailable("no driver connection")
            for channel in channels:
                await driver.add_listener(channel, lambda _connection, _pid, name, _payload: wake(name))
            try:
                while True:
                    await asyncio.sleep(_PROBE_SECONDS)
                    await connection.execute(text("SELECT 1"))
            finally:
                await connection.invalidate()
    # The listener is the driver's own, which raises its own errors where the pool hands out a dead connection.
    except (SQLAlchemyError, asyncpg.InterfaceError, asyncpg.PostgresError, OSError) as error:
        raise StoreUnavailable(type(error).__name__) from error
