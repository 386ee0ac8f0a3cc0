"""Postgres that says nothing: questions are refused in time and do not pile up, and all goes on when it speaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from app.store.engine import create_engine
from tests.conftest import FULL
from tests.support.batches import ordinary
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import settled
from tests.support.own_postgres import Database, OwnPostgres, own_postgres
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

MUTE_SECONDS: Final = 10.0 if FULL else 4.0
REFUSED_WITHIN_SECONDS: Final = 3.0
BACK_WITHIN_SECONDS: Final = 5.0


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    """A server of these tests' own."""
    with own_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


def test_a_postgres_that_stands_still_under_load_is_given_up_in_time_and_service_returns(
    postgres: OwnPostgres, tmp_path: Path
) -> None:
    database = postgres.database()
    batch = ordinary(400)
    with Fleet(database.url, tmp_path) as fleet, ThreadPoolExecutor(1) as threads:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=database.shop.test)
        sending = threads.submit(asyncio.run, load.send(batch, over_seconds=MUTE_SECONDS + 4))
        while len(load.acknowledged) < 50:
            time.sleep(0.01)
        with postgres.muted():
            muted = time.monotonic()
            time.sleep(MUTE_SECONDS)
        spoke = time.monotonic()
        sending.result()
        asyncio.run(_settles(database, fleet, load, len(batch)))
    meanwhile = [exchange for exchange in load.exchanges if muted < exchange.began + exchange.seconds < spoke]
    assert len(meanwhile) > MUTE_SECONDS, "nobody was refused"
    assert max(e.seconds for e in load.exchanges if e.status == 503) <= REFUSED_WITHIN_SECONDS
    assert load.first_accepted_after(spoke) - spoke <= BACK_WITHIN_SECONDS
    assert load.improper() == []
    assert fleet.complaints() == []


async def _settles(database: Database, fleet: Fleet, load: Load, messages: int) -> None:
    engine = create_engine(database.url, application="tests")
    run = await settled(engine, fleet, load, ordinary(messages))
    await engine.dispose()
    assert violations(run) == []
    assert len(run.acknowledged) == messages
