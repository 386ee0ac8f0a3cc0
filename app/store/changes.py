"""The one place where a message's status changes: decisions applied in batches, by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, DateTime, SmallInteger, Text, Uuid, bindparam, text

from app.domain.change import Billing, Change, Lease, LeaveQueue, QueueStep, Requeue, Route
from app.domain.message import AttemptState
from app.domain.status import FINAL, MessageStatus
from app.store.engine import Connection


class ConcurrentChange(Exception):
    """A message was changed by somebody else since it was read: a missing row lock, so a bug of ours."""


_DECIDED: Final = """
    SELECT * FROM json_to_recordset($1::json) AS c (
        message_id uuid, expected_status text, expected_sequence integer, status text, sequence integer,
        attempts smallint, possible_duplicate boolean, error_code text, reached_provider boolean, final boolean,
        source text, said text, was_applied boolean, reason text, event_error text, provider_status text,
        provider_code text, reported_at timestamptz, attempt smallint, provider text, phase text, fence bigint,
        provider_message_id text, inquiries smallint, resent_at timestamptz, resending boolean,
        absent_since timestamptz, price numeric, price_currency text, billed_segments smallint, queue text, work text,
        due_at timestamptz, tries smallint, crashes smallint, leased_until timestamptz, worker integer,
        from_sender text, to_sender text, to_provider text, to_lane uuid
    )
"""

# One statement, so that a status can never be written without its event, nor either without its attempt.
_WRITTEN: Final = """
applied AS (
    UPDATE messages AS m SET
        status = c.status,
        event_sequence = c.sequence,
        attempts = c.attempts,
        possible_duplicate = c.possible_duplicate,
        error_code = c.error_code,
        sender = coalesce(c.to_sender, m.sender),
        provider = coalesce(c.to_provider, CASE WHEN c.phase = 'started' THEN c.provider END, m.provider),
        updated_at = now(),
        sent_at = CASE WHEN c.reached_provider THEN coalesce(m.sent_at, now()) ELSE m.sent_at END,
        price = coalesce(c.price, m.price),
        price_currency = coalesce(c.price_currency, m.price_currency),
        billed_segments = coalesce(c.billed_segments, m.billed_segments),
        final_at = CASE WHEN c.final THEN coalesce(m.final_at, now()) END
    FROM change AS c
    WHERE m.id = c.message_id AND m.status = c.expected_status AND m.event_sequence = c.expected_sequence
    RETURNING c.*
), event AS (
    INSERT INTO status_events (message_id, sequence, source, previous, status, applied, reason, attempt, error_code,
                               provider_status, provider_code, reported_at, from_sender, to_sender)
    SELECT message_id, sequence, source, expected_status, said, was_applied, reason, attempt, event_error,
           provider_status, provider_code, reported_at, from_sender, to_sender
    FROM applied
), attempt AS (
    INSERT INTO attempts AS a (message_id, no, provider, phase, fence, provider_message_id, inquiries, resent_at,
                               resending, absent_since)
    SELECT message_id, attempt, provider, phase, fence, provider_message_id, inquiries, resent_at, resending,
           absent_since
    FROM applied WHERE attempt IS NOT NULL
    ON CONFLICT (message_id, no) DO UPDATE SET
        phase = excluded.phase,
        fence = excluded.fence,
        provider_message_id = excluded.provider_message_id,
        inquiries = excluded.inquiries,
        resent_at = excluded.resent_at,
        resending = excluded.resending,
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
        lane = coalesce(c.to_lane, q.lane),
        worker = c.worker,
        leased_until = c.leased_until
    FROM applied AS c WHERE q.message_id = c.message_id AND c.queue = 'stay'
)
"""

_APPLY: Final = f"WITH change AS ({_DECIDED}), {_WRITTEN} SELECT count(*) FROM applied"  # noqa: S608 - constants of this module

# Nobody has locked the messages, so it is done here, in the order in which everybody does who locks several.
_APPLY_TO_UNTOUCHED: Final = f"""
WITH locked AS MATERIALIZED (
    SELECT id FROM messages WHERE id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
), change AS (
    SELECT decided.* FROM ({_DECIDED}) AS decided WHERE (SELECT count(*) FROM locked) > 0
), {_WRITTEN}
SELECT message_id FROM change WHERE message_id NOT IN (SELECT message_id FROM applied)
"""  # noqa: S608 - constants of this module

_TAKE_UP_AGAIN: Final = text(
    """
    INSERT INTO dispatch_queue (message_id, account_id, lane, work, due_at, crashes)
    SELECT m.id, m.account_id, coalesce(s.id, m.account_id), again.work, again.due_at, again.crashes
    FROM unnest(:ids, :works, :due_at, :crashes) AS again (id, work, due_at, crashes)
    JOIN messages AS m ON m.id = again.id
    LEFT JOIN senders AS s ON NOT m.test AND s.account_id = m.account_id AND s.address = m.sender
    ON CONFLICT (message_id) DO NOTHING
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("works", type_=ARRAY(Text)),
    bindparam("due_at", type_=ARRAY(DateTime(timezone=True))),
    bindparam("crashes", type_=ARRAY(SmallInteger)),
)
_REACHED_PROVIDER: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.UNDELIVERED})


async def apply_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """Write decisions on messages whose rows the caller has locked.

    Several changes of one message are applied in the order given. Raises `ConcurrentChange`, and so
    rolls back, if any message is not as the decision saw it.
    """
    for batch in _rounds(changes):
        written = (await connection.exec_driver_sql(_APPLY, (_document(batch),))).scalar_one()
        if written != len(batch):
            raise ConcurrentChange
        await _take_up_again(connection, batch)


async def _take_up_again(connection: Connection, changes: Sequence[Change]) -> None:
    """Queue what had left the queue: more is known of it now and it is to be looked up, or it was redriven."""
    again = {
        change.message_id: change.queue
        for change in changes
        if change.expected_status in FINAL and change.event.applied and isinstance(change.queue, Requeue)
    }
    if again:
        steps = again.values()
        written = {
            "ids": list(again),
            "works": [s.work for s in steps],
            "due_at": [s.due_at for s in steps],
            "crashes": [s.crashes or 0 for s in steps],
        }
        await connection.execute(_TAKE_UP_AGAIN, written)


async def apply_to_untouched(connection: Connection, changes: Sequence[Change]) -> set[UUID]:
    """Write decisions on messages that nobody has locked, and name those that are not as their decision saw them.

    One statement, and at most one change of a message. Whatever happens to a message has an event, so one that
    stands at the same event is the same in all that decisions are made from.
    """
    parameters = (_document(changes), [change.message_id for change in changes])
    return set((await connection.exec_driver_sql(_APPLY_TO_UNTOUCHED, parameters)).scalars())


def _document(changes: Sequence[Change]) -> str:
    # One document of all rows takes half the time of an array for each column, on both sides.
    # `default`: the driver has a UUID of its own, which orjson does not know, and a price is exact.
    return orjson.dumps([_row(change) for change in changes], default=str).decode()


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


def _row(change: Change) -> dict[str, object]:
    """Write down one change; a column that is not named is null."""
    event = change.event
    row = {
        "message_id": change.message_id,
        "expected_status": change.expected_status,
        "expected_sequence": change.expected_sequence,
        "status": change.status,
        "sequence": event.sequence,
        "attempts": change.attempts,
        "possible_duplicate": change.possible_duplicate,
        "error_code": change.error,
        "reached_provider": change.status in _REACHED_PROVIDER,
        "final": change.status in FINAL,
        "source": event.source,
        "said": event.status,
        "was_applied": event.applied,
        "reason": event.reason,
        "event_error": event.error,
        "provider_status": event.provider_status,
        "provider_code": event.provider_code,
        "reported_at": event.reported_at,
    }
    if change.attempt is not None:
        row |= _attempt_columns(change.attempt)
    if change.billing is not None:
        row |= _billing_columns(change.billing)
    if change.route is not None:
        row |= _route_columns(change.route, event.from_sender)
    return row | _queue_columns(change.queue)


def _attempt_columns(attempt: AttemptState) -> dict[str, object]:
    return {
        "attempt": attempt.number,
        "provider": attempt.provider,
        "phase": attempt.phase,
        "fence": attempt.fence,
        "provider_message_id": attempt.provider_message_id,
        "inquiries": attempt.inquiries,
        "resent_at": attempt.resent_at,
        "resending": attempt.resending,
        "absent_since": attempt.absent_since,
    }


def _billing_columns(billing: Billing) -> dict[str, object]:
    columns: dict[str, object] = {"billed_segments": billing.segments}
    if billing.price is not None:
        columns |= {"price": billing.price.amount, "price_currency": billing.price.currency}
    return columns


def _route_columns(route: Route, from_sender: str | None) -> dict[str, object]:
    return {
        "from_sender": from_sender,
        "to_sender": route.sender,
        "to_provider": route.provider,
        "to_lane": route.sender_id,
    }


def _queue_columns(step: QueueStep) -> dict[str, object]:
    match step:
        case LeaveQueue():
            return {"queue": "leave"}
        case Lease(until=until, worker=worker):
            return {"queue": "stay", "leased_until": until, "worker": worker}
        case Requeue(work=work, due_at=due_at, tries=tries, crashes=crashes):
            return {"queue": "stay", "work": work, "due_at": due_at, "tries": tries, "crashes": crashes}
        case None:
            return {}
