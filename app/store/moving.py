"""What failover needs of the store: messages that wait for a failing provider, their pools, and what they left before.

A look takes no lock and remembers how far it came in each lane; what it found is locked afterwards, and skipped where
somebody else has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, SmallInteger, Text, Uuid, bindparam, text

from app.domain.change import EventReason
from app.domain.delivery_errors import DeliveryError
from app.domain.failover import Departure
from app.domain.message import AttemptPhase, MessageState
from app.store.engine import Connection
from app.store.states import STATE, message_state


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where a message waits in its lane, in the order in which the lane sends."""

    priority: int
    due_at: datetime
    message_id: UUID


FRONT: Final = Place(priority=-1, due_at=datetime(1970, 1, 1, tzinfo=UTC), message_id=UUID(int=0))
"""Before everything that waits."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A message that a look came by."""

    lane: UUID
    place: Place


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """What is known of a message's way: the pool that it was chosen from, and the sender that it is to leave."""

    message_id: UUID
    account_id: UUID
    pool: str
    sender: str = field(repr=False)
    recipient: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A message that waits, locked with its queue row."""

    state: MessageState
    way: Pooled
    lane: UUID
    segments: int
    due_at: datetime
    newest: AttemptPhase | None
    """Of its attempts; None where there is none."""

    now: datetime
    """The database's time."""


@dataclass(frozen=True, kw_only=True)
class LaneLimits:
    """How fast a sender is."""

    rate: float
    """Segments a second."""

    burst: int
    paused: bool


_LANES: Final = text(
    """
    SELECT lane.id FROM lanes AS lane
    WHERE lane.provider = ANY(:providers) AND lane.paused_at IS NULL
    AND EXISTS (SELECT FROM pool_members AS member WHERE member.sender_id = lane.id)
    ORDER BY lane.id
    """
).bindparams(bindparam("providers", type_=ARRAY(Text)))

_LOOK: Final = text(
    """
    SELECT found.* FROM unnest(:lanes, :priorities, :due_ats, :message_ids)
        AS after (lane, priority, due_at, message_id)
    CROSS JOIN LATERAL (
        SELECT q.lane, q.priority, q.due_at, q.message_id FROM dispatch_queue AS q
        WHERE q.work = 'send' AND q.lane = after.lane AND q.leased_until IS NULL
        AND (q.priority, q.due_at, q.message_id) > (after.priority, after.due_at, after.message_id)
        ORDER BY q.priority, q.due_at, q.message_id LIMIT :from_each
    ) AS found
    ORDER BY found.priority, found.due_at, found.message_id LIMIT :limit
    """
).bindparams(
    bindparam("lanes", type_=ARRAY(Uuid)),
    bindparam("priorities", type_=ARRAY(SmallInteger)),
    bindparam("due_ats", type_=ARRAY(DateTime(timezone=True))),
    bindparam("message_ids", type_=ARRAY(Uuid)),
)

_WAY: Final = "m.account_id, m.pool, m.sender, m.recipient"

# What is scheduled for later does not wait for its provider yet.
_LOCK: Final = text(
    f"""
    SELECT {STATE}, {_WAY}, q.lane, q.segments, q.due_at, a.phase AS newest
    FROM dispatch_queue AS q
    JOIN messages AS m ON m.id = q.message_id
    JOIN lanes AS lane ON lane.id = q.lane
    LEFT JOIN attempts AS a ON a.message_id = m.id AND a.no = m.attempts
    WHERE q.message_id = ANY(:ids) AND q.work = 'send' AND q.leased_until IS NULL AND m.pool IS NOT NULL AND NOT m.test
    AND (m.status = 'queued' OR q.due_at <= now()) AND lane.provider = ANY(:providers)
    ORDER BY q.priority, q.due_at, q.message_id
    FOR UPDATE OF q, m SKIP LOCKED
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("providers", type_=ARRAY(Text)))

_WAYS: Final = text(
    f"SELECT m.id, {_WAY} FROM messages AS m WHERE m.id = ANY(:ids) AND m.pool IS NOT NULL AND NOT m.test"  # noqa: S608 - constants of this module
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))

_DEPARTURES: Final = text(
    """
    SELECT e.message_id, e.from_sender, e.error_code, a.provider
    FROM status_events AS e LEFT JOIN attempts AS a ON a.message_id = e.message_id AND a.no = e.attempt
    WHERE e.message_id = ANY(:ids) AND e.reason = :reason
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))

_LIMITS: Final = text(
    "SELECT id, rate, burst, paused_at IS NOT NULL AS paused FROM lanes WHERE id = ANY(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def lanes_of(connection: Connection, providers: Collection[str]) -> list[UUID]:
    """Name the lanes of senders in pools that go through these provider accounts and are not paused."""
    return list((await connection.execute(_LANES, {"providers": sorted(providers)})).scalars())


async def look(connection: Connection, after: Mapping[UUID, Place], *, from_each: int, limit: int) -> list[Seen]:
    """Give what waits in these lanes behind these places, the most urgent and oldest first; nothing is locked."""
    parameters = {
        "lanes": list(after),
        "priorities": [place.priority for place in after.values()],
        "due_ats": [place.due_at for place in after.values()],
        "message_ids": [place.message_id for place in after.values()],
        "from_each": from_each,
        "limit": limit,
    }
    return [
        Seen(lane=row.lane, place=Place(priority=row.priority, due_at=row.due_at, message_id=row.message_id))
        for row in await connection.execute(_LOOK, parameters)
    ]


async def lock_waiting(connection: Connection, ids: Sequence[UUID], *, providers: Collection[str]) -> list[Waiting]:
    """Lock those of these messages that still wait for one of these provider accounts and are of a pool, as above."""
    rows = await connection.execute(_LOCK, {"ids": list(ids), "providers": sorted(providers)})
    return [
        Waiting(
            state=message_state(row),
            way=_way(row),
            lane=row.lane,
            segments=row.segments,
            due_at=row.due_at,
            newest=AttemptPhase(row.newest) if row.newest else None,
            now=row.now,
        )
        for row in rows
    ]


async def ways_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Pooled]:
    """Read the ways of those messages that are of a pool; the caller has locked them."""
    return {row.id: _way(row) for row in await connection.execute(_WAYS, {"ids": list(ids)})}


async def departures_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Departure]]:
    """Read which senders each of these messages has left before."""
    departures: dict[UUID, list[Departure]] = {}
    for row in await connection.execute(_DEPARTURES, {"ids": list(ids), "reason": EventReason.FAILED_OVER.value}):
        error = DeliveryError(row.error_code) if row.error_code else None
        left = Departure(sender=row.from_sender, provider=row.provider, error=error)
        departures.setdefault(row.message_id, []).append(left)
    return departures


async def limits_of(connection: Connection, senders: Sequence[UUID]) -> dict[UUID, LaneLimits]:
    """Read how fast the lanes of these senders are."""
    rows = await connection.execute(_LIMITS, {"ids": list(senders)})
    return {row.id: LaneLimits(rate=row.rate, burst=row.burst, paused=row.paused) for row in rows}


def _way(row: Any) -> Pooled:
    return Pooled(
        message_id=row.id, account_id=row.account_id, pool=row.pool, sender=row.sender, recipient=row.recipient
    )
