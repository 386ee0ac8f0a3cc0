"""What a database says of its own durability and of the time: facts, of which `services.soundness` judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from app.store.engine import Connection

DURABILITY: Final = ("fsync", "full_page_writes", "synchronous_commit")
"""The settings of Postgres that a commit's durability rests on."""

_ASKED: Final = text(
    """
    SELECT clock_timestamp() AS now, current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes,
           current_setting('synchronous_commit') AS synchronous_commit
    """
)


@dataclass(frozen=True, kw_only=True)
class DatabaseFacts:
    """How a database stood when it was asked."""

    settings: Mapping[str, str]
    """The value of each setting in `DURABILITY`, as this session has it."""

    ahead: timedelta
    """How far this machine's clock is ahead of the database's; negative if it is behind, and never overestimated."""


async def read_facts(connection: Connection) -> DatabaseFacts:
    """Ask the database."""
    before = datetime.now(UTC)
    row = (await connection.execute(_ASKED)).one()
    after = datetime.now(UTC)
    settings = {name: str(getattr(row, name)) for name in DURABILITY}
    return DatabaseFacts(settings=settings, ahead=_ahead(before, row.now, after))


def _ahead(before: datetime, there: datetime, after: datetime) -> timedelta:
    """Compare clocks. The database looked at its own between our two looks, and nobody knows when."""
    if before > there:
        return before - there
    return after - there if after < there else timedelta(0)
