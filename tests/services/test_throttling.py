"""A provider that throttles (429) is heeded by the whole lane."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Accepted, Deferred, ProviderFailure, SendOutcome
from app.domain.routing import RetryPolicy
from app.services.throttling import heed_throttling
from app.store.engine import Autocommit, Engine
from tests.services.conftest import Accept

THROTTLED = ProviderFailure(error=DeliveryError.RATE_LIMITED)
AWAY = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE), retry_after_seconds=60)


def told(seconds: float | None) -> Deferred:
    return Deferred(failure=THROTTLED, retry_after_seconds=seconds)


@pytest.fixture
async def messages(engine: Engine, accept: Accept) -> Sequence[UUID]:
    """Messages of one lane, which is a sender's."""
    ids = [await accept() for _ in range(3)]
    statement = """
        INSERT INTO lanes (id, account_id, provider, rate, burst)
        SELECT DISTINCT lane, '0192f3a0-1234-7abc-8def-0123456789ab'::uuid, 'sandbox', 100, 100 FROM dispatch_queue
        ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id, not_before = NULL, slow_since = NULL
    """
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    return ids


async def heed(engine: Engine, *outcomes: tuple[UUID, SendOutcome]) -> None:
    await heed_throttling(Autocommit(engine), dict(outcomes), RetryPolicy())


async def waits(engine: Engine) -> tuple[float, bool] | None:
    """Give for how long the lane waits, and whether it comes back gently then; None where it does not wait."""
    query = """
        SELECT extract(epoch FROM l.not_before - now()) AS seconds, l.slow_since = l.not_before AS gently
        FROM lanes AS l JOIN (SELECT DISTINCT lane FROM dispatch_queue) AS q ON q.lane = l.id
    """
    async with engine.connect() as connection:
        row = (await connection.execute(text(query))).one()
    return None if row.seconds is None else (float(row.seconds), row.gently)


@pytest.mark.parametrize(("asked", "seconds"), [(2, 2), (0, 1), (None, 1), (1e9, 900)])
async def test_the_lane_waits_within_bounds_and_comes_back_gently(
    engine: Engine, messages: Sequence[UUID], asked: float | None, seconds: float
) -> None:
    await heed(engine, (messages[0], told(asked)))
    waiting = await waits(engine)
    assert waiting is not None
    assert seconds - 1 < waiting[0] <= seconds
    assert waiting[1]


async def test_of_several_answers_at_once_the_longest_wait_counts_and_none_moves_it_back(
    engine: Engine, messages: Sequence[UUID]
) -> None:
    first, second, third = messages
    await asyncio.gather(
        heed(engine, (first, told(5)), (second, told(600))), *[heed(engine, (third, told(5))) for _ in range(4)]
    )
    await heed(engine, (third, told(2)))
    waiting = await waits(engine)
    assert waiting is not None
    assert 590 < waiting[0] <= 600


async def test_what_is_no_429_moves_no_lane(engine: Engine, messages: Sequence[UUID]) -> None:
    await heed(engine, (messages[0], AWAY), (messages[1], Accepted(provider_message_id="p-1")))
    assert await waits(engine) is None


async def test_the_lane_that_the_test_messages_of_all_senders_share_is_not_moved_by_one_of_them(
    engine: Engine, messages: Sequence[UUID]
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE lanes SET account_id = id"))
    await heed(engine, (messages[0], told(60)))
    assert await waits(engine) is None
