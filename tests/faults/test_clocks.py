"""Clocks that are wrong: one worker's, which jumps while it works, and the database's, with which nothing begins."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import pytest
from sqlalchemy import text

from app.domain.status import MessageStatus
from app.store.engine import Engine
from tests.support.batches import ordinary
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.jumping_clock import said
from tests.support.load import Load
from tests.support.observation import count
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

JUMPS: Final = (600, 86_400, -600)
"""Where one worker's clock jumps, in seconds ahead of the others: ten minutes, a day, and ten minutes behind."""

MESSAGES: Final = 160
STALE_SECONDS: Final = 5
"""How long every other message is worth sending: at two workers with two places, for 100 of all at most."""

FRESH_SECONDS: Final = 300
"""How long the others are: less than the clock jumps by."""

ANSWERED_AFTER: Final = (0.2, 0.2)
CLOCK_LAG_SECONDS: Final = 2.0
"""Between a worker's last look at the clock and the provider's, on a busy machine."""

OFF_SECONDS: Final = 90
SKEW: Final = """
CREATE OR REPLACE FUNCTION public.{name}() RETURNS timestamptz LANGUAGE sql {kind}
AS 'SELECT pg_catalog.{name}() + interval ''{seconds} seconds'''
"""


async def has_said(fleet: Fleet, name: str, words: str) -> None:
    """Wait until a process has written this."""
    async with asyncio.timeout(30):
        while words not in fleet.process(name).own_output():
            fleet.check_alive()
            await asyncio.sleep(0.05)


async def test_a_worker_whose_clock_jumps_sends_nothing_stale_and_lets_nothing_fresh_expire(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    validity = (FRESH_SECONDS, STALE_SECONDS)
    batch = [replace(planned, validity_seconds=validity[n % 2]) for n, planned in enumerate(ordinary(MESSAGES))]
    settings = {"GATEWAY_DISPATCH__CONCURRENCY": "2", "CLOCK_JUMPS": ",".join(map(str, JUMPS))}
    with (
        FakeProvider(latency_seconds=ANSWERED_AFTER) as provider,
        Fleet(own_database_url, tmp_path, "tests.support.jumping_clock", **settings, **provider.settings) as fleet,
    ):
        fleet.start("api")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        fleet.start("worker-1", "worker-2")
        for number, jump in enumerate(JUMPS, 1):
            await provider.has_taken(10 * number)
            fleet.process("worker-1").send(signal.SIGUSR1)
            await has_said(fleet, "worker-1", said(jump))
        run = replace(await settled_with(engine, fleet, load, provider), clock_lag_seconds=CLOCK_LAG_SECONDS)
        complaints = fleet.complaints()
    assert violations(run) == []
    fresh = {planned.reference for planned in batch if planned.validity_seconds == FRESH_SECONDS}
    assert {m.status for m in run.messages if m.reference in fresh} == {MessageStatus.DELIVERED}
    others = Counter(m.status for m in run.messages if m.reference not in fresh)
    assert others.keys() <= {MessageStatus.DELIVERED, MessageStatus.EXPIRED}
    assert others[MessageStatus.EXPIRED] > 0
    assert set(provider.log.taken().values()) == {1}
    assert complaints == []


async def tells(engine: Engine, *, seconds: int) -> None:
    """Let the database tell a time that is ahead by so much, to whoever connects after the first call."""
    async with engine.begin() as connection:
        for name, kind in (("clock_timestamp", "VOLATILE"), ("now", "STABLE")):
            await connection.execute(text(SKEW.format(name=name, kind=kind, seconds=seconds)))
        await connection.execute(text(f"ALTER DATABASE {engine.url.database} SET search_path = public, pg_catalog"))


async def becomes_ready(fleet: Fleet, status: int) -> str:
    """Wait until the API answers so when it is asked whether it is ready, and give the answer."""
    async with httpx.AsyncClient(base_url=fleet.api_url, trust_env=False) as client, asyncio.timeout(30):
        while (answer := await client.get("/readyz")).status_code != status:  # noqa: ASYNC110 - the API tells nobody
            await asyncio.sleep(0.1)
    return answer.text


async def test_nothing_is_sent_while_the_database_tells_another_time_and_all_of_it_afterwards(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    await tells(engine, seconds=0)
    with FakeProvider() as provider, Fleet(own_database_url, tmp_path, **provider.settings) as fleet:
        fleet.start("api")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(ordinary(20))
        await tells(engine, seconds=OFF_SECONDS)
        refusal = await becomes_ready(fleet, 503)
        fleet.start("worker")
        await has_said(fleet, "worker", "s behind the database's")
        await asyncio.sleep(1)
        begun = await count(engine, "SELECT count(*) FROM attempts")
        await tells(engine, seconds=0)
        await becomes_ready(fleet, 200)
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert "this machine's clock is more than 60 s behind the database's" in refusal
    assert begun == 0
    assert violations(run) == []
    assert {(m.status, m.attempts) for m in run.messages} == {(MessageStatus.DELIVERED, 1)}
    assert complaints == []
