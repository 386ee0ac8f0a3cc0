"""The one place where a message's status changes: decisions applied in batches, by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Integer, Numeric, SmallInteger, Text, Uuid, bindparam, text
from sqlalchemy.types import TypeEngine

from app.domain.change import Billing, Change, Lease, LeaveQueue, Requeue
from app.domain.status import FINAL, MessageStatus
from app.store.engine import Connection


class ConcurrentChange(Exception):
    """A message was changed by somebody else since it was read: a missing row lock, so a bug of ours."""


# One statement, so that a status can never be written without its event, nor either without its attempt.
_APPLY: Final = """
WITH change AS (
    SELECT * FROM unnest(
        {parameters}
    ) AS c ({columns})
), message AS (
    UPDATE messages AS m SET
        status = c.status,
        event_sequence = c.sequence,
        attempts = c.attempts,
        possible_duplicate = c.possible_duplicate,
        error_code = c.error_code,
        updated_at = now(),
        sent_at = CASE WHEN c.reached_provider THEN coalesce(m.sent_at, now()) ELSE m.sent_at END,
        price = coalesce(c.price, m.price),
        price_currency = coalesce(c.price_currency, m.price_currency),
        billed_segments = coalesce(c.billed_segments, m.billed_segments),
        final_at = CASE WHEN c.final THEN coalesce(m.final_at, now()) END
    FROM change AS c
    WHERE m.id = c.message_id AND m.status = c.expected_status AND m.event_sequence = c.expected_sequence
        AND m.id BETWEEN :lowest AND :highest
    RETURNING m.id
), applied AS (
    SELECT c.* FROM change AS c JOIN message ON message.id = c.message_id
), event AS (
    INSERT INTO status_events (message_id, sequence, source, previous, status, applied, reason, attempt, error_code,
                               provider_status, provider_code, reported_at)
    SELECT message_id, sequence, source, expected_status, said, was_applied, reason, attempt, event_error,
           provider_status, provider_code, reported_at
    FROM applied
), attempt AS (
    INSERT INTO attempts AS a (message_id, no, provider, phase, fence, provider_message_id, inquiries, resent_at,
                               absent_since)
    SELECT message_id, attempt, provider, phase, fence, provider_message_id, inquiries, resent_at, absent_since
    FROM applied WHERE attempt IS NOT NULL
    ON CONFLICT (message_id, no) DO UPDATE SET
        phase = excluded.phase,
        fence = excluded.fence,
        provider_message_id = excluded.provider_message_id,
        inquiries = excluded.inquiries,
        resent_at = excluded.resent_at,
        absent_since = excluded.absent_since,
        updated_at = now()
), leaving AS (
    DELETE FROM dispatch_queue AS q USING applied AS c WHERE q.message_id = c.message_id AND c.queue = 'leave'
), staying AS (
    UPDATE dispatch_queue AS q SET
        work = coalesce(c.work, q.work),
        due_at = coalesce(c.due_at, q.due_at),
        tries = coalesce(c.tries, q.tries),
        crashes = coalesce(c.crashes, q.crashes),
        worker = c.worker,
        leased_until = c.leased_until
    FROM applied AS c WHERE q.message_id = c.message_id AND c.queue = 'stay'
)
SELECT count(*) FROM message
"""

_MOMENT: Final = DateTime(timezone=True)
_COLUMNS: Final[dict[str, TypeEngine[Any]]] = {
    "message_id": Uuid(),
    "expected_status": Text(),
    "expected_sequence": Integer(),
    "status": Text(),
    "sequence": Integer(),
    "attempts": SmallInteger(),
    "possible_duplicate": Boolean(),
    "error_code": Text(),
    "reached_provider": Boolean(),
    "final": Boolean(),
    "source": Text(),
    "said": Text(),
    "was_applied": Boolean(),
    "reason": Text(),
    "event_error": Text(),
    "provider_status": Text(),
    "provider_code": Text(),
    "reported_at": _MOMENT,
    "attempt": SmallInteger(),
    "provider": Text(),
    "phase": Text(),
    "fence": BigInteger(),
    "provider_message_id": Text(),
    "inquiries": SmallInteger(),
    "resent_at": _MOMENT,
    "absent_since": _MOMENT,
    "price": Numeric(),
    "price_currency": Text(),
    "billed_segments": SmallInteger(),
    "queue": Text(),
    "work": Text(),
    "due_at": _MOMENT,
    "tries": SmallInteger(),
    "crashes": SmallInteger(),
    "leased_until": _MOMENT,
    "worker": Integer(),
}
_STATEMENT: Final = text(
    _APPLY.format(parameters=", ".join(f":{name}" for name in _COLUMNS), columns=", ".join(_COLUMNS))
).bindparams(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _COLUMNS.items()))

_OF_THE_QUEUE: Final = ("queue", "work", "due_at", "tries", "crashes", "leased_until", "worker")
_REACHED_PROVIDER: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.UNDELIVERED})


async def apply_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """Write decisions on messages whose rows the caller has locked.

    Several changes of one message are applied in the order given. Raises `ConcurrentChange`, and so
    rolls back, if any message is not as the decision saw it.
    """
    for batch in _rounds(changes):
        rows = [_row(change) for change in batch]
        ids = [change.message_id for change in batch]
        values: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
        written = await connection.scalar(_STATEMENT, {**values, "lowest": min(ids), "highest": max(ids)})
        if written != len(batch):
            raise ConcurrentChange


def _rounds(changes: Iterable[Change]) -> list[list[Change]]:
    """Split so that no statement changes one message twice."""
    rounds: list[list[Change]] = []
    seen: dict[UUID, int] = {}
    for change in changes:
        position = seen.get(change.message_id, 0)
        seen[change.message_id] = position + 1
        if position == len(rounds):
            rounds.append([])
        rounds[position].append(change)
    return rounds


def _row(change: Change) -> dict[str, Any]:
    event, attempt = change.event, change.attempt
    return {
        "message_id": change.message_id,
        "expected_status": change.expected_status.value,
        "expected_sequence": change.expected_sequence,
        "status": change.status.value,
        "sequence": event.sequence,
        "attempts": change.attempts,
        "possible_duplicate": change.possible_duplicate,
        "error_code": change.error,
        "reached_provider": change.status in _REACHED_PROVIDER,
        "final": change.status in FINAL,
        "source": event.source.value,
        "said": event.status.value,
        "was_applied": event.applied,
        "reason": event.reason,
        "event_error": event.error,
        "provider_status": event.provider_status,
        "provider_code": event.provider_code,
        "reported_at": event.reported_at,
        "attempt": attempt.number if attempt else None,
        "provider": attempt.provider if attempt else None,
        "phase": attempt.phase.value if attempt else None,
        "fence": attempt.fence if attempt else None,
        "provider_message_id": attempt.provider_message_id if attempt else None,
        "inquiries": attempt.inquiries if attempt else None,
        "resent_at": attempt.resent_at if attempt else None,
        "absent_since": attempt.absent_since if attempt else None,
        **_billing_columns(change.billing),
        **_queue_columns(change),
    }


def _billing_columns(billing: Billing | None) -> dict[str, Any]:
    price = billing.price if billing else None
    return {
        "price": price.amount if price else None,
        "price_currency": price.currency if price else None,
        "billed_segments": billing.segments if billing else None,
    }


def _queue_columns(change: Change) -> dict[str, Any]:
    columns: dict[str, Any] = dict.fromkeys(_OF_THE_QUEUE)
    match change.queue:
        case LeaveQueue():
            columns["queue"] = "leave"
        case Lease(until=until, worker=worker):
            columns |= {"queue": "stay", "leased_until": until, "worker": worker}
        case Requeue(work=work, due_at=due_at, tries=tries, crashes=crashes):
            columns |= {"queue": "stay", "work": work.value, "due_at": due_at, "tries": tries, "crashes": crashes}
        case None:
            pass
    return columns
