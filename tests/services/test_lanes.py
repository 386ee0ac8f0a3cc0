"""Claims over lanes, on a real database: rates, caps, turns and pauses, over several claimers at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain.change import Work
from app.services.claiming import Claimed, Claims
from app.store.engine import Engine
from tests.support.lanes import Lane, execute, fill, make_account, make_lane

OTP, TRANSACTIONAL, BULK = 0, 1, 2
LEASE = timedelta(seconds=30)


def claimer(engine: Engine) -> Claims:
    """Give what one worker claims with."""
    return Claims(engine, lease=LEASE, poison_crashes=3, worker=lambda: None)


def lanes_of(claimed: Sequence[Claimed]) -> Counter[UUID]:
    return Counter(each.due.lane for each in claimed)


async def drained(claims: Claims, *, limit: int = 64) -> list[Claimed]:
    """Claim until nothing may go any more at this moment, or nearly."""
    taken: list[Claimed] = []
    while claimed := await claims.take(limit=limit):
        taken += claimed
    return taken


async def one(engine: Engine, query: str, **values: object) -> object:
    async with engine.connect() as connection:
        return await connection.scalar(text(query), values)


async def test_several_claimers_together_keep_to_the_rate_of_a_lane(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=40, burst=10)
    await fill(engine, lane, 300)
    claimers = [claimer(engine) for _ in range(4)]
    started, until = time.monotonic(), time.monotonic() + 2

    async def claim(claims: Claims) -> list[Claimed]:
        taken: list[Claimed] = []
        while time.monotonic() < until:
            taken += await claims.take(limit=16)
            await asyncio.sleep(0.005)
        return taken

    taken = [each for claimed in await asyncio.gather(*map(claim, claimers)) for each in claimed]
    elapsed = time.monotonic() - started
    assert len({each.due.state.id for each in taken}) == len(taken)
    assert 10 <= len(taken) <= 40 * elapsed + 10
    assert _worst_window(sorted(each.due.now.timestamp() for each in taken), rate=40) <= 10 + 1e-6


def _worst_window(moments: Sequence[float], *, rate: float) -> float:
    """Give what the fullest window holds beyond its rate."""
    pairs = ((first, last) for first in range(len(moments)) for last in range(first, len(moments)))
    return max(last - first + 1 - rate * (moments[last] - moments[first]) for first, last in pairs)


async def test_a_message_dearer_than_the_burst_goes_and_keeps_back_what_follows(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=1, burst=2)
    await fill(engine, lane, 1, segments=5)
    await fill(engine, lane, 3)
    assert [each.due.segments for each in await drained(claimer(engine))] == [5]
    owed = await one(engine, "SELECT extract(epoch FROM arrival_at - now())::float8 FROM lanes")
    assert 4 < float(str(owed)) <= 5


async def test_a_lane_sends_what_is_urgent_first_whatever_was_there_before(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=0.001, burst=5)
    for rank in (BULK, TRANSACTIONAL, OTP):
        await fill(engine, lane, 2, rank=rank)
    claimed = await drained(claimer(engine))
    assert [each.due.rank for each in claimed] == [OTP, OTP, TRANSACTIONAL, TRANSACTIONAL, BULK]


async def test_a_code_is_not_behind_a_thousand_bulk_messages_of_another_account(engine: Engine) -> None:
    bulk = await make_lane(engine, await make_account(engine))
    codes = await make_lane(engine, await make_account(engine))
    await fill(engine, bulk, 1000, rank=BULK)
    claims = claimer(engine)
    assert len(await claims.take(limit=16)) == 16
    await fill(engine, codes, 1, rank=OTP)
    await asyncio.sleep(0.5)
    assert codes.id in lanes_of(await claims.take(limit=16))


async def test_places_that_are_kept_for_codes_are_given_to_nothing_else(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine))
    await fill(engine, lane, 20)
    claims = claimer(engine)
    assert await claims.take(limit=16, others=0) == []
    await fill(engine, lane, 3, rank=OTP)
    claimed = await claimer(engine).take(limit=16, others=4)
    assert Counter(each.due.rank for each in claimed) == {OTP: 3, TRANSACTIONAL: 4}


async def test_accounts_share_by_their_weights(engine: Engine) -> None:
    light = await make_lane(engine, await make_account(engine))
    heavy = await make_lane(engine, await make_account(engine, weight=3))
    for lane in (light, heavy):
        await fill(engine, lane, 300)
    claims, taken = claimer(engine), Counter[UUID]()
    for _ in range(20):
        taken += lanes_of(await claims.take(limit=16))
    assert (taken.total(), abs(taken[heavy.id] - 240) <= 16) == (320, True)


async def test_a_day_ends_a_lane_that_has_a_cap(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), daily_cap=5)
    await fill(engine, lane, 4, segments=2)
    claims = claimer(engine)
    assert len(await drained(claims)) == 2
    await execute(engine, "UPDATE lanes SET day = day - 1")
    assert len(await drained(claims)) == 2


PAUSES = {
    "lane": "UPDATE lanes SET paused_at = now() WHERE id = :lane",
    "account": "UPDATE accounts SET paused_at = now() WHERE id = :account",
    "provider": "INSERT INTO provider_accounts (name, paused_at) SELECT provider, now() FROM lanes WHERE id = :lane",
    "circuit": "INSERT INTO circuits (provider, state, open_until) "
    "SELECT provider, 'open', now() + interval '1 minute' FROM lanes WHERE id = :lane",
    "trial": "INSERT INTO circuits (provider, state, trial_until) "
    "SELECT provider, 'half_open', now() + interval '1 minute' FROM lanes WHERE id = :lane",
    "wait": "UPDATE lanes SET not_before = now() + interval '1 minute' WHERE id = :lane",
}


@pytest.mark.parametrize("what", list(PAUSES))
async def test_what_is_paused_waits_and_the_others_go_on(engine: Engine, what: str) -> None:
    held = await make_lane(engine, await make_account(engine), provider="held")
    other = await make_lane(engine, await make_account(engine))
    for lane in (held, other):
        await fill(engine, lane, 3)
    await _hold(engine, held, what)
    claims = claimer(engine)
    assert lanes_of(await drained(claims)) == {other.id: 3}
    await fill(engine, held, 1, work="send_alone")
    assert not await claims.has_lone(())


async def _hold(engine: Engine, lane: Lane, what: str) -> None:
    statement = PAUSES[what]
    values = {"lane": lane.id, "account": lane.account}
    await execute(engine, statement, **{name: value for name, value in values.items() if f":{name}" in statement})


async def test_a_changed_rate_counts_from_the_next_claim_on(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=0.001, burst=1)
    await fill(engine, lane, 50)
    claims = claimer(engine)
    assert len(await drained(claims)) == 1
    await execute(engine, "UPDATE lanes SET rate = 1000, burst = 20, arrival_at = now()")
    assert len(await claims.take(limit=64)) == 20


async def test_a_provider_keeps_to_its_rate_over_all_its_lanes_and_claimers(engine: Engine) -> None:
    await execute(engine, "INSERT INTO provider_accounts (name, rate, burst) VALUES ('narrow', 0.01, 7)")
    lanes = [await make_lane(engine, await make_account(engine), provider="narrow") for _ in range(3)]
    for lane in lanes:
        await fill(engine, lane, 10)
    claimed = await asyncio.gather(*(drained(claimer(engine)) for _ in range(4)))
    assert sum(map(len, claimed)) == 7
    owed = await one(engine, "SELECT extract(epoch FROM arrival_at - now())::float8 FROM provider_accounts")
    assert 690 < float(str(owed)) <= 700


async def test_no_more_calls_are_in_flight_than_a_provider_takes(engine: Engine) -> None:
    await execute(engine, "INSERT INTO provider_accounts (name, in_flight_cap) VALUES ('narrow', 5)")
    lanes = [await make_lane(engine, await make_account(engine), provider="narrow") for _ in range(2)]
    for lane in lanes:
        await fill(engine, lane, 10)
    claimers = [claimer(engine) for _ in range(2)]
    claimed = [each for claims in await asyncio.gather(*map(drained, claimers)) for each in claims]
    assert len(claimed) == 5
    ended = "DELETE FROM dispatch_queue WHERE message_id = ANY(:ids)"
    await execute(engine, ended, ids=[each.due.state.id for each in claimed[:2]])
    assert len([each for claims in await asyncio.gather(*map(drained, claimers)) for each in claims]) == 2


async def test_a_circuit_that_was_open_for_long_enough_lets_one_message_through(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), provider="doubtful")
    await fill(engine, lane, 10)
    await execute(engine, "INSERT INTO circuits (provider, state, open_until) VALUES ('doubtful', 'open', now())")
    claimed = await asyncio.gather(*(drained(claimer(engine)) for _ in range(3)))
    assert sum(map(len, claimed)) == 1
    assert await one(engine, "SELECT state FROM circuits WHERE trial_until > now()") == "half_open"


async def test_a_provider_that_has_just_come_back_is_used_gently(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), provider="back")
    await fill(engine, lane, 50)
    await execute(engine, "INSERT INTO circuits (provider, slow_since) VALUES ('back', now() - interval '3 seconds')")
    assert 8 <= len(await drained(claimer(engine))) <= 12


async def test_a_lane_that_was_moved_to_another_provider_sends_through_that(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), provider="other")
    await fill(engine, lane, 1)
    [claimed] = await claimer(engine).take(limit=1)
    assert claimed.due.provider == "other"
    assert await one(engine, "SELECT provider FROM messages") == "other"
    assert await one(engine, "SELECT provider FROM attempts") == "other"


async def test_what_goes_out_by_itself_is_charged_to_its_lane_and_waits_for_it(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=0.001, burst=1)
    await fill(engine, lane, 2, work="send_alone")
    claims = claimer(engine)
    assert await claims.has_lone(())
    claimed = await claims.take(limit=1, work=Work.SEND_ALONE)
    assert len(claimed) == 1
    assert not await claims.has_lone(())
    assert await claims.take(limit=1, work=Work.SEND_ALONE) == []


async def test_stale_messages_use_up_nothing_of_their_lane(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=0.001, burst=5)
    await fill(engine, lane, 4)
    await execute(engine, "UPDATE messages SET expires_at = now()")
    await fill(engine, lane, 5)
    await execute(
        engine,
        "UPDATE dispatch_queue SET due_at = now() WHERE message_id IN "
        "(SELECT id FROM messages WHERE expires_at > now())",
    )
    assert len(await drained(claimer(engine))) == 5


async def test_a_claim_tells_when_a_lane_that_waits_may_go_on(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine), rate=2, burst=1)
    await fill(engine, lane, 2)
    claims = claimer(engine)
    assert len(await drained(claims)) == 1
    assert 0.3 < claims.take_ready_at() - time.monotonic() <= 0.5
    assert claims.take_ready_at() == float("inf")


async def test_a_thousand_lanes_all_have_their_turn(engine: Engine) -> None:
    account = await make_account(engine)
    await execute(
        engine,
        "INSERT INTO lanes (id, account_id, provider, rate, burst) "
        "SELECT gen_random_uuid(), :account, 'sandbox', 1, 1 FROM generate_series(1, 1000)",
        account=account,
    )
    async with engine.connect() as connection:
        lanes = [Lane(id=row.id, account=account) for row in await connection.execute(text("SELECT id FROM lanes"))]
    for lane in lanes[::20]:
        await fill(engine, lane, 2)
    claims, taken = claimer(engine), Counter[UUID]()
    while taken.total() < 50:
        claimed = await claims.take(limit=16)
        assert claimed
        taken += lanes_of(claimed)
    assert set(taken) == {lane.id for lane in lanes[::20]}


async def test_a_sender_that_an_older_version_added_gets_its_lane_from_the_first_claim(engine: Engine) -> None:
    lane = await make_lane(engine, await make_account(engine))
    await fill(engine, lane, 3)
    await execute(engine, "DELETE FROM lanes WHERE id = :id", id=lane.id)
    add = """
        INSERT INTO senders (id, account_id, address, number_type, provider, rate)
        VALUES (:id, :account, '+12025550199', '10dlc', 'sandbox', 2)
    """
    await execute(engine, add, id=lane.id, account=lane.account)
    assert lanes_of(await claimer(engine).take(limit=16))[lane.id]


async def test_dear_messages_are_not_starved_by_cheap_ones_at_a_provider_that_takes_little(engine: Engine) -> None:
    await execute(engine, "INSERT INTO provider_accounts (name, rate, burst) VALUES ('narrow', 40, 3)")
    dear, cheap = [await make_lane(engine, await make_account(engine), provider="narrow") for _ in range(2)]
    await fill(engine, cheap, 400)
    await fill(engine, dear, 5, segments=3)
    claims, taken = claimer(engine), Counter[UUID]()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        taken += lanes_of(await claims.take(limit=16))
        await asyncio.sleep(0.005)
    assert taken[dear.id]
    assert taken[cheap.id]
