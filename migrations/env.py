"""Runs the migrations over the connection that `app.store.schema` hands in, or over the settings' database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from alembic import context

from app.bootstrap import build_engine
from app.settings import load_settings
from app.store.provider_tables import webhook_receipts
from app.store.schema import include_object
from app.store.sending_tables import lanes

if TYPE_CHECKING:
    from sqlalchemy import Connection

_METADATA = next(iter({webhook_receipts.metadata, lanes.metadata}))  # one, and by now every table is in it


def run(connection: Connection) -> None:
    """Run the requested migrations in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=_METADATA,
        include_object=include_object,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_by_settings() -> None:
    """Connect as the gateway would, for the plain `alembic` command."""
    engine = build_engine(load_settings(), "alembic")
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_by_settings())
