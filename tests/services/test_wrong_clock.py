"""A worker whose machine's clock is set wrong while it runs: nothing stale is sent, nothing fresh expires, leases hold.

Every part of the gateway in this process is given another clock. The check at the start of a worker keeps the right
one: it would not let such a worker begin.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from sqlalchemy import text

from app.bootstrap import build_adapters, build_worker
from app.services.liveness import Liveness
from app.services.rescue import Rescue
from app.store.engine import Engine
from app.transport import Transport
from app.worker import Worker
from tests.services.conftest import Accept, State
from tests.support.counting_provider import counting_provider, dispatch_config, dispatcher_of
from tests.support.gateway import settings_for
from tests.support.wrong_clock import replacements

MINUTES_10: Final = 600
ONE_DAY: Final = 86_400
OFF: Final = (-MINUTES_10, MINUTES_10, ONE_DAY)
RIGHT: Final = frozenset({"app.store.soundness"})
LEASE_SECONDS: Final = 0.6

EXPIRE: Final = "UPDATE messages SET expires_at = now() + interval '-1 second' WHERE id = :id"
LEFT: Final = "SELECT extract(epoch FROM leased_until - clock_timestamp()) FROM dispatch_queue"


@pytest.fixture(params=OFF)
def off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Set the clock wrong, and give by how many seconds it is ahead."""
    seconds: float = request.param
    for module, name, value in replacements(lambda: seconds, right=RIGHT):
        monkeypatch.setattr(module, name, value)
    return seconds


async def test_a_worker_whose_clock_is_wrong_sends_what_is_fresh_and_nothing_stale(
    accept: Accept, engine: Engine, state: State, shared_database_url: str, off: float
) -> None:
    fresh, stale = [await accept() for _ in range(10)], [await accept() for _ in range(10)]
    async with engine.begin() as connection:
        await connection.execute(text(EXPIRE), [{"id": message_id} for message_id in stale])
    async with counting_provider() as provider:
        settings = settings_for(shared_database_url, sandbox=provider.settings)
        context = build_worker(settings)
        worker = Worker(context, settings.dispatch)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(10):
            while await waiting(engine):  # noqa: ASYNC110 - the worker tells nobody
                await asyncio.sleep(0.02)
        worker.stop()
        await running
        assert provider.taken() == {str(message_id): 1 for message_id in fresh}, off
    assert {(await state(message_id))["status"] for message_id in stale} == {"expired"}
    assert {(await state(message_id))["status"] for message_id in fresh} == {"sent"}


async def test_a_claim_made_by_a_wrong_clock_holds_as_long_as_its_lease_and_no_longer(
    accept: Accept, engine: Engine, transport: Transport, shared_database_url: str, off: float
) -> None:
    await accept()
    adapters = build_adapters(settings_for(shared_database_url))
    config = dispatch_config(lease_seconds=LEASE_SECONDS)
    one, other = (dispatcher_of(engine, adapters, transport, config) for _ in range(2))
    assert len(await one.claim(limit=1)) == 1
    async with engine.connect() as connection:
        left = float(await connection.scalar(text(LEFT)) or 0)
    rescuer = Rescue(engine, adapters, Liveness(engine), config.policy)
    early = (await rescuer.take_over(limit=10), await other.claim(limit=10))
    await asyncio.sleep(LEASE_SECONDS)
    assert 0 < left <= LEASE_SECONDS, off
    assert early == (0, [])
    assert await rescuer.take_over(limit=10) == 1


async def waiting(engine: Engine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM dispatch_queue")) or 0)
