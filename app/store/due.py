"""Messages whose turn has come, locked lane by lane: those that are claimed, and what goes out by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, SmallInteger, Text, Uuid, bindparam, text

from app.domain.allotment import Share
from app.domain.change import Work
from app.domain.lanes import Meter
from app.domain.message import MessageState
from app.store.among import IS_AMONG, Among, DueStatement
from app.store.engine import Connection
from app.store.lanes import IS_OPEN, LIMITS, SENDABLE, WITH_OTHERS, lane_meter
from app.store.queue import IS_LONE, TEXT
from app.store.states import STATE, message_state

# Lanes are locked as they are come to, so that of those which the room does not reach none is. Counting what is due has
# all of it locked before the fence is taken.
_DUE: Final = DueStatement(
    f"""
    WITH lane AS MATERIALIZED (
        SELECT l.id, l.provider, {LIMITS}, wanted.priority, wanted.most
        FROM unnest(:lanes, :ranks, :most) WITH ORDINALITY AS wanted (lane, priority, most, place)
        JOIN lanes AS l ON l.id = wanted.lane {WITH_OTHERS}
        WHERE {IS_OPEN}
        ORDER BY wanted.place
        FOR UPDATE OF l SKIP LOCKED
    ), due AS MATERIALIZED (
        SELECT message.*, lane.id AS lane, lane.priority, lane.provider AS lane_provider, lane.rate, lane.burst,
               lane.arrival_at, lane.daily_cap, lane.day, lane.day_segments, lane.not_before, lane.slow_since
        FROM lane CROSS JOIN LATERAL (
            SELECT {STATE}, {TEXT}, q.tries, q.crashes
            FROM dispatch_queue AS q JOIN messages AS m ON m.id = q.message_id
            WHERE q.work = :work AND q.lane = lane.id AND q.priority = lane.priority AND {SENDABLE}
            AND q.due_at <= now() AND q.message_id {IS_AMONG}
            ORDER BY q.due_at, q.message_id LIMIT lane.most
            FOR UPDATE OF q, m SKIP LOCKED
        ) AS message
        LIMIT :limit
    ), taken AS MATERIALIZED (
        SELECT nextval('fence') AS fence FROM (SELECT count(*) AS messages FROM due) AS counted WHERE messages > 0
    )
    SELECT due.*, taken.fence FROM taken CROSS JOIN due
    """,  # noqa: S608 - constants of this module
    lanes=ARRAY(Uuid),
    ranks=ARRAY(SmallInteger),
    most=ARRAY(Integer),
)

_HAS_LONE_RESEND: Final = text(
    f"""
    SELECT EXISTS (
        SELECT FROM dispatch_queue AS q
        JOIN messages AS m ON m.id = q.message_id
        JOIN attempts AS a ON a.message_id = m.id AND a.no = m.attempts
        WHERE q.work = 'resolve' AND q.leased_until IS NULL AND q.due_at <= now() AND {IS_LONE}
        AND q.message_id <> ALL(:besides) AND NOT EXISTS (
            SELECT FROM lanes AS l {WITH_OTHERS} WHERE l.id = q.lane AND NOT ({IS_OPEN})
        )
    )
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("resenders", type_=ARRAY(Text)), bindparam("besides", type_=ARRAY(Uuid)))


@dataclass(kw_only=True, slots=True)
class DueMessage:
    """A message whose turn has come, with what an adapter needs of it, and its lane."""

    state: MessageState
    lane: UUID
    rank: int
    """Of its priority."""

    meter: Meter
    """Its lane's, as it is with the lane locked."""

    provider: str
    """The lane's: a sender may have been moved to another since the message was accepted."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    segments: int
    tries: int
    crashes: int
    """How many workers have died over it since one last outlived what may have been taken."""

    fence: int
    """A new fencing token, higher than all that were taken before this was locked."""

    now: datetime
    """The database's time, which all decisions of the transaction share."""


async def lock_due(
    connection: Connection, shares: Sequence[Share], *, limit: int, work: Work, among: Among
) -> list[DueMessage]:
    """Lock lanes and what is due in them, share by share and the longest due first, under a fence of their own.

    What somebody else has locked is skipped, a lane with all that is in it.
    """
    rows = await _rows(connection, shares, limit, work, among)
    meters: dict[UUID, Meter] = {}
    for row in rows:
        if row.lane not in meters:
            meters[row.lane] = lane_meter(row)
    return [
        DueMessage(
            state=message_state(row),
            lane=row.lane,
            rank=row.priority,
            meter=meters[row.lane],
            provider=row.lane_provider,
            sender=row.sender,
            recipient=row.recipient,
            body=row.body,
            segments=row.segments,
            tries=row.tries,
            crashes=row.crashes,
            fence=row.fence,
            now=row.now,
        )
        for row in rows
    ]


async def due_ids(
    connection: Connection, shares: Sequence[Share], *, limit: int, work: Work, among: Among
) -> list[UUID]:
    """Name the messages that `lock_due` would lock, whatever is stored of them."""
    return [row.id for row in await _rows(connection, shares, limit, work, among)]


async def _rows(connection: Connection, shares: Sequence[Share], limit: int, work: Work, among: Among) -> list[Any]:
    return await _DUE.rows(
        connection,
        among,
        lanes=[share.candidate.lane for share in shares],
        ranks=[share.candidate.rank for share in shares],
        most=[share.most for share in shares],
        limit=limit,
        work=work.value,
    )


async def has_lone_resend(connection: Connection, resenders: Collection[str], *, besides: Sequence[UUID]) -> bool:
    """Tell whether anything is due that may be asked about by a resend now, with nothing else beside it."""
    wanted = {"resenders": sorted(resenders), "besides": list(besides)}
    return bool(await connection.scalar(_HAS_LONE_RESEND, wanted))
