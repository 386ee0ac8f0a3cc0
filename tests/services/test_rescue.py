"""Taking over from workers that died: found by their locks or their leases, once, and counted against the message."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest
from sqlalchemy import text

from app.domain.delivery_errors import DeliveryError
from app.domain.errors import ErrorCode, Refusal
from app.domain.message import DeliveryGuarantee
from app.domain.provider import Deferred, ProviderFailure, SendOutcome, Unknown
from app.services.dispatch import Dispatcher, Result
from app.services.liveness import Liveness
from app.services.redriving import redrive_message
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.submitting import DispatchConfig, Submitter
from app.services.unstarted import give_back_unstarted
from app.services.webhooks import Adapters
from app.store.engine import Engine
from app.transport import Transport
from tests.services.conftest import Accept, State
from tests.services.test_dispatch import end_leases

REFUSED: Final = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE))
LOST: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN))


async def test_rescuers_at_once_rescue_each_message_once(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, rescuer: Rescue
) -> None:
    for _ in range(20):
        await accept()
    await dispatcher.claim(limit=20)
    await end_leases(engine)
    assert sum(await asyncio.gather(*(rescuer.take_over(limit=20) for _ in range(5)))) == 20


async def crash(dispatcher: Dispatcher, rescuer: Rescue, resolver: Resolver, engine: Engine, *, alone: bool) -> None:
    """Claim a message, die, and have its end told by the guarantee, which is to send it once more."""
    assert len(await dispatcher.claim(limit=1, alone=alone)) == 1
    await end_leases(engine)
    assert await rescuer.take_over(limit=10) == 1
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET possible_duplicate = false"))
    assert await resolver.begin(limit=10) == []


async def test_a_message_that_kills_its_workers_is_isolated_after_one_and_set_aside_after_three(
    dispatcher: Dispatcher, rescuer: Rescue, resolver: Resolver, accept: Accept, engine: Engine, state: State
) -> None:
    message_id = await accept(delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    await crash(dispatcher, rescuer, resolver, engine, alone=False)
    assert (await dispatcher.claim(limit=10), await dispatcher.has_lone()) == ([], True)
    await crash(dispatcher, rescuer, resolver, engine, alone=True)
    await crash(dispatcher, rescuer, resolver, engine, alone=True)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET possible_duplicate = false"))
    assert await dispatcher.claim(limit=10, alone=True) == []
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"], stored["queue"]) == ("failed", "poison", [])

    await redrive_message(engine, message_id)
    assert ((await state(message_id))["status"], await dispatcher.has_lone()) == ("queued", True)
    [assignment] = await dispatcher.claim(limit=10, alone=True)
    assert await give_back_unstarted(engine, {assignment.attempt: assignment.fence}) == 1
    assert (await dispatcher.claim(limit=10), len(await dispatcher.claim(limit=10, alone=True))) == ([], 1)
    with pytest.raises(Refusal) as refused:
        await redrive_message(engine, message_id)
    assert (refused.value.code, refused.value.message_status) == (ErrorCode.NOT_REDRIVABLE, "sending")


@pytest.mark.parametrize(("outcome", "queued"), [(REFUSED, ("send_alone", 1, 1)), (LOST, ("resolve", 0, 0))])
async def test_a_message_goes_out_alone_until_a_worker_outlives_what_may_have_been_taken(
    dispatcher: Dispatcher,
    rescuer: Rescue,
    resolver: Resolver,
    accept: Accept,
    engine: Engine,
    outcome: SendOutcome,
    queued: tuple[str, int, int],
) -> None:
    await accept(delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    await crash(dispatcher, rescuer, resolver, engine, alone=False)
    [assignment] = await dispatcher.claim(limit=1, alone=True)
    await dispatcher.settle([Result(assignment=assignment, outcome=outcome)])
    async with engine.connect() as connection:
        stored = (await connection.execute(text("SELECT work, tries, crashes FROM dispatch_queue"))).one()
    assert tuple(stored) == queued


async def test_a_worker_whose_lock_is_gone_is_found_dead_within_two_looks(
    engine: Engine, adapters: Adapters, transport: Transport, config: DispatchConfig, accept: Accept
) -> None:
    await accept()
    one, other = Liveness(engine), Liveness(engine)
    holding = asyncio.create_task(one.hold())
    async with asyncio.timeout(10):
        while one.worker is None:  # noqa: ASYNC110 - the lock tells nobody
            await asyncio.sleep(0.01)
    submitter = Submitter(adapters, transport, config)
    worker = Dispatcher(engine, adapters, submitter, config, worker=lambda: one.worker)
    assert len(await worker.claim(limit=1)) == 1
    rescuer = Rescue(engine, adapters, other, config.policy)
    for _ in range(3):
        assert await rescuer.take_over(limit=10) == 0
        await asyncio.sleep(0.3)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    lost = time.monotonic()
    async with asyncio.timeout(30):  # a server that has only just been started is given ten seconds
        while not await rescuer.take_over(limit=10):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    assert time.monotonic() - lost >= 0.5, "one look proves nothing"
