"""Retries wait for their turn, and no message is lost over the wait."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Deferred, ProviderFailure
from app.services.dispatch import Dispatcher, Result
from app.services.rescue import Rescue
from app.store.engine import Engine
from tests.services.conftest import Accept
from tests.services.test_dispatch import end_leases

REFUSED = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused"))
VALID_SECONDS = 8
MORE_THAN_HAVE_A_PLACE = VALID_SECONDS * 10 + 40


async def claim_all(dispatcher: Dispatcher, accept: Accept, count: int) -> list[Result]:
    """Accept and claim so many messages; each will have met a refused connection."""
    for _ in range(count):
        await accept()
    claimed = await dispatcher.claim(limit=count)
    assert len(claimed) == count
    return [Result(assignment=assignment, outcome=REFUSED) for assignment in claimed]


async def test_messages_whose_turn_would_come_too_late_are_tried_again_all_the_same(
    dispatcher: Dispatcher, accept: Accept, engine: Engine
) -> None:
    results = await claim_all(dispatcher, accept, MORE_THAN_HAVE_A_PLACE)
    async with engine.begin() as connection:
        valid = {"valid": timedelta(seconds=VALID_SECONDS)}
        await connection.execute(text("UPDATE messages SET expires_at = now() + :valid"), valid)
    await dispatcher.settle(results)
    async with engine.connect() as connection:
        waiting = text(
            "SELECT count(*) FROM messages JOIN dispatch_queue ON message_id = id WHERE due_at < messages.expires_at"
        )
        assert await connection.scalar(waiting) == MORE_THAN_HAVE_A_PLACE


async def test_a_message_that_is_given_up_keeps_no_place_from_the_others(
    dispatcher: Dispatcher, accept: Accept, engine: Engine
) -> None:
    results = await claim_all(dispatcher, accept, 41)
    async with engine.begin() as connection:
        last_try = text("UPDATE dispatch_queue SET tries = 5 WHERE message_id <> :other")
        await connection.execute(last_try, {"other": results[-1].assignment.attempt.message_id})
    await dispatcher.settle(results[:-1])
    await dispatcher.settle(results[-1:])
    async with engine.connect() as connection:
        waits = await connection.scalar(text("SELECT extract(epoch FROM due_at - now()) FROM dispatch_queue"))
    # Forty places would lie four seconds away; what remains is the random wait of a first retry.
    assert float(waits or 0) <= 1


async def test_who_comes_back_after_its_lease_waits_for_its_turn_like_any_other(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, rescuer: Rescue
) -> None:
    results = await claim_all(dispatcher, accept, 41)
    await end_leases(engine)
    assert await rescuer.take_over(limit=41) == 41
    await dispatcher.settle(results)
    async with engine.connect() as connection:
        waits = text("SELECT max(extract(epoch FROM due_at - now())), sum(tries), sum(crashes) FROM dispatch_queue")
        longest, tries, crashes = (await connection.execute(waits)).one()
    assert (float(longest) > 2, tries, crashes) == (True, 41, 41)
