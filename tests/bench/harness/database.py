"""The benchmark's own look into the database: emptying it, counting rows, and comparing what two writers wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg

Shape: TypeAlias = Mapping[str, tuple[float, int | None, int | None]]
"""Of each column of a table: the share of rows that have a value, and its least and greatest stored size in bytes."""

_Result = TypeVar("_Result")

_STAY: Final = frozenset({"alembic_version", "accounts", "api_keys", "senders", "sending_rates", "lanes"})
"""What a request reads and does not write; lanes are only charged, and their rates are high enough not to limit."""

_TRIES: Final = 5

_TABLES: Final = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
_COLUMNS: Final = "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"

DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")
_SHOWN: Final = (
    *DURABLE,
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "autovacuum",
    "server_version",
)


class NotDurable(Exception):
    """The server was told not to wait for the disk; `args[0]` is the setting. Nothing measured here would count."""


class NotTheSameRows(Exception):
    """Two writers do not write the same; `args[0]` names what differs. A ratio would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """A migrated database, by its SQLAlchemy URL; every call connects anew and blocks."""

    url: str

    def empty(self) -> None:
        """Forget every message and webhook and write out all pages.

        So each round begins with empty indexes, and pays for the pages and the log that it touches
        itself: the first change of a page after a checkpoint writes the page into the log.
        """
        self.ask(_empty)

    def counts(self) -> dict[str, int]:
        """Count the rows of each table that has any, those left out that requests only read."""
        return self.ask(_counts)

    def shapes(self) -> dict[str, Shape]:
        """Give the shape of each table that has rows."""
        return self.ask(_shapes)

    def settings(self) -> dict[str, str]:
        """Give the server's settings that decide what a commit costs; raises `NotDurable` if one makes it cheap."""
        settings = self.ask(_settings)
        check_durable(settings)
        return settings

    def ask(self, ask: Callable[[asyncpg.Connection[Any]], Awaitable[_Result]]) -> _Result:
        """Give what this gives on a connection of its own."""

        async def connected() -> _Result:
            connection = await asyncpg.connect(self.url.replace("+asyncpg", "", 1))
            try:
                return await ask(connection)
            finally:
                await connection.close()

        return asyncio.run(connected())


def check_durable(settings: Mapping[str, str]) -> None:
    """Raise `NotDurable` if an acknowledged commit could be lost with the machine's power."""
    for name in DURABLE:
        if settings[name] != "on":
            raise NotDurable(f"{name} is {settings[name]}")


def require_same(left: Mapping[str, Shape], right: Mapping[str, Shape]) -> None:
    """Raise `NotTheSameRows` if two writers' rows are not alike."""
    if found := differences(left, right):
        raise NotTheSameRows("\n".join(found))


def differences(left: Mapping[str, Shape], right: Mapping[str, Shape]) -> list[str]:
    """Name each table or column in which two writers' rows are not alike."""
    found = []
    for table in sorted(left.keys() | right.keys()):
        one, other = left.get(table, {}), right.get(table, {})
        found += [
            f"{table}.{column}: {one.get(column)} and {other.get(column)}"
            for column in sorted(one.keys() | other.keys())
            if one.get(column) != other.get(column)
        ]
    return found


async def _written(connection: asyncpg.Connection[Any]) -> list[str]:
    return [row["relname"] for row in await connection.fetch(_TABLES) if row["relname"] not in _STAY]


async def _empty(connection: asyncpg.Connection[Any]) -> None:
    """Empty all tables at once; the API may be counting its queue, which locks them in an order of its own."""
    tables = ", ".join(await _written(connection))
    for tries_left in reversed(range(_TRIES)):
        try:
            await connection.execute(f"TRUNCATE {tables}")
            break
        except asyncpg.DeadlockDetectedError:
            if not tries_left:
                raise
    await connection.execute("CHECKPOINT")


async def _counts(connection: asyncpg.Connection[Any]) -> dict[str, int]:
    counts = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in await _written(connection)}
    return {table: count for table, count in counts.items() if count}


async def _shapes(connection: asyncpg.Connection[Any]) -> dict[str, Shape]:
    return {table: await _shape(connection, table) for table in await _counts(connection)}


async def _shape(connection: asyncpg.Connection[Any], table: str) -> Shape:
    columns = [row["attname"] for row in await connection.fetch(_COLUMNS, table)]
    asked = ", ".join(
        f'count("{name}")::float8 / count(*), min(pg_column_size("{name}")), max(pg_column_size("{name}"))'
        for name in columns
    )
    told = tuple(await connection.fetchrow(f"SELECT {asked} FROM {table}"))
    return {name: told[place * 3 : place * 3 + 3] for place, name in enumerate(columns)}


async def _settings(connection: asyncpg.Connection[Any]) -> dict[str, str]:
    return {name: await connection.fetchval(f"SHOW {name}") for name in _SHOWN}
