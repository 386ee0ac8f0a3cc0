"""What a provider is told of a message's validity, and a message that goes stale while it waits for a connection."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Deferred
from app.store.engine import Engine
from app.transport import Transport
from tests.services.conftest import Accept, State
from tests.support.counting_provider import CountingProvider, counting_provider, dispatcher_of
from tests.support.raw_server import hang, serve
from tests.transport.calls import post, until


def told(provider: CountingProvider) -> list[int]:
    """Give the validity in each request that came."""
    return [json.loads(request.partition(b"\r\n\r\n")[2])["validity_seconds"] for request in provider.server.requests]


async def test_the_validity_is_what_is_left_at_the_send_rounded_down_and_at_least_one_second(
    accept: Accept, engine: Engine, transport: Transport, shared_database_url: str
) -> None:
    await accept(validity_seconds=3600)
    async with counting_provider() as provider:
        sending = dispatcher_of(engine, provider.adapters(shared_database_url), transport)
        [assignment] = await sending.claim(limit=1)
        assert assignment.send.validity_seconds <= 3600
        for left in (90.9, 1.9, 0.9):
            await sending.send(replace(assignment, worth_until=time.monotonic() + left))
        assert told(provider) == [90, 1, 1]


async def test_a_message_that_goes_stale_while_it_waits_for_a_connection_expires_unsent(
    accept: Accept, engine: Engine, state: State, shared_database_url: str
) -> None:
    message_id = await accept()
    async with counting_provider() as provider, serve(hang) as busy, Transport(max_connections=1) as transport:
        occupying = asyncio.create_task(transport.perform(post(busy.url)))
        await until(lambda: busy.requests)
        sending = dispatcher_of(engine, provider.adapters(shared_database_url), transport)
        [assignment] = await sending.claim(limit=1)
        result = await sending.send(replace(assignment, worth_until=time.monotonic() + 0.2))
        occupying.cancel()
        await asyncio.wait([occupying])
    assert isinstance(result.outcome, Deferred)
    assert result.outcome.failure.error is DeliveryError.EXPIRED
    await sending.settle([result])
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("expired", ["not_sent"], [])
    assert provider.taken() == {}
