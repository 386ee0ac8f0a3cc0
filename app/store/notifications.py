"""Postgres's notifications, both ends: a hint that work waits, never the only way to find it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.store.engine import Autocommit, Engine, StoreUnavailable
from app.telemetry import get_logger

_log = get_logger(__name__)
_PAUSE_SECONDS: Final = 0.05
_PROBE_SECONDS: Final = 5
"""How often the listening connection is tried, since a dead socket says nothing."""

_ANSWER_SECONDS: Final = 2
"""How long such a try may take, which asks for nothing."""


class Notifier:
    """Wakes the listeners of one channel: the first call at once, then at most once in 50 ms.

    A notification in each writing transaction would cost two thirds of the commits that a server can make,
    so it goes out on a connection of its own, after them and for many together.
    """

    def __init__(self, writing: Autocommit, channel: str) -> None:
        """Take the way to Postgres and the channel's name."""
        self._writing = writing
        self._channel = channel
        self._due = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Say that there is work, soon and without waiting for it."""
        self._due = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())

    async def aclose(self) -> None:
        """Say what is left to be said."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._due:
            self._due = False
            try:
                async with self._writing.connect() as connection:
                    await connection.exec_driver_sql("SELECT pg_notify($1, '')", (self._channel,))
            except (StoreUnavailable, SQLAlchemyError) as error:
                _log.warning("listeners not woken", channel=self._channel, reason=type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)


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
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        await connection.execute(text("SELECT 1"))
            finally:
                await connection.invalidate()
    # The listener is the driver's own, which raises its own errors where the pool hands out a dead connection, and
    # is out of step with itself where one is lost between two of its messages.
    except (SQLAlchemyError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except (asyncpg.PostgresError, OSError) as error:
        raise StoreUnavailable(type(error).__name__) from error
