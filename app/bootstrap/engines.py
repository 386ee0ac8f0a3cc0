"""Engines of a process, with as many connections and as much time as the settings say."""

from __future__ import annotations

from typing import Final

from app.settings import Settings
from app.store.engine import Engine, create_engine

SILENCE_SECONDS: Final = 0.25
"""Beyond a statement's limit, which Postgres keeps by itself unless it is out of reach or stands still."""


def build_engine(
    settings: Settings,
    application: str,
    *,
    pool_size: int | None = None,
    statement_seconds: float | None = None,
    lock_seconds: float = 2,
    silence_seconds: float | None = SILENCE_SECONDS,
) -> Engine:
    """Make an engine of the process, with as many connections and as much time as the settings say at most."""
    url = settings.database_url.get_secret_value()
    scheme, separator, rest = url.partition("://")
    if separator and scheme in {"postgres", "postgresql"}:
        url = f"postgresql+asyncpg://{rest}"
    database = settings.database
    return create_engine(
        url,
        application=application,
        pool_size=pool_size or database.pool_size,
        statement_seconds=min(database.statement_seconds, statement_seconds or database.statement_seconds),
        acquire_seconds=database.acquire_seconds,
        lock_seconds=lock_seconds,
        silence_seconds=silence_seconds,
    )
