"""The monthly partitions of messages, attempts and status events, made ahead of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.domain.ids import lowest_id
from app.store.engine import Connection
from app.store.tables import PARTITIONED, messages

MONTHS_AHEAD: Final = 2
_LOCK: Final = 0x6D67_7061
"""Advisory lock of the one who makes partitions."""

_MAKE: Final = "CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = {fill})"
_FULL: Final = 100
_FILL: Final = {messages.name: 50}
"""How much of a page new rows fill, in percent. A message is changed two or three times within moments, together with
its neighbours: where the changed row finds room in its page, no index is touched, however much history there is."""

_ATTACH: Final = "ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')"


async def ensure_partitions(connection: Connection, *, months_ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make whatever is missing from last month to `months_ahead`; return the names made.

    Last month's is made too, for the ids of clocks that run behind around midnight. Attaching takes
    no lock that stops writers. Raises what Postgres raises; nothing is half-made.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    now = await connection.scalar(text("SELECT now()"))
    existing = await _existing(connection)
    made = []
    for offset in range(-1, months_ahead + 1):
        first, after = _month(now, offset), _month(now, offset + 1)
        for table in PARTITIONED:
            name = f"{table.name}_{first:%Y_%m}"
            if name not in existing:
                await _make(connection, name, table.name, lowest_id(first), lowest_id(after))
                made.append(name)
    return made


async def partitions_reach(connection: Connection, *, months_ahead: int = 1) -> bool:
    """Whether every table has its partition for this month and the `months_ahead` after it."""
    now = await connection.scalar(text("SELECT now()"))
    months = [_month(now, offset) for offset in range(months_ahead + 1)]
    wanted = {f"{table.name}_{month:%Y_%m}" for table in PARTITIONED for month in months}
    return wanted <= await _existing(connection)


async def _make(connection: Connection, name: str, parent: str, low: UUID, high: UUID) -> None:
    await connection.execute(text(_MAKE.format(name=name, parent=parent, fill=_FILL.get(parent, _FULL))))
    await connection.execute(text(_ATTACH.format(name=name, parent=parent, low=low, high=high)))


async def _existing(connection: Connection) -> set[str]:
    rows = await connection.scalars(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent::regclass::text = ANY(:parents)"),
        {"parents": [table.name for table in PARTITIONED]},
    )
    return set(rows)


def _month(now: datetime, offset: int) -> datetime:
    index = now.year * 12 + now.month - 1 + offset
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)
