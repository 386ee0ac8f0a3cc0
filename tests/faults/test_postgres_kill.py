"""Postgres ended under load and started again: 503 meanwhile, service soon after, nothing acknowledged lost."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from app.store.engine import Engine, create_engine
from tests.conftest import FULL
from tests.support.batches import Planned, ordinary, shortfalls_after_kills
from tests.support.invariants import Run, violations
from tests.support.load import Load
from tests.support.observation import count, settled
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

_REFUSALS: Final = 5
"""How many requests have to meet the outage before it ends."""

BACK_WITHIN_SECONDS: Final = 5.0
"""From the moment at which Postgres takes connections again to the first acceptance, and to the first attempt."""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    """A server of these tests' own."""
    with own_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


async def rest(url: str, fleet: Fleet, load: Load, batch: list[Planned]) -> Run:
    """Wait until the run has settled."""
    engine = create_engine(url, application="tests")
    run = await settled(engine, fleet, load, batch, within_seconds=120)
    await engine.dispose()
    return run


def wait_for(load: Load, *, acknowledged: int = 0, refused: int = 0) -> None:
    """Wait until the load has come this far."""
    deadline = time.monotonic() + 60
    while len(load.acknowledged) < acknowledged or load.statuses()[503] < refused:
        assert time.monotonic() < deadline, load.statuses()
        time.sleep(0.01)


def seconds_until_an_acceptance(load: Load, back: float) -> float:
    """Wait until a request was accepted after a moment; give how long that took."""
    deadline = time.monotonic() + 30
    while math.isinf(accepted := load.first_accepted_after(back)):
        assert time.monotonic() < deadline, load.statuses()
        time.sleep(0.01)
    return accepted - back


def seconds_until_an_attempt(url: str) -> float:
    """Wait until a worker has begun an attempt that is newer than all that are there; give how long that took."""

    async def newest(engine: Engine) -> int:
        return await count(engine, "SELECT extract(epoch FROM max(started_at)) * 1000 FROM attempts")

    async def watch() -> float:
        engine = create_engine(url, application="tests")
        asked, before = time.monotonic(), await newest(engine)
        async with asyncio.timeout(30):
            while await newest(engine) == before:  # noqa: ASYNC110 - the event is the database's
                await asyncio.sleep(0.02)
        await engine.dispose()
        return time.monotonic() - asked

    return asyncio.run(watch())


@pytest.mark.parametrize(("by", "times"), [(signal.SIGQUIT, 3), (signal.SIGKILL, 2)], ids=["stopped", "killed"])
def test_a_postgres_that_ends_under_load_costs_time_and_nothing_else(
    postgres: OwnPostgres, tmp_path: Path, by: signal.Signals, times: int
) -> None:
    database = postgres.database()
    batch = ordinary(250 if FULL else 100)
    ends = times if FULL else 1
    gaps: list[tuple[float, float]] = []
    with Fleet(database.url, tmp_path) as fleet, ThreadPoolExecutor(1) as threads:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=database.shop.test)
        sending = threads.submit(asyncio.run, load.send(batch, over_seconds=5 if FULL else 2))
        for number in range(1, ends + 1):
            wait_for(load, acknowledged=len(batch) * number // (2 * ends))
            refused = load.statuses()[503]
            postgres.end(by)
            wait_for(load, refused=refused + _REFUSALS)
            postgres.start()
            back = time.monotonic()
            attempted = seconds_until_an_attempt(database.url)
            gaps.append((seconds_until_an_acceptance(load, back), attempted))
        sending.result()
        run = asyncio.run(rest(database.url, fleet, load, batch))
    assert max(max(gap) for gap in gaps) <= BACK_WITHIN_SECONDS, gaps
    assert violations(run) == []
    assert shortfalls_after_kills(run, batch) == []
    assert {message.id for message in run.messages} == run.acknowledged
    assert len(run.acknowledged) == len(batch)
    assert load.improper() == []
    assert load.statuses()[503] >= _REFUSALS * ends
    assert fleet.complaints() == []
