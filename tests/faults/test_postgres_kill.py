"""Postgres killed under load and started again: 503 meanwhile, nothing acknowledged is lost, and all of it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from app.embedded import EmbeddedPostgres, find_binaries
from app.store.databases import ensure_database
from app.store.engine import create_engine
from app.store.schema import migrate
from tests.conftest import FULL
from tests.support.batches import Planned, mixed, shortfalls_after_kills
from tests.support.gateway import Tenant, tenant
from tests.support.invariants import Run, violations
from tests.support.load import Exchange, Load
from tests.support.observation import settled
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

_REFUSALS: Final = 5
"""How many requests have to meet the outage before it ends."""

_DATABASE: Final = "gateway"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, as durable as a real one."""
    binaries = find_binaries(os.environ.get("GATEWAY_PG_BIN"))
    with EmbeddedPostgres(directory=tmp_path / "postgres", binaries=binaries, durable=True) as server:
        yield server


async def prepare(server_url: str, url: str) -> Tenant:
    """Make the database, its schema and an account."""
    server = create_engine(server_url, application="tests")
    await ensure_database(server, _DATABASE)
    await server.dispose()
    engine = create_engine(url, application="tests")
    await migrate(engine)
    shop = await tenant(engine)
    await engine.dispose()
    return shop


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
        time.sleep(0.02)


def is_proper(refusal: Exchange) -> bool:
    """Whether a 503 says when to come back, in the shape of all problems."""
    return (refusal.content_type, refusal.code) == ("application/problem+json", "temporarily-unavailable") and (
        refusal.retry_after or ""
    ).isdecimal()


def test_a_postgres_killed_under_load_costs_time_and_nothing_else(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = postgres.url(_DATABASE)
    shop = asyncio.run(prepare(postgres.url("postgres"), url))
    batch = mixed(1_000 if FULL else 150)
    kills = 3 if FULL else 1
    with Fleet(url, tmp_path) as fleet, ThreadPoolExecutor(1) as threads:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        sending = threads.submit(asyncio.run, load.send(batch, over_seconds=30 if FULL else 4))
        for number in range(1, kills + 1):
            wait_for(load, acknowledged=len(batch) * number // (2 * kills))
            refused = load.statuses()[503]
            os.kill(postgres.process_id, signal.SIGKILL)
            wait_for(load, refused=refused + _REFUSALS)
            postgres.start()
        sending.result()
        run = asyncio.run(rest(url, fleet, load, batch))
    assert violations(run) == []
    assert shortfalls_after_kills(run, batch) == []
    assert {message.id for message in run.messages} == run.acknowledged
    assert len(run.acknowledged) == len(batch)
    assert [exchange for exchange in load.exchanges if exchange.status not in {202, 503}] == []
    assert load.statuses()[503] >= _REFUSALS
    assert [refusal for refusal in load.exchanges if refusal.status == 503 and not is_proper(refusal)] == []
    assert fleet.complaints() == []
