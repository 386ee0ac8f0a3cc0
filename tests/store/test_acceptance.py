"""Accepting in batches: what one statement stores, what repeats find, and what retries never do twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.domain.encoding import Encoding
from app.domain.ids import lowest_id
from app.domain.message import DeliveryGuarantee, NewMessage
from app.services.identity import new_id
from app.store.acceptance import Earlier, IdempotencyKey, Stored, Submission, accept, find_earlier
from app.store.engine import Autocommit, Engine, StoreUnavailable

ACCOUNT = uuid4()


@pytest.fixture
def writing(engine: Engine) -> Autocommit:
    return Autocommit(engine)


def submission(key: str | None = None, *, fingerprint: bytes = b"one", **change: Any) -> Submission:
    message = NewMessage(
        **{
            "id": new_id(ACCOUNT),
            "account_id": ACCOUNT,
            "sender": "+12025550100",
            "recipient": "+12025550123",
            "body": "Hello",
            "encoding": Encoding.GSM_7,
            "segments": 1,
            "client_reference": None,
            "metadata": {},
            "delivery_guarantee": DeliveryGuarantee.AT_MOST_ONCE,
            "provider": "sandbox",
            "lane": ACCOUNT,
            "priority": 1,
            "pool": None,
            "test": True,
            "created_at": datetime.now(UTC),
            "send_at": None,
            "expires_at": None,
            "validity_seconds": 60,
            **change,
        }
    )
    bound = IdempotencyKey(account_id=ACCOUNT, test=message.test, key=key, fingerprint=fingerprint) if key else None
    return Submission(message=message, key=bound)


async def rows(engine: Engine) -> list[int]:
    """Count messages, first events, queue rows and keys."""
    tables = ("messages", "status_events", "dispatch_queue", "idempotency_keys")
    async with engine.connect() as connection:
        return [await connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in tables]


def first_id(outcome: Stored | Earlier) -> UUID:
    assert isinstance(outcome, Earlier)
    assert outcome.message is not None
    return outcome.message.id


async def test_a_batch_is_stored_in_one_statement_at_one_moment(engine: Engine, writing: Autocommit) -> None:
    outcomes = await accept(writing, [submission(), submission("a"), submission("b")])
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert len(set(outcomes)) == 1
    assert await rows(engine) == [3, 3, 3, 2]


async def test_of_equal_keys_in_a_batch_the_first_is_stored_and_the_others_find_it(
    engine: Engine, writing: Autocommit
) -> None:
    batch = [submission("a"), submission("a"), submission("a", fingerprint=b"two"), submission("b")]
    stored, repeat, other_body, _ = await accept(writing, batch)
    assert isinstance(stored, Stored)
    assert first_id(repeat) == first_id(other_body) == batch[0].message.id
    assert isinstance(other_body, Earlier)
    assert other_body.fingerprint == b"one"
    assert await rows(engine) == [2, 2, 2, 2]


async def test_test_and_live_messages_do_not_share_keys(writing: Autocommit) -> None:
    outcomes = await accept(writing, [submission("a"), submission("a", test=False)])
    assert all(isinstance(outcome, Stored) for outcome in outcomes)


async def test_a_batch_that_is_given_again_writes_nothing_twice(engine: Engine, writing: Autocommit) -> None:
    batch = [submission(), submission("a"), submission()]
    await accept(writing, batch)
    again = await accept(writing, [*batch, submission()])
    assert [first_id(outcome) for outcome in again[:3]] == [item.message.id for item in batch]
    assert isinstance(again[3], Stored)
    assert await rows(engine) == [4, 4, 4, 1]


async def test_a_key_can_be_read_without_binding_it(writing: Autocommit) -> None:
    bound, free = submission("a"), submission("b")
    await accept(writing, [bound])
    assert bound.key
    assert free.key
    earlier = await find_earlier(writing, bound.key)
    assert earlier is not None
    assert first_id(earlier) == bound.message.id
    assert await find_earlier(writing, free.key) is None


async def test_a_message_for_later_waits_until_then_and_its_validity_counts_from_then(
    engine: Engine, writing: Autocommit
) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    just_now = datetime.now(UTC) - timedelta(seconds=5)
    await accept(writing, [submission(send_at=later), submission(send_at=just_now)])
    async with engine.connect() as connection:
        found = (
            await connection.execute(
                text(
                    "SELECT m.status, m.send_at, e.status AS first, q.due_at, m.expires_at FROM messages AS m "
                    "JOIN status_events AS e ON e.message_id = m.id JOIN dispatch_queue AS q ON q.message_id = m.id "
                    "ORDER BY m.send_at NULLS LAST"
                )
            )
        ).all()
    scheduled, queued = found
    assert tuple(scheduled) == ("scheduled", later, "scheduled", later, later + timedelta(seconds=60))
    assert (queued.status, queued.send_at, queued.first) == ("queued", None, "queued")
    assert queued.expires_at - queued.due_at == timedelta(seconds=60)


async def test_a_month_without_a_partition_is_an_outage_and_no_bug(writing: Autocommit) -> None:
    in_ten_years = datetime.now(UTC) + timedelta(days=3650)
    with pytest.raises(StoreUnavailable):
        await accept(writing, [submission(id=lowest_id(in_ten_years))])


async def test_processes_that_share_keys_in_any_order_never_block_each_other(
    engine: Engine, writing: Autocommit
) -> None:
    keys = [f"key-{number}" for number in range(40)]

    async def batches(seed: int) -> list[Stored | Earlier]:
        shuffled = random.Random(seed)  # noqa: S311 - the same order in each run, no secret
        outcomes: list[Stored | Earlier] = []
        for _ in range(5):
            outcomes += await accept(writing, [submission(key) for key in shuffled.sample(keys, 20)])
        return outcomes

    outcomes = [outcome for group in await asyncio.gather(*map(batches, range(6))) for outcome in group]
    counts = Counter(type(outcome) for outcome in outcomes)
    stored, messages = counts[Stored], (await rows(engine))[0]
    assert stored == messages <= len(keys)
    assert all(outcome.message is not None for outcome in outcomes if isinstance(outcome, Earlier))
