"""Which workers live: each holds a session's advisory lock on a number of its own, which Postgres frees when it dies.

A lock that is free is no proof by itself: a restart or a failover of Postgres frees all of them at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.store.engine import Autocommit, Connection, Engine, StoreUnavailable

_LOCK_CLASS: Final = 0x5357_4B52
"""The first half of the locks' keys, so that they are no other program's."""

_PROBE_SECONDS: Final = 5

_SUSPECTS: Final = text(
    """
    SELECT DISTINCT q.worker FROM dispatch_queue AS q
    WHERE q.leased_until IS NOT NULL AND q.worker IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid = :class AND l.objid = q.worker AND l.objsubid = 2 AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
    """
)
# A role may end its own sessions. One that is ended gives its lock up a moment later; the next statement waits for it.
_END_OLD_SESSIONS: Final = text(
    """
    SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.classid = :class AND l.objid = :worker AND l.objsubid = 2 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.pid <> pg_backend_pid()
    """
)
_SERVER: Final = text(
    """
    SELECT pg_postmaster_start_time() AS started_at, checkpointer.backend_start AS recovered_at,
        extract(epoch FROM now() - greatest(pg_postmaster_start_time(), checkpointer.backend_start)) AS age
    FROM (VALUES (1)) AS one LEFT JOIN pg_stat_activity AS checkpointer ON checkpointer.backend_type = 'checkpointer'
    """
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One life of one server, in which the locks that are free have been given up one by one."""

    started_at: datetime
    recovered_at: datetime | None
    """When it began again after a crash of its own, which frees all locks too; None where we may not know."""

    age_seconds: float = field(compare=False)
    """For how long it has been living; rather too long where we may not know."""


async def new_worker(engine: Engine) -> int:
    """Take a number that no worker had before, or none for two thousand million starts."""
    async with Autocommit(engine).connect() as connection:
        number: int = await connection.scalar(text("SELECT nextval('workers')"))
    return number


async def hold_lock(engine: Engine, worker: int, held: Callable[[], Awaitable[None]], *, doubt: asyncio.Event) -> None:
    """Hold a worker's lock until cancelled; `held` is awaited once it is had.

    The connection is tried now and then, and at once when it ends or `doubt` is set. A session of this worker's
    that only Postgres believes in, as one that a partition has cut off, is ended: it would hold the lock for hours.

    Raises `StoreUnavailable` when the connection is lost, and `StoreRefused` where another session holds the lock.
    """
    async with Autocommit(engine).connect() as connection:
        try:
            await _hear_of_its_end(connection, doubt)
            await connection.execute(_END_OLD_SESSIONS, _key(worker))
            await connection.execute(text("SELECT pg_advisory_lock(:class, :worker)"), _key(worker))
            await held()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_SECONDS):
                        await doubt.wait()
                doubt.clear()
                await connection.execute(text("SELECT 1"))
        finally:
            # The pool would hand the connection on with the lock still held.
            await connection.invalidate()


async def _hear_of_its_end(connection: Connection, doubt: asyncio.Event) -> None:
    driver = (await connection.get_raw_connection()).driver_connection
    if driver is None:
        raise StoreUnavailable("no driver connection")
    driver.add_termination_listener(lambda _connection: doubt.set())


async def suspects(connection: Connection) -> set[int]:
    """Name the workers that have claims and hold no lock."""
    return set((await connection.execute(_SUSPECTS, {"class": _LOCK_CLASS})).scalars())


async def server_of(connection: Connection) -> Server:
    """Tell which life of which server answers."""
    row = (await connection.execute(_SERVER)).one()
    return Server(started_at=row.started_at, recovered_at=row.recovered_at, age_seconds=float(row.age))


def _key(worker: int) -> dict[str, int]:
    return {"class": _LOCK_CLASS, "worker": worker}
