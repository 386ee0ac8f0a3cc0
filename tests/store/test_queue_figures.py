"""One look at the queue: what is counted of it, and what is known of its lanes."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.domain.figures import Figures, LaneFigures
from app.services.administration import Administration
from app.store.engine import Engine
from app.store.pausing import set_account_paused, set_provider_paused, set_sender_paused
from app.store.queue_figures import look_at_queue, place_in_queue
from tests.support.gateway import tenant

SHOP, BANK = uuid4(), uuid4()


async def queue(engine: Engine, account_id: UUID, count: int, **columns: str) -> None:
    """Put rows into the queue, whose further columns are SQL."""
    values = {"message_id": "gen_random_uuid()", "account_id": ":account", "lane": ":account", **columns}
    insert = (
        f"INSERT INTO dispatch_queue ({', '.join(values)}) "
        f"SELECT {', '.join(values.values())} FROM generate_series(1, :count)"
    )
    async with engine.begin() as connection:
        await connection.execute(text(insert), {"account": account_id, "count": count})


async def look(engine: Engine) -> Figures:
    async with engine.connect() as connection:
        return await look_at_queue(connection)


def of(found: Figures, lane: UUID) -> LaneFigures:
    figures = found.lane(lane)
    assert figures is not None
    return figures


async def run(engine: Engine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def test_each_account_is_counted_by_what_is_still_to_be_sent(engine: Engine) -> None:
    await queue(engine, SHOP, 3)
    await queue(engine, SHOP, 1, due_at="now() + interval '35 days'")
    await queue(engine, SHOP, 1, leased_until="now() + interval '1 minute'")
    await queue(engine, SHOP, 7, work="'resolve'")
    await queue(engine, BANK, 2)
    assert (await look(engine)).queued == {SHOP: 5, BANK: 2}


async def test_an_empty_queue_names_no_account(engine: Engine) -> None:
    found = await look(engine)
    assert (found.queued, found.caps) == ({}, {})
    assert found.at == pytest.approx(time.time(), abs=60)


async def test_a_lane_is_shown_with_what_is_due_and_what_is_for_later(engine: Engine) -> None:
    await tenant(engine)
    async with engine.connect() as connection:
        account = (await connection.execute(text("SELECT id FROM accounts"))).scalar_one()
    await queue(engine, account, 3, segments="2", priority="0", due_at="now() - interval '1 minute'")
    await queue(engine, account, 2, priority="2")
    await queue(engine, account, 4, priority="2", due_at="now() + interval '1 day'")
    found = await look(engine)
    urgent, bulk = sorted(of(found, account).depths, key=lambda depth: depth.rank)
    assert (urgent.messages, urgent.segments, urgent.later_messages) == (3, 6, 0)
    assert (bulk.messages, bulk.segments, bulk.later_messages, bulk.later_segments) == (2, 2, 4, 4)
    assert found.at - (urgent.oldest_due_at or 0) == pytest.approx(60, abs=5)
    assert of(found, account).ahead == [6, 6, 8]
    assert of(found, account).limits.address is None
    assert of(found, account).limits.provider == "sandbox"


async def test_what_is_paused_and_shut_is_told_of_a_senders_lane(engine: Engine) -> None:
    made = await tenant(engine)
    [limited] = await Administration(engine, ()).list_senders(made.name)
    sender = limited.sender
    assert of(await look(engine), sender.id).limits.paused_by == ()
    async with engine.begin() as connection:
        await set_sender_paused(connection, sender.id, account_id=None, paused=True)
        await set_account_paused(connection, sender.account_id, account_id=None, paused=True)
        await set_provider_paused(connection, sender.provider, paused=True)
    await run(engine, "UPDATE accounts SET queued_cap = 7")
    await run(engine, "UPDATE lanes SET not_before = now() + interval '1 hour', day = '2020-01-01', day_segments = 9")
    await run(engine, "UPDATE provider_accounts SET rate = 3")
    found = await look(engine)
    limits = of(found, sender.id).limits
    assert limits.paused_by == ("sender", "provider", "account")
    assert (limits.address, limits.provider_rate, limits.day_segments) == ("+12025550100", 3, 0)
    assert (limits.not_before or 0) - found.at == pytest.approx(3600, abs=5)
    assert found.caps == {sender.account_id: 7}
    assert found.sends_at(sender.id, 1, 1, earliest=found.at) is None
    await run(engine, "DELETE FROM provider_accounts")


async def test_a_message_stands_behind_what_is_more_urgent_or_due_before_it(engine: Engine) -> None:
    mine, urgent = uuid4(), "now() - interval '1 second'"
    await queue(engine, SHOP, 3, segments="2", priority="0", due_at=urgent)
    await queue(engine, SHOP, 2, due_at="now() - interval '1 minute'")
    await queue(engine, SHOP, 1, message_id=f"'{mine}'", segments="3", due_at="now() - interval '30 seconds'")
    await queue(engine, SHOP, 5)
    await queue(engine, SHOP, 5, priority="2", due_at="now() - interval '1 hour'")
    await queue(engine, SHOP, 5, priority="0", due_at="now() + interval '1 hour'")
    await queue(engine, BANK, 5, priority="0", due_at=urgent)
    async with engine.connect() as connection:
        place = await place_in_queue(connection, mine, limit=100)
        assert place is not None
        assert (place.lane, place.rank, place.segments) == (SHOP, 1, 3)
        assert (place.messages, place.segments_ahead) == (5, 8)
        bounded = await place_in_queue(connection, mine, limit=4)
        assert bounded is not None
        assert bounded.messages == 4
        assert await place_in_queue(connection, uuid4(), limit=4) is None
