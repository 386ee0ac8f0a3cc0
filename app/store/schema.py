"""The schema's revision: bringing it to the head, comparing it, and telling what the database has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.store.engine import Connection, Engine, transaction
from app.store.partitions import ensure_partitions, partitions_reach
from app.store.tables import PARTITIONED

_ROOT: Final = Path(__file__).resolve().parents[2]
_LOCK: Final = 0x6D67_6D69
"""Advisory lock of the one who migrates; a second runner waits and then finds nothing to do."""

_LOCK_NOT_AVAILABLE: Final = "55P03"
_LOCK_TRIES: Final = 30
_LOCK_PAUSE_SECONDS: Final = 1.0


async def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to `revision` and make the partitions that are missing."""
    async with engine.connect() as connection:
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text("SET lock_timeout = 0"))
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        await connection.execute(text("RESET lock_timeout"))
        await connection.commit()
        try:
            await _upgrade(connection, revision)
        finally:
            await connection.rollback()
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            await connection.execute(text("RESET statement_timeout"))
            await connection.commit()
    if revision == "head":
        async with transaction(engine) as connection:
            await ensure_partitions(connection)


async def _upgrade(connection: Connection, revision: str) -> None:
    """Upgrade step by step; a step that waits too long for a lock gives way to traffic and is tried again."""
    for patience in reversed(range(_LOCK_TRIES)):
        try:
            await connection.run_sync(_run, command.upgrade, revision)
            await connection.commit()
        except DBAPIError as error:
            await connection.rollback()
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE or not patience:
                raise
            await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


async def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema down to `revision` (`base` removes everything)."""
    async with engine.begin() as connection:
        await connection.run_sync(_run, command.downgrade, revision)


async def check(engine: Engine) -> None:
    """Raise alembic's error if the database differs from `app.store.tables`."""
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.check(_config(sync)))


async def present_revision(connection: Connection) -> str | None:
    """Tell the database's revision; None where nothing was ever migrated."""
    if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


@lru_cache(maxsize=1)
def known_revisions() -> Sequence[str]:
    """List every revision that this code brings, the head first."""
    return [script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()]


async def unreadiness(connection: Connection) -> str | None:
    """Say why this database cannot be worked with yet; None if it can.

    A revision that this code does not know is a newer one: migrations come before code, and are written
    so that the code before them goes on working.
    """
    head = known_revisions()[0]
    present = await present_revision(connection)
    if present is None or (present != head and present in known_revisions()):
        return f"the schema is at revision {present or 'none'} and not at {head}: run `gateway migrate`"
    if not await partitions_reach(connection):
        return "a partition of this or the next month is missing: run `gateway migrate`, and keep a worker running"
    return None


def include_object(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:  # noqa: ARG001 - alembic's signature
    """Leave the partitions out of comparisons: they follow their parents."""
    return not (kind == "table" and reflected and any((name or "").startswith(f"{t.name}_") for t in PARTITIONED))


def _run(connection: SyncConnection, action: Any, revision: str) -> None:
    action(_config(connection), revision)


def _config(connection: SyncConnection | None) -> Config:
    config = Config(_ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config
