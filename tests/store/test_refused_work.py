"""Work that Postgres refuses for now, and a Postgres that is away: only that puts the locks of workers in doubt."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.bootstrap import build_worker
from app.store.engine import Engine, StoreRefused, StoreUnavailable, create_engine, transaction
from app.worker import Worker
from tests.support.gateway import settings_for

TOO_LONG = "SELECT pg_sleep(5)"
GONE = "SELECT pg_terminate_backend(pg_backend_pid())"


async def fail_by(engine: Engine, statement: str) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 20"))
        await connection.execute(text(statement))


async def test_a_statement_that_takes_too_long_is_refused_by_a_database_that_is_there(shared_database_url: str) -> None:
    engine = create_engine(shared_database_url, application="tests")
    with pytest.raises(StoreRefused):
        await fail_by(engine, TOO_LONG)
    await engine.dispose()


async def test_a_connection_that_the_server_ends_is_no_refusal(shared_database_url: str) -> None:
    engine = create_engine(shared_database_url, application="tests")
    with pytest.raises(StoreUnavailable) as lost:
        await fail_by(engine, GONE)
    assert not isinstance(lost.value, StoreRefused)
    await engine.dispose()


@pytest.mark.parametrize(("statement", "doubts"), [(TOO_LONG, 0), (GONE, 1)])
async def test_only_a_lost_connection_makes_a_worker_doubt_the_locks_of_the_others(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch, statement: str, doubts: int
) -> None:
    settings = settings_for(shared_database_url)
    context = build_worker(settings)
    doubted: list[bool] = []
    monkeypatch.setattr(context.liveness, "lost_database", lambda: doubted.append(True))
    monkeypatch.setattr("app.worker._RETRY_SECONDS", 0.0)
    turns: list[bool] = []

    async def loop() -> None:
        turns.append(True)
        if len(turns) == 1:
            await fail_by(context.engine, statement)

    await Worker(context, settings.dispatch)._keep(loop)  # noqa: SLF001 - every loop of a worker is kept by this
    assert (len(turns), len(doubted)) == (2, doubts)
    await context.transport.aclose()
    await context.engine.dispose()
