"""Who counts as dead after a connection was lost: nobody at once, and nobody for long if Postgres has gone on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.embedded import EmbeddedPostgres
from app.services.dispatch import Dispatcher
from app.services.liveness import Liveness
from app.store.engine import Autocommit, Engine, StoreRefused, StoreUnavailable, create_engine
from app.store.workers import Server, server_of
from tests.services.conftest import Accept
from tests.transport.calls import until

_NOBODY = 2_000_000_000
"""The number of a worker that holds no lock."""


class Clock:
    """A monotonic clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("app.services.liveness.time", made)
    return made


@pytest.fixture
async def liveness(engine: Engine, dispatcher: Dispatcher, accept: Accept, clock: Clock) -> Liveness:
    """One that knows the server, and to which a claim of a worker without a lock can be seen."""
    await accept()
    await dispatcher.claim(limit=1)
    made = Liveness(engine)
    await made.dead()
    clock.now += 20  # the tests' server may have been started only just now
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE dispatch_queue SET worker = :worker"), {"worker": _NOBODY})
    return made


async def found_after(liveness: Liveness, clock: Clock) -> float:
    """Look twice a second until somebody is found dead; give the seconds."""
    begun = clock.now
    while not await liveness.dead():
        clock.now += 0.5
        assert clock.now < begun + 60
    return clock.now - begun


def answer_as(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is asked from now on answered by another server."""

    async def answering(_connection: object) -> Server:
        return server

    monkeypatch.setattr("app.services.liveness.server_of", answering)


async def test_a_free_lock_is_a_dead_workers_in_the_second_look(liveness: Liveness, clock: Clock) -> None:
    assert await found_after(liveness, clock) == 0.5


async def test_a_connection_that_was_lost_to_a_postgres_that_went_on_is_waited_for_as_long_as_others_need_to_return(
    liveness: Liveness, clock: Clock
) -> None:
    liveness.lost_database()
    assert await found_after(liveness, clock) == pytest.approx(3.5, abs=0.01)


async def test_another_server_in_its_place_knows_nothing_of_locks_for_ten_seconds(
    liveness: Liveness, clock: Clock, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await server(engine)
    other = Server(
        started_at=known.started_at - timedelta(days=9), recovered_at=known.recovered_at, age_seconds=777_600
    )
    answer_as(other, monkeypatch)
    liveness.lost_database()
    assert await found_after(liveness, clock) == pytest.approx(10.5, abs=0.01)


async def test_after_a_loss_a_server_that_may_hide_a_crash_is_not_trusted_for_ten_seconds(
    liveness: Liveness, clock: Clock, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await server(engine)
    hiding = Server(started_at=known.started_at, recovered_at=None, age_seconds=777_600)
    answer_as(hiding, monkeypatch)
    assert await found_after(liveness, clock) == pytest.approx(10.5, abs=0.01)
    assert await liveness.dead() == {_NOBODY}
    liveness.lost_database()
    assert await found_after(liveness, clock) == pytest.approx(10.5, abs=0.01)


_HOLDERS = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :worker AND objsubid = 2 AND granted")


@asynccontextmanager
async def held(worker: Liveness) -> AsyncIterator[int]:
    """Hold a worker's lock; gives its number."""
    holding = asyncio.create_task(worker.hold())
    await until(lambda: worker.worker is not None)
    assert worker.worker is not None
    yield worker.worker
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def holders(engine: Engine, worker: int) -> list[int]:
    async with engine.connect() as connection:
        return list((await connection.execute(_HOLDERS, {"worker": worker})).scalars())


async def test_a_worker_whose_session_is_ended_has_its_lock_again_before_others_look_twice(
    engine: Engine, liveness: Liveness, clock: Clock
) -> None:
    async with held(Liveness(engine)) as worker:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE dispatch_queue SET worker = :worker"), {"worker": worker})
        [before] = await holders(engine, worker)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before})
        ended_at = time.monotonic()
        while (after := await holders(engine, worker)) in ([], [before]):
            assert time.monotonic() < ended_at + 10
        clock.now += 5
        assert await liveness.dead() == frozenset()
    assert len(after) == 1
    assert time.monotonic() - ended_at < 2, "a probe would have come five seconds later at the latest"


async def test_a_session_that_only_postgres_believes_in_does_not_keep_its_worker_from_its_lock(engine: Engine) -> None:
    worker = Liveness(engine)
    async with held(worker) as number:
        [own] = await holders(engine, number)
    ghost = await engine.connect()
    await ghost.execute(text("SELECT pg_advisory_lock(:class, :worker)"), {"class": 0x5357_4B52, "worker": number})
    [pid] = await holders(engine, number)
    async with held(worker) as again:
        assert (again, len(await holders(engine, number))) == (number, 1)
        assert pid not in [own, *await holders(engine, number)]
    await ghost.invalidate()
    await ghost.close()


async def test_a_worker_whose_lock_could_not_be_looked_at_for_once_keeps_its_number(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []

    async def refused_once(
        _engine: Engine, worker: int, on_held: Callable[[], Awaitable[None]], *, doubt: asyncio.Event
    ) -> None:
        numbers.append(worker)
        await on_held()
        if len(numbers) == 1:
            raise StoreRefused("57014")
        doubt.clear()
        await doubt.wait()

    monkeypatch.setattr("app.services.liveness.hold_lock", refused_once)
    async with held(Liveness(engine)) as number:
        await until(lambda: len(numbers) == 2)
        assert numbers == [number, number], "what it has in flight goes by this number"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[str]:
    with EmbeddedPostgres(directory=tmp_path / "postgres", durable=False) as postgres:
        yield postgres.url("postgres")


@pytest.mark.fault
async def test_a_postgres_that_recovers_from_a_crash_of_one_of_its_processes_is_in_another_life(
    own_server: str,
) -> None:
    engine = create_engine(own_server, application="tests")
    before, again = await server(engine), await server(engine)
    with pytest.raises(StoreUnavailable):
        async with Autocommit(engine).connect() as connection:
            await connection.execute(text("COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'"))
    after = before
    deadline = time.monotonic() + 30
    while after == before:
        assert time.monotonic() < deadline
        with suppress(StoreUnavailable):
            after = await server(engine)
    await engine.dispose()
    assert (before, before.started_at) == (again, after.started_at)
    assert after.recovered_at is not None
    assert before.recovered_at is not None
    assert after.recovered_at > before.recovered_at


async def server(engine: Engine) -> Server:
    async with Autocommit(engine).connect() as connection:
        return await server_of(connection)
