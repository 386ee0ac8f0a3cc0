"""What went stale while it waited is ended in time, whether or not its lane ever comes to it."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from app.services.staleness import Staleness
from app.store.engine import Engine, transaction
from tests.services.conftest import Accept, State


async def test_a_message_that_waits_beyond_its_validity_expires_without_a_claim(
    accept: Accept, state: State, engine: Engine
) -> None:
    stale, fresh = await accept(validity_seconds=1), await accept(validity_seconds=3600)
    await asyncio.sleep(1.1)
    assert await Staleness(engine).run() == 1
    expired, queued = await state(stale), await state(fresh)
    assert (expired["status"], expired["phases"], expired["queue"]) == ("expired", [], [])
    assert queued["status"] == "queued"


async def test_one_that_a_worker_has_is_left_to_it(accept: Accept, state: State, engine: Engine) -> None:
    message_id = await accept(validity_seconds=1)
    async with transaction(engine) as connection:
        await connection.execute(text("UPDATE dispatch_queue SET leased_until = now() + interval '1 minute'"))
    await asyncio.sleep(1.1)
    assert await Staleness(engine).run() == 0
    assert (await state(message_id))["status"] == "queued"


async def test_one_that_cannot_be_ended_costs_the_others_nothing(accept: Accept, state: State, engine: Engine) -> None:
    strange, stale = await accept(validity_seconds=1), await accept(validity_seconds=1)
    async with transaction(engine) as connection:
        await connection.execute(text("UPDATE messages SET status = 'strange' WHERE id = :id"), {"id": strange})
    await asyncio.sleep(1.1)
    assert await Staleness(engine).run() == 1
    assert (await state(stale))["status"] == "expired"


async def test_the_sweep_goes_on_by_itself(accept: Accept, state: State, engine: Engine) -> None:
    message_id = await accept(validity_seconds=1)
    sweeping = asyncio.create_task(Staleness(engine, pause_seconds=0.1).work())
    for _ in range(200):
        if (stored := await state(message_id))["status"] == "expired":
            break
        await asyncio.sleep(0.05)
    assert stored["status"] == "expired"
    sweeping.cancel()
    await asyncio.wait([sweeping])
