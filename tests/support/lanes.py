"""Lanes with messages that wait in them, written at once and as an accept would have left them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.store.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A lane and the account that it belongs to."""

    id: UUID
    account: UUID


async def execute(engine: Engine, statement: str, **values: Any) -> None:
    """Run one statement."""
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def make_account(engine: Engine, *, weight: float = 1) -> UUID:
    """Make an account without keys or senders."""
    account = uuid4()
    add = "INSERT INTO accounts (id, name, weight) VALUES (:id, :name, :weight)"
    await execute(engine, add, id=account, name=str(account), weight=weight)
    return account


async def make_lane(
    engine: Engine,
    account: UUID,
    *,
    rate: float = 100_000,
    burst: int = 100_000,
    provider: str = "sandbox",
    daily_cap: int | None = None,
    weight: float = 1,
) -> Lane:
    """Make a lane as one of its senders has it, with a full bucket."""
    lane = uuid4()
    add = """
        INSERT INTO lanes (id, account_id, provider, rate, burst, daily_cap, weight)
        VALUES (:id, :account, :provider, :rate, :burst, :daily_cap, :weight)
    """
    limits = {"provider": provider, "rate": rate, "burst": burst, "daily_cap": daily_cap, "weight": weight}
    await execute(engine, add, id=lane, account=account, **limits)
    return Lane(id=lane, account=account)


async def fill(engine: Engine, lane: Lane, count: int, *, rank: int = 1, segments: int = 1, work: str = "send") -> None:
    """Queue so many messages of one priority and length, due now, each a millisecond after the one before it."""
    add = """
        WITH message AS (
            INSERT INTO messages (id, account_id, direction, status, event_sequence, sender, recipient, body, encoding,
                                  segments, test, delivery_guarantee, provider, priority, expires_at)
            SELECT uuidv7(), :account, 'outbound', 'queued', 1, '+12025550100', '+12025550143', 'Hello', 'gsm-7',
                   :segments, false, 'at_most_once', 'sandbox', :rank, now() + interval '1 hour'
            FROM generate_series(1, :count)
            RETURNING id, expires_at
        ), event AS (
            INSERT INTO status_events (message_id, sequence, source, status, applied)
            SELECT id, 1, 'api', 'queued', true FROM message
        )
        INSERT INTO dispatch_queue (message_id, account_id, lane, priority, segments, work, due_at, expires_at)
        SELECT id, :account, :lane, :rank, :segments, :work,
               now() - interval '1 minute' + row_number() OVER (ORDER BY id) * interval '1 millisecond', expires_at
        FROM message
    """
    told = {"account": lane.account, "lane": lane.id, "rank": rank, "segments": segments, "work": work, "count": count}
    await execute(engine, add, **told)
