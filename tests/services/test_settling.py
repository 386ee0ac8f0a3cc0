"""Acceptances are settled as their claims have left the messages, and what was touched since as it is found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.domain.delivery_errors import DeliveryError
from app.domain.message import DeliveryGuarantee
from app.domain.policy import LifecyclePolicy
from app.domain.provider import Accepted, ProviderFailure, Unknown
from app.providers.sandbox import Adapter
from app.services.dispatch import Dispatcher, Result
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.submitting import Assignment, DispatchConfig, Submitter
from app.services.webhooks import Adapters
from app.store.engine import Engine
from app.store.reconciling import take_looks
from app.transport import Transport
from tests.services.conftest import Accept, State

LOST: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN))


def accepted(assignment: Assignment) -> Result:
    outcome = Accepted(provider_message_id=f"p-{assignment.attempt.message_id}", provider_status="queued")
    return Result(assignment=assignment, outcome=outcome)


async def end_lease(engine: Engine, message_id: UUID) -> None:
    statement = text("UPDATE dispatch_queue SET leased_until = now() - interval '1 second' WHERE message_id = :id")
    async with engine.begin() as connection:
        await connection.execute(statement, {"id": message_id})


async def test_an_acceptance_that_comes_after_a_rescue_is_settled_beside_those_that_nobody_touched(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State, rescuer: Rescue
) -> None:
    first, rescued, last = [await accept() for _ in range(3)]
    results = [accepted(assignment) for assignment in await dispatcher.claim(limit=3)]
    await end_lease(engine, rescued)
    assert await rescuer.take_over(limit=3) == 1
    await dispatcher.settle(results)
    stored = {message_id: await state(message_id) for message_id in (first, rescued, last)}
    assert {(one["status"], *one["phases"]) for one in stored.values()} == {("sent", "accepted")}
    assert all(one["queue"] == [] for one in stored.values())
    assert [len(one["events"]) for one in stored.values()] == [3, 4, 3]


async def test_settling_the_same_at_once_in_opposite_orders_ends_well(
    dispatcher: Dispatcher, accept: Accept, state: State
) -> None:
    ids = [await accept() for _ in range(40)]
    results = [accepted(assignment) for assignment in await dispatcher.claim(limit=40)]
    await asyncio.gather(dispatcher.settle(results), dispatcher.settle(results[::-1]))
    for message_id in ids:
        stored = await state(message_id)
        assert (stored["status"], stored["phases"]) == ("sent", ["accepted"])
        assert stored["events"][2:] == [("worker", "sent", True, None), ("worker", "sent", False, "duplicate")]


async def test_the_messages_of_a_claim_share_a_fence_and_a_claim_of_none_takes_no_fence(
    dispatcher: Dispatcher, accept: Accept
) -> None:
    for _ in range(3):
        await accept()
    fences = [assignment.fence for assignment in await dispatcher.claim(limit=3)]
    assert fences == [fences[0]] * 3
    assert await dispatcher.claim(limit=3) == []
    await accept()
    [following] = await dispatcher.claim(limit=3)
    assert following.fence == fences[0] + 1


async def test_what_had_left_the_queue_is_taken_up_again_to_be_looked_up_once_it_is_known_to_be_taken(
    engine: Engine,
    transport: Transport,
    adapters: Adapters,
    config: DispatchConfig,
    accept: Accept,
    state: State,
    resolver: Resolver,
) -> None:
    account = adapters["sandbox"].config.model_copy(update={"records": True})
    adapters = {"sandbox": Adapter(account)}
    dispatcher = Dispatcher(engine, adapters, Submitter(adapters, transport, config), config)
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await dispatcher.settle([Result(assignment=assignment, outcome=LOST)])
    await resolver.begin(limit=1)
    assert ((await state(message_id))["status"], (await state(message_id))["queue"]) == ("unconfirmed", [])
    await dispatcher.settle([accepted(assignment)])
    stored = await state(message_id)
    assert stored["status"] == "sent"
    assert stored["queue"] == [{"work": "reconcile", "tries": 0, "leased_until": None}]


async def test_of_two_copies_the_one_that_is_known_is_looked_up(
    engine: Engine,
    transport: Transport,
    adapters: Adapters,
    config: DispatchConfig,
    accept: Accept,
    state: State,
    resolver: Resolver,
) -> None:
    at_once = replace(config, policy=LifecyclePolicy(evidence_wait=timedelta(0), reconcile_delays=(timedelta(0),)))
    asked = {"sandbox": Adapter(adapters["sandbox"].config.model_copy(update={"records": True}))}
    dispatcher = Dispatcher(engine, asked, Submitter(asked, transport, at_once), at_once)
    message_id = await accept(delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    copies = []
    for _ in range(2):
        [assignment] = await dispatcher.claim(limit=1)
        await dispatcher.settle([Result(assignment=assignment, outcome=LOST)])
        await resolver.begin(limit=1)
        copies.append(assignment)
    assert (await state(message_id))["status"] == "unconfirmed"
    await dispatcher.settle([accepted(copies[0])])
    async with engine.begin() as connection:
        [look] = await take_looks(connection, limit=10, unless_concluded=timedelta(0))
    assert (look.attempt.number, look.provider_message_id) == (1, f"p-{message_id}")


async def test_new_messages_fill_half_of_their_pages_so_that_what_is_done_to_them_touches_no_index(
    engine: Engine,
) -> None:
    async with engine.connect() as connection:
        options = await connection.scalars(
            text(
                "SELECT reloptions FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid "
                "WHERE inhparent = 'messages'::regclass"
            )
        )
        assert all(each == ["fillfactor=50"] for each in options)
