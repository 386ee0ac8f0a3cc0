"""Taking over from workers that died: found by their locks or their leases, once, and counted against the message."""

from __future__ import annotations

import asyncio

from app.services.dispatch import Dispatcher
from app.services.rescue import Rescue
from app.store.engine import Engine
from tests.services.conftest import Accept
from tests.services.test_dispatch import end_leases


async def test_rescuers_at_once_rescue_each_message_once(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, rescuer: Rescue
) -> None:
    for _ in range(20):
        await accept()
    await dispatcher.claim(limit=20)
    await end_leases(engine)
    assert sum(await asyncio.gather(*(rescuer.take_over(limit=20) for _ in range(5)))) == 20
