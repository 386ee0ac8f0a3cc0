"""The schema goes up, down and up again, and is what the code believes it to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.services.identity import new_id
from app.store.databases import drop_database
from app.store.engine import Engine, create_engine, transaction
from app.store.schema import check, downgrade, known_revisions, migrate, present_revision, unreadiness
from tests.support.databases import empty_copy


@pytest.fixture
async def blank(postgres_url: str) -> AsyncIterator[Engine]:
    url, name = await empty_copy(postgres_url, None)
    engine = create_engine(url, application="tests")
    yield engine
    await engine.dispose()
    server = create_engine(postgres_url, application="tests")
    await drop_database(server, name)
    await server.dispose()


async def things(engine: Engine) -> set[str]:
    async with transaction(engine) as connection:
        rows = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        )
        return set(rows) - {"alembic_version", "alembic_version_pkc"}


async def test_the_schema_goes_up_down_and_up_again_and_equals_the_tables_in_code(blank: Engine) -> None:
    await migrate(blank)
    first = await things(blank)
    await check(blank)
    await downgrade(blank, "base")
    assert await things(blank) == set()
    await migrate(blank)
    assert await things(blank) == first
    await check(blank)


async def test_migrating_twice_changes_nothing(blank: Engine) -> None:
    await migrate(blank)
    before = await things(blank)
    await migrate(blank)
    assert await things(blank) == before


async def test_readiness_names_what_is_missing(blank: Engine) -> None:
    async with transaction(blank) as connection:
        assert await present_revision(connection) is None
        assert await unreadiness(connection) == (
            f"the schema is at revision none and not at {known_revisions()[0]}: run `gateway migrate`"
        )
    await migrate(blank)
    async with transaction(blank) as connection:
        assert await unreadiness(connection) is None
        latest = await connection.scalar(
            text("SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'messages'::regclass")
        )
        previous = await connection.scalar(
            text(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'messages'::regclass "
                "ORDER BY 1 DESC OFFSET 1 LIMIT 1"
            )
        )
        await connection.execute(text(f"DROP TABLE {latest}, {previous}"))
        assert "partition" in (await unreadiness(connection) or "")


async def test_two_runners_at_once_make_one_schema(blank: Engine) -> None:
    await asyncio.gather(migrate(blank), migrate(blank))
    await check(blank)


async def test_status_events_are_append_only(engine: Engine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO status_events (message_id, sequence, source, status, applied) "
                "VALUES (:id, 1, 'api', 'queued', true)"
            ),
            {"id": new_id()},
        )
    for change in ("UPDATE status_events SET status = 'delivered'", "DELETE FROM status_events"):
        with pytest.raises(Exception, match="append-only"):
            async with engine.begin() as connection:
                await connection.execute(text(change))


async def test_a_migration_gives_way_to_traffic_and_is_tried_again(blank: Engine) -> None:
    await migrate(blank)
    await downgrade(blank, "base")
    holder = await blank.connect()
    # The first statement of the schema needs this name, so it has to wait for whoever is about to make it.
    await holder.execute(text("CREATE TABLE accounts (id integer)"))
    runner = asyncio.create_task(migrate(blank))
    await asyncio.sleep(3)
    assert not runner.done()
    await holder.rollback()
    await holder.close()
    await asyncio.wait_for(runner, 20)
    await check(blank)
