"""Limits at their extremes, and many senders at once: nobody is forgotten, and what must wait holds up nobody else."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.lanes import Meter
from app.services.dispatch import Dispatcher
from app.services.submitting import Assignment
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.backlog import queue_messages
from tests.support.gateway import tenant

SENDER = "+12025550100"
MIDNIGHT = datetime(2026, 12, 2, tzinfo=UTC)
LANES = 5_000 if FULL else 500


async def limit(engine: Engine, change: str, sender: str = SENDER) -> None:
    """Change a sender's lane; what holds for all like it is copied from it when they are added."""
    async with engine.begin() as connection:
        query = f"UPDATE lanes SET {change} WHERE id = (SELECT id FROM senders WHERE address = :sender)"
        await connection.execute(text(query), {"sender": sender})


async def claim_all(dispatcher: Dispatcher, *, limit: int, claims: int) -> list[Assignment]:
    """Claim until nothing is left, at most so many times."""
    found: list[Assignment] = []
    for _ in range(claims):
        claimed = await dispatcher.claim(limit=limit)
        if not claimed:
            return found
        found += claimed
    return found


async def test_of_a_sender_with_the_lowest_rate_one_message_goes_and_the_others_wait(
    engine: Engine, dispatcher: Dispatcher
) -> None:
    await tenant(engine)
    await limit(engine, "rate = 0.001, burst = 1")
    await queue_messages(engine, sender=SENDER, messages=50)
    assert len(await claim_all(dispatcher, limit=64, claims=5)) == 1


async def test_the_largest_burst_lets_all_go_at_once_even_at_the_lowest_rate(
    engine: Engine, dispatcher: Dispatcher
) -> None:
    await tenant(engine)
    await limit(engine, "rate = 0.001, burst = 100000")
    await queue_messages(engine, sender=SENDER, messages=500)
    assert len(await claim_all(dispatcher, limit=64, claims=20)) == 500


async def test_a_daily_cap_stops_a_sender_at_its_last_segment(engine: Engine, dispatcher: Dispatcher) -> None:
    await tenant(engine)
    await limit(engine, "daily_cap = 70")
    await queue_messages(engine, sender=SENDER, messages=100)
    assert len(await claim_all(dispatcher, limit=64, claims=10)) in {70, 100}  # 100 where midnight passes meanwhile


@pytest.mark.parametrize(
    ("now", "messages"),
    [(MIDNIGHT - timedelta(microseconds=1), 0), (MIDNIGHT, 5), (MIDNIGHT + timedelta(hours=3), 5)],
    ids=["just-before", "at-midnight", "later"],
)
def test_a_reached_daily_cap_ends_at_midnight_utc_by_the_time_it_is_told(now: datetime, messages: int) -> None:
    yesterday = (MIDNIGHT - timedelta(hours=1)).date()
    meter = Meter(
        rate=100, burst=100, arrival_at=MIDNIGHT - timedelta(days=1), daily_cap=5, day=yesterday, day_segments=5
    )
    assert meter.grant([1] * 9, now) == messages
    assert meter.ready_at(now) == max(now, MIDNIGHT)


async def test_an_account_of_a_thousandth_of_the_weight_has_its_turn(engine: Engine, dispatcher: Dispatcher) -> None:
    for name, sender, weight in (("small", "+12025550101", 1), ("large", SENDER, 1_000)):
        await tenant(engine, name, sender)
        async with engine.begin() as connection:
            await connection.execute(
                text("UPDATE accounts SET weight = :weight WHERE name = :name"), {"weight": weight, "name": name}
            )
        await queue_messages(engine, sender=sender, messages=1_500)
    senders = Counter(each.send.sender for each in await claim_all(dispatcher, limit=64, claims=20))
    assert senders.total() == 20 * 64
    assert 1 <= senders["+12025550101"] <= 10


async def test_many_lanes_of_one_message_each_are_emptied_in_as_many_claims_as_their_size_asks_for(
    engine: Engine, dispatcher: Dispatcher
) -> None:
    await tenant(engine)
    await queue_messages(engine, sender=SENDER, messages=LANES, lanes=LANES)
    claimed = await claim_all(dispatcher, limit=64, claims=LANES // 64 + 10)
    assert len({each.send.sender for each in claimed}) == len(claimed) == LANES


async def test_lanes_whose_next_message_is_too_dear_now_hold_up_no_others(
    engine: Engine, dispatcher: Dispatcher
) -> None:
    await tenant(engine)
    await limit(engine, "rate = 0.001, burst = 6")
    await queue_messages(engine, sender=SENDER, messages=200, lanes=200)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE dispatch_queue SET segments = 6"))
        await connection.execute(text("UPDATE messages SET segments = 6"))
        # Half of the buckets hold three segments of the six.
        half = "SELECT id FROM senders ORDER BY address LIMIT 100"
        await connection.execute(text(f"UPDATE lanes SET arrival_at = now() + interval '50 min' WHERE id IN ({half})"))
    claimed = await claim_all(dispatcher, limit=64, claims=20)
    assert len(claimed) == 100


async def test_a_dear_code_is_not_overtaken_by_cheap_messages_of_its_sender(
    engine: Engine, dispatcher: Dispatcher
) -> None:
    await tenant(engine)
    await limit(engine, "rate = 0.001, burst = 6, arrival_at = now() + interval '50 min'")
    await queue_messages(engine, sender=SENDER, messages=10)
    async with engine.begin() as connection:
        one = "(SELECT message_id FROM dispatch_queue LIMIT 1)"
        await connection.execute(text(f"UPDATE dispatch_queue SET segments = 6, priority = 0 WHERE message_id = {one}"))
    assert await claim_all(dispatcher, limit=64, claims=3) == []


async def test_of_very_many_lanes_of_one_account_those_of_another_have_their_share(
    engine: Engine, dispatcher: Dispatcher
) -> None:
    await tenant(engine, "small", "+12025550101")
    await tenant(engine, "large", SENDER)
    await queue_messages(engine, sender=SENDER, messages=2_000, lanes=400)
    await queue_messages(engine, sender="+12025550101", messages=500)
    senders = Counter(each.send.sender for each in await claim_all(dispatcher, limit=64, claims=10))
    assert senders.total() == 640
    assert 256 <= senders["+12025550101"] <= 384  # half, but for turns that are dealt out and not yet taken
