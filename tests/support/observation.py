"""Reads what is known of a run, from the database in one snapshot and from the sandbox over HTTP, as plain facts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

import httpx
from sqlalchemy import Row, text

from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.store.engine import Engine, transaction
from tests.support.batches import Planned
from tests.support.invariants import Event, Message, Run, Submission
from tests.support.load import Load
from tests.support.processes import Fleet

_POLL_SECONDS: Final = 0.2

_MESSAGES: Final = """
SELECT id, client_reference, provider, status, error_code, delivery_guarantee, attempts, possible_duplicate, expires_at,
    (SELECT count(*) FROM attempts WHERE message_id = messages.id AND phase IN ('started', 'unknown')) AS open_attempts
FROM messages ORDER BY id
"""
_EVENTS: Final = """
SELECT message_id, sequence, source, previous, status, applied, reason, attempt, provider_status
FROM status_events ORDER BY message_id, sequence
"""
_QUEUED: Final = "SELECT message_id FROM dispatch_queue WHERE work <> 'reconcile'"
"""What is only looked up later is at rest: nothing has to come of it."""

_AT_REST: Final = """
SELECT NOT EXISTS (SELECT FROM dispatch_queue WHERE work <> 'reconcile')
    AND NOT EXISTS (SELECT FROM webhook_receipts WHERE state = 'pending')
    AND NOT EXISTS (
        SELECT FROM messages WHERE status IN ('queued', 'sending') OR (status = 'sent' AND NOT recipient = ANY(:silent))
    )
"""


async def count(engine: Engine, query: str, **values: Any) -> int:
    """Run a query that gives one number."""
    async with transaction(engine) as connection:
        return int(await connection.scalar(text(query), values) or 0)


async def until(engine: Engine, fleet: Fleet, query: str, at_least: int, *, within_seconds: float = 60) -> None:
    """Wait until a query gives this number or more; fails when it does not in time, or when a process ends."""
    deadline = time.monotonic() + within_seconds
    while (number := await count(engine, query)) < at_least:
        fleet.check_alive()
        assert time.monotonic() < deadline, f"{number} instead of {at_least}: {query}"
        await asyncio.sleep(0.02)


async def settled(
    engine: Engine, fleet: Fleet, load: Load, batch: Iterable[Planned], *, within_seconds: float = 150
) -> Run:
    """Wait until nothing is left to do and give what is known then; at the deadline, what is known anyway."""
    silent = [planned.recipient for planned in batch if planned.is_silent]
    deadline = time.monotonic() + within_seconds
    while not await _is_at_rest(engine, silent) and time.monotonic() < deadline:
        fleet.check_alive()
        await asyncio.sleep(_POLL_SECONDS)
    return await observe(engine, fleet, load)


async def observe(engine: Engine, fleet: Fleet, load: Load) -> Run:
    """Give what is known of a run now."""
    run = await our_side(engine, load)
    submissions, inbox = await _provider_side(fleet)
    return replace(run, submissions=submissions, inbox=inbox)


async def our_side(engine: Engine, load: Load) -> Run:
    """Give what clients were told and what the database holds; nothing of what a provider saw."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        messages = (await connection.execute(text(_MESSAGES))).all()
        events = (await connection.execute(text(_EVENTS))).all()
        queued = (await connection.execute(text(_QUEUED))).scalars().all()
        pending = await connection.scalar(text("SELECT count(*) FROM webhook_receipts WHERE state = 'pending'"))
        orphans = await connection.scalar(text("SELECT count(*) FROM orphan_reports"))
    histories = {key: list(rows) for key, rows in groupby(events, key=lambda row: row.message_id)}
    return Run(
        acknowledged=frozenset(load.acknowledged.values()),
        messages=tuple(_message(row, histories.get(row.id, [])) for row in messages),
        submissions=(),
        inbox=(),
        queued=frozenset(str(identifier) for identifier in queued),
        pending_receipts=pending or 0,
        orphan_reports=orphans or 0,
        contradictions=tuple(load.contradictions),
    )


async def duplicates(fleet: Fleet) -> list[dict[str, Any]]:
    """Give the messages that the sandbox took more than once, by its own count."""
    async with httpx.AsyncClient(base_url=fleet.sandbox_url, trust_env=False, timeout=20) as client:
        found: list[dict[str, Any]] = (await client.get("/sandbox/submissions/duplicates")).json()["duplicates"]
    return found


async def _provider_side(fleet: Fleet) -> tuple[tuple[Submission, ...], tuple[str, ...]]:
    async with httpx.AsyncClient(base_url=fleet.sandbox_url, trust_env=False, timeout=20) as client:
        seen = (await client.get("/sandbox/submissions")).json()["submissions"]
        texts = (await client.get("/sandbox/inbox", params={"limit": 100_000})).json()["messages"]
    submissions = tuple(Submission(message=_of(entry), taken=entry["taken"]) for entry in seen)
    return submissions, tuple(_of(entry) for entry in texts)


def _of(entry: dict[str, Any]) -> str:
    """Name the message of a reference `<message id>.<attempt>`."""
    return str(entry["reference"]).partition(".")[0]


async def _is_at_rest(engine: Engine, silent: list[str]) -> bool:
    async with transaction(engine) as connection:
        return bool(await connection.scalar(text(_AT_REST), {"silent": silent}))


def _message(row: Row[Any], history: Iterable[Row[Any]]) -> Message:
    return Message(
        id=str(row.id),
        reference=row.client_reference,
        status=MessageStatus(row.status),
        guarantee=DeliveryGuarantee(row.delivery_guarantee),
        error=row.error_code,
        attempts=row.attempts,
        open_attempts=row.open_attempts,
        possible_duplicate=row.possible_duplicate,
        expires_at=row.expires_at,
        provider=row.provider,
        events=tuple(_event(event) for event in history),
    )


def _event(row: Row[Any]) -> Event:
    return Event(
        sequence=row.sequence,
        source=row.source,
        previous=MessageStatus(row.previous) if row.previous else None,
        status=MessageStatus(row.status),
        applied=row.applied,
        reason=row.reason,
        attempt=row.attempt,
        word=row.provider_status,
    )
