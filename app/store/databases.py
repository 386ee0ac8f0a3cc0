"""Whole databases on a server: made and removed by name, for `gateway dev` and the tests."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import text

from app.store.engine import Engine

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


async def ensure_database(engine: Engine, name: str, *, template: str | None = None) -> bool:
    """Make a database unless it is there, as a copy of `template` if one is named; return whether it was made."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        there = await connection.scalar(text("SELECT true FROM pg_database WHERE datname = :name"), {"name": name})
        if there:
            return False
        suffix = f" TEMPLATE {_checked(template)}" if template else ""
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text(f"CREATE DATABASE {_checked(name)}{suffix}"))
        await connection.execute(text("RESET statement_timeout"))
    return True


async def drop_database(engine: Engine, name: str) -> None:
    """Remove a database and end whatever is connected to it."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)"))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a database name has lower-case letters, digits and underscores")
    return name
