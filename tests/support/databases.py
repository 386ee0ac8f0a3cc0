"""Databases for tests: migrated once, copied as often as needed. Names carry the process, so runs do not meet."""

from __future__ import annotations

import itertools
import os

from sqlalchemy.engine import make_url

from app.store.databases import drop_database, ensure_database
from app.store.engine import create_engine
from app.store.schema import migrate

_numbers = itertools.count()


async def migrated_template(server_url: str) -> str:
    """Make a database with the schema in it, to be copied."""
    name = f"gateway_test_{os.getpid()}_template"
    await _make(server_url, name, template=None)
    engine = create_engine(database_url(server_url, name), application="tests")
    await migrate(engine)
    await engine.dispose()
    return name


async def empty_copy(server_url: str, template: str | None) -> tuple[str, str]:
    """Make a copy of the template, or an empty database without one; give its URL and its name."""
    name = f"gateway_test_{os.getpid()}_{next(_numbers)}"
    await _make(server_url, name, template=template)
    return database_url(server_url, name), name


async def drop(server_url: str, name: str) -> None:
    """Remove a database that was made here."""
    server = create_engine(server_url, application="tests")
    await drop_database(server, name)
    await server.dispose()


def database_url(server_url: str, name: str) -> str:
    """Name another database on the same server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


async def _make(server_url: str, name: str, *, template: str | None) -> None:
    server = create_engine(server_url, application="tests")
    await ensure_database(server, name, template=template)
    await server.dispose()
