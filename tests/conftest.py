"""What every test may use: a Postgres server, a database of its own, and accounts with keys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from app.store.engine import Engine, create_engine
from tests.support.databases import drop, empty_copy, migrated_template
from tests.support.postgres import running_server

# Plain lines: rendering a trace in colour takes longer than the test that provokes it.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ]
)

FULL = os.environ.get("GATEWAY_TEST_FULL") == "1"
LONG_MARKS = ("fault", "soak", "browser", "contract")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests to the full run, but for one smoke of each kind."""
    if FULL:
        return
    left = [item for item in items if _is_long(item) and item.get_closest_marker("smoke") is None]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


def _is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(mark) for mark in LONG_MARKS)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server's `postgres` database: the one named, else one by Docker, else an embedded one."""
    with running_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database to copy from."""
    name = asyncio.run(migrated_template(postgres_url))
    yield name
    asyncio.run(drop(postgres_url, name))


@pytest.fixture(scope="session")
def shared_database_url(postgres_url: str, template: str) -> Iterator[str]:
    """A migrated database that tests share, each after emptying it."""
    url, name = asyncio.run(empty_copy(postgres_url, template))
    yield url
    asyncio.run(drop(postgres_url, name))


@pytest.fixture
def own_database_url(postgres_url: str, template: str) -> Iterator[str]:
    """A migrated database for one test with processes of its own."""
    url, name = asyncio.run(empty_copy(postgres_url, template))
    yield url
    asyncio.run(drop(postgres_url, name))


@pytest.fixture(scope="session")
async def shared_engine(shared_database_url: str) -> AsyncIterator[Engine]:
    """One engine for the whole run."""
    engine = create_engine(shared_database_url, application="tests", pool_size=20)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(shared_engine: Engine) -> Engine:
    """The engine of an empty, migrated database."""
    async with shared_engine.begin() as connection:
        await connection.exec_driver_sql(EMPTY)
    return shared_engine


EMPTY = """
DO $$
DECLARE
    tables CONSTANT text[] := ARRAY[
        'routes', 'pool_members', 'sender_pools', 'lanes', 'circuits', 'provider_accounts',
        'api_keys', 'senders', 'accounts', 'messages', 'attempts', 'status_events', 'dispatch_queue',
        'idempotency_keys', 'webhook_digests', 'inbound_references', 'webhook_receipts', 'orphan_reports',
        'audit_events', 'provider_audits'
    ];
    append_only CONSTANT text[] := ARRAY['status_events', 'audit_events'];
    each text;
    found integer;
    bytes bigint;
BEGIN
    -- What a test before this one left running has ended first, or its rows would come after the emptying.
    EXECUTE 'LOCK TABLE ' || array_to_string(tables, ', ') || ' IN SHARE ROW EXCLUSIVE MODE';
    SELECT sum(pg_relation_size(tree.relid)) INTO bytes
        FROM unnest(tables) AS named, pg_partition_tree(named::regclass) AS tree;
    IF bytes > 2000000 THEN
        EXECUTE 'TRUNCATE ' || array_to_string(tables, ', ');
        RETURN;
    END IF;
    FOREACH each IN ARRAY tables LOOP
        CONTINUE WHEN each = ANY (append_only);
        EXECUTE 'DELETE FROM ' || each;
    END LOOP;
    FOREACH each IN ARRAY append_only LOOP
        EXECUTE 'SELECT FROM ' || each || ' LIMIT 1';
        GET DIAGNOSTICS found = ROW_COUNT;
        CONTINUE WHEN found = 0;
        EXECUTE 'TRUNCATE ' || each;
    END LOOP;
END $$
"""
"""Deletes the few rows that a test leaves: making the files of some twenty tables anew takes fifty times as long."""
