"""What waits in the dispatch queue, by account, lane and priority, and what each lane may send."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text

from app.domain.figures import Depth, Figures, LaneLimits
from app.store.engine import Connection

# The columns are those of `Depth`. What only waits for evidence of what became of it has been sent, and is not counted.
_DEPTHS: Final = text(
    """
    SELECT account_id, lane, priority, count(*) AS queued,
           count(*) FILTER (WHERE is_due) AS messages,
           coalesce(sum(segments) FILTER (WHERE is_due), 0) AS segments,
           extract(epoch FROM min(due_at) FILTER (WHERE is_due))::float8 AS oldest_due_at,
           count(*) FILTER (WHERE is_later) AS later_messages,
           coalesce(sum(segments) FILTER (WHERE is_later), 0) AS later_segments
    FROM (
        SELECT account_id, lane, priority, segments, due_at, leased_until IS NULL AND due_at <= now() AS is_due,
               leased_until IS NULL AND due_at > now() AS is_later
        FROM dispatch_queue WHERE work IN ('send', 'send_alone')
    ) AS waiting
    GROUP BY account_id, lane, priority
    """
)

_LIMITS: Final = """
    SELECT l.id, l.account_id, l.provider, s.address, l.rate, l.burst, l.daily_cap,
           CASE WHEN l.day = (now() AT TIME ZONE 'UTC')::date THEN l.day_segments ELSE 0 END AS day_segments,
           extract(epoch FROM l.arrival_at)::float8 AS arrival_at,
           extract(epoch FROM l.not_before)::float8 AS not_before,
           l.paused_at IS NOT NULL AS sender_paused, a.paused_at IS NOT NULL AS account_paused,
           p.paused_at IS NOT NULL AS provider_paused, p.rate AS provider_rate,
           coalesce(c.state, 'closed') AS circuit,
           extract(
               epoch FROM CASE c.state WHEN 'open' THEN c.open_until WHEN 'half_open' THEN c.trial_until END
           )::float8 AS shut_until
    FROM {lanes} AS l
    LEFT JOIN senders AS s ON s.id = l.id
    LEFT JOIN accounts AS a ON a.id = l.account_id
    LEFT JOIN provider_accounts AS p ON p.name = l.provider
    LEFT JOIN circuits AS c ON c.provider = l.provider
"""

_LANES: Final = text(_LIMITS.format(lanes="lanes"))

# A claim makes the lane of an account's test messages when it meets the first of them.
_TEST_LANES: Final = text(
    _LIMITS.format(
        lanes="""(
        SELECT a.id, a.id AS account_id, 'sandbox' AS provider, usual.rate::float8 AS rate, usual.burst,
               usual.daily_cap, NULL::date AS day, 0 AS day_segments, now() AS arrival_at,
               NULL::timestamptz AS not_before, NULL::timestamptz AS paused_at
        FROM accounts AS a JOIN sending_rates AS usual ON usual.number_type = 'test' AND usual.campaign_class = ''
        WHERE NOT EXISTS (SELECT FROM lanes WHERE lanes.id = a.id)
    )"""
    )
)

_CAPS: Final = text("SELECT id, queued_cap FROM accounts WHERE queued_cap IS NOT NULL")
_NOW: Final = text("SELECT extract(epoch FROM now())::float8")

# What goes before a message: the more urgent, and of its own priority what was due before it.
_AHEAD: Final = text(
    """
    SELECT mine.lane, mine.priority, mine.segments, extract(epoch FROM mine.due_at)::float8 AS due_at,
           before.messages, before.segments AS ahead
    FROM dispatch_queue AS mine CROSS JOIN LATERAL (
        SELECT count(*) AS messages, coalesce(sum(segments), 0) AS segments FROM (
            SELECT q.segments FROM dispatch_queue AS q
            WHERE q.work = 'send' AND q.leased_until IS NULL AND q.lane = mine.lane AND q.due_at <= now()
            AND (q.priority, q.due_at, q.message_id) < (mine.priority, mine.due_at, mine.message_id)
            LIMIT :limit
        ) AS first
    ) AS before
    WHERE mine.message_id = :id AND mine.work IN ('send', 'send_alone') AND mine.leased_until IS NULL
    """
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a message stands in its lane."""

    lane: UUID
    rank: int
    segments: int
    due_at: float
    messages: int
    """How many are due and go before it, as far as they were counted."""

    segments_ahead: int
    """What those have."""


async def look_at_queue(connection: Connection) -> Figures:
    """Take the figures of this moment: a scan of the whole queue, some 200 ms for a million rows, and of all lanes."""
    depths = [Depth(*row) for row in await connection.execute(_DEPTHS)]
    lanes = [row for query in (_LANES, _TEST_LANES) for row in await connection.execute(query)]
    return Figures(
        at=float(await connection.scalar(_NOW) or 0),
        depths=depths,
        limits={row.id: partial(_limits, row) for row in lanes},
        caps={row.id: row.queued_cap for row in await connection.execute(_CAPS)},
        day_segments={row.id: row.day_segments for row in lanes if row.day_segments},
    )


async def place_in_queue(connection: Connection, message_id: UUID, *, limit: int) -> Place | None:
    """Tell what goes before a message that waits: no more than `limit` messages are counted. None where it does not."""
    row = (await connection.execute(_AHEAD, {"id": message_id, "limit": limit})).one_or_none()
    if row is None:
        return None
    return Place(
        lane=row.lane,
        rank=row.priority,
        segments=row.segments,
        due_at=row.due_at,
        messages=row.messages,
        segments_ahead=row.ahead,
    )


def _limits(row: Row[Any]) -> LaneLimits:
    paused = {"sender": row.sender_paused, "provider": row.provider_paused, "account": row.account_paused}
    return LaneLimits(
        id=row.id,
        account_id=row.account_id,
        provider=row.provider,
        address=row.address,
        rate=row.rate,
        burst=row.burst,
        daily_cap=row.daily_cap,
        day_segments=row.day_segments,
        arrival_at=row.arrival_at,
        not_before=row.not_before,
        paused_by=tuple(name for name, is_paused in paused.items() if is_paused),
        provider_rate=row.provider_rate,
        circuit=row.circuit,
        shut_until=row.shut_until,
    )
