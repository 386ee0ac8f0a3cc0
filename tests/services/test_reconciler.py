"""Looking up what was sent long ago, at the real sandbox over HTTP, with its webhooks switched off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest_asyncio
from sqlalchemy import text

from app.domain.policy import LifecyclePolicy
from app.providers.sandbox import Adapter, Evidence
from app.services.dispatch import Dispatcher
from app.services.reconciler import LOOKS, Reconciler
from app.services.records import ProviderRecords
from app.services.submitting import Submitter
from app.services.webhooks import Adapters
from app.store.engine import Engine
from app.store.reconciling import take_looks
from app.transport import Transport
from tests.sandbox.world import CONFIG, World, a_receiver, a_world
from tests.services.conftest import Accept, State
from tests.support.counting_provider import dispatch_config

UNDELIVERABLE = "+15005550021"
BILL = "SELECT price, price_currency, billed_segments FROM messages WHERE id = :id"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A dispatcher, and a reconciler that waits no time between its looks."""

    engine: Engine
    dispatcher: Dispatcher
    reconciler: Reconciler

    async def send(self) -> None:
        """Send everything that is due, once, and let it be looked up at once."""
        claimed = await self.dispatcher.claim(limit=100)
        await self.dispatcher.settle(await asyncio.gather(*map(self.dispatcher.send, claimed)))
        # An acceptance is timed by the claim's clock, which may be a moment ahead of the database's.
        async with self.engine.begin() as connection:
            await connection.execute(text("UPDATE dispatch_queue SET due_at = now()"))


def pair(engine: Engine, transport: Transport, adapters: Adapters, *, looks: int) -> Pair:
    policy = LifecyclePolicy(reconcile_delays=(timedelta(0),) * looks)
    config = replace(dispatch_config(), policy=policy)
    return Pair(
        engine=engine,
        dispatcher=Dispatcher(engine, adapters, Submitter(adapters, transport, config), config),
        reconciler=Reconciler(engine, adapters, ProviderRecords(adapters, transport), policy, lease=config.lease),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(replace(CONFIG, pace=0.01), receiver=receiver) as world:
        yield world.using(Evidence.NONE)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    await shared.call("DELETE", "/sandbox/state")
    return shared


async def queued(engine: Engine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(text("SELECT count(*) FROM dispatch_queue")) or 0


async def change(engine: Engine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def bill(engine: Engine, message_id: UUID) -> tuple[Any, ...]:
    async with engine.connect() as connection:
        return tuple((await connection.execute(text(BILL), {"id": message_id})).one())


async def test_messages_are_delivered_and_priced_by_looking_alone(
    engine: Engine, transport: Transport, accept: Accept, state: State, world: World
) -> None:
    both = pair(engine, transport, {"sandbox": world.adapter}, looks=1_000)
    ids = [await accept(body="✓" * 71) for _ in range(10)]
    lost = await accept(recipient=UNDELIVERABLE)
    await both.send()
    async with asyncio.timeout(20):
        while await queued(engine):
            await both.reconciler.run()
    for each in ids:
        stored = await state(each)
        assert (stored["status"], stored["events"][-1]) == ("delivered", ("provider", "delivered", True, "fetched"))
        assert await bill(engine, each) == (Decimal("0.0150"), "USD", 2)
    assert ((await state(lost))["status"], (await state(lost))["error_code"]) == ("undelivered", "unreachable")
    assert world.receiver.received == []


async def test_a_message_that_nobody_tells_more_of_stays_sent(
    engine: Engine, transport: Transport, accept: Accept, state: State, world: World
) -> None:
    both = pair(engine, transport, {"sandbox": world.adapter}, looks=2)
    message_id = await accept()
    await both.send()
    await world.call("DELETE", "/sandbox/state")
    assert [await both.reconciler.run() for _ in range(3)] == [1, 1, 0]
    stored = await state(message_id)
    assert (stored["status"], stored["queue"]) == ("sent", [])
    assert stored["events"][-2:] == [("worker", "sent", False, "not-found")] * 2


async def test_a_look_whose_worker_died_counts_and_is_taken_again(
    engine: Engine, transport: Transport, accept: Accept, state: State, world: World
) -> None:
    both = pair(engine, transport, {"sandbox": world.adapter}, looks=2)
    message_id = await accept()
    await both.send()
    async with engine.begin() as connection:
        [look] = await take_looks(connection, limit=10, unless_concluded=timedelta(0))
    assert (look.attempt.message_id, look.number) == (message_id, 1)
    assert [await both.reconciler.run() for _ in range(2)] == [1, 0]
    assert (await state(message_id))["queue"] == []


async def test_a_provider_that_does_not_answer_is_left_alone_for_a_while_and_holds_up_nobody(
    engine: Engine, transport: Transport, accept: Accept, state: State, world: World
) -> None:
    both = pair(engine, transport, {"sandbox": world.adapter}, looks=2)
    ids = [await accept() for _ in range(LOOKS + 2)]
    await both.send()
    await change(engine, "UPDATE attempts SET provider = 'other' WHERE message_id = :id", id=ids[-1])
    locked_out = Adapter(world.adapter.config.model_copy(update={"api_key": "wrong"}))
    waiting = pair(engine, transport, {"sandbox": locked_out, "other": world.adapter}, looks=1_000)
    await change(
        engine, "UPDATE dispatch_queue SET due_at = now() + interval '1 hour' WHERE message_id = :id", id=ids[-1]
    )
    assert [await waiting.reconciler.run() for _ in range(2)] == [LOOKS, 0]
    await change(engine, "UPDATE dispatch_queue SET due_at = now() WHERE message_id = :id", id=ids[-1])
    assert await waiting.reconciler.run() == 1
    stored = [await state(each) for each in ids]
    assert sorted(each["queue"][0]["tries"] for each in stored[:-1]) == [0, *[1] * LOOKS]
    assert {each["events"][-1][-1] for each in stored[:-1]} == {None, "no-answer"}
    assert stored[-1]["events"][-1][-1] == "fetched"


async def test_what_cannot_be_asked_any_more_is_left_as_it_is(
    engine: Engine, transport: Transport, accept: Accept, state: State, world: World
) -> None:
    both = pair(engine, transport, {"sandbox": world.adapter}, looks=1)
    message_id = await accept()
    await both.send()
    assert await pair(engine, transport, {}, looks=1).reconciler.run() == 1
    stored = await state(message_id)
    assert (stored["status"], stored["queue"]) == ("sent", [])
    assert stored["events"][-1] == ("worker", "sent", False, "no-answer")


async def test_a_look_that_cannot_be_made_silences_nobody(
    engine: Engine, transport: Transport, accept: Accept, state: State, world: World
) -> None:
    both = pair(engine, transport, {"sandbox": world.adapter}, looks=1_000)
    nameless, named = await accept(), await accept()
    await both.send()
    await change(engine, "UPDATE attempts SET provider_message_id = NULL WHERE message_id = :id", id=nameless)
    await change(
        engine, "UPDATE dispatch_queue SET due_at = now() + interval '1 hour' WHERE message_id = :id", id=named
    )
    assert await both.reconciler.run() == 1
    await change(
        engine, "UPDATE dispatch_queue SET due_at = now() + interval '1 hour' * (message_id = :id)::int", id=nameless
    )
    assert await both.reconciler.run() == 1
    assert (await state(named))["events"][-1][-1] == "fetched"
