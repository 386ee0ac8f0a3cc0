"""The lanes of a claim: which have something due, what they and their providers may send, and what they are charged.

Lane rows are locked by claims that skip what is locked, and provider rows after a wait, in the order of their names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Date, DateTime, Integer, Row, Uuid, bindparam, text

from app.domain.change import Work
from app.domain.lanes import Meter
from app.store.among import IS_AMONG, Among, DueStatement
from app.store.engine import Connection

SANDBOX: Final = "sandbox"
"""The provider account of all test messages."""

_PLANNED_AT: Final = "gateway_planned_at"
_PLANS_LAST_SECONDS: Final = 1.0

SENDABLE: Final = "leased_until IS NULL AND work IN ('send', 'send_alone')"
"""What the index over lanes holds; each of its statements has to say so."""

LIMITS: Final = "l.rate, l.burst, l.arrival_at, l.daily_cap, l.day, l.day_segments, l.not_before, l.slow_since"
"""What is selected of a lane `l`, for `lane_meter`."""

# A circuit that is half open, or open for long enough, lets one message through.
_IS_SHUT: Final = """
    c.state <> 'closed' AND now() < coalesce(CASE c.state WHEN 'open' THEN c.open_until ELSE c.trial_until END, now())
"""
IS_OPEN: Final = f"""
    l.paused_at IS NULL AND a.paused_at IS NULL AND p.paused_at IS NULL AND (c.provider IS NULL OR NOT ({_IS_SHUT}))
"""
"""Whether anything may be claimed from a lane `l` of account `a`, with its provider `p` and circuit `c`."""

WITH_OTHERS: Final = """
    LEFT JOIN accounts AS a ON a.id = l.account_id
    LEFT JOIN provider_accounts AS p ON p.name = l.provider
    LEFT JOIN circuits AS c ON c.provider = l.provider
"""

IS_LIMITED: Final = """
    p.rate IS NOT NULL OR p.in_flight_cap IS NOT NULL OR c.state <> 'closed' OR c.slow_since > now() - interval '10 s'
"""
"""Whether a provider `p` with the circuit `c` has limits of its own; null where there are neither."""

_PROVIDER_READY: Final = """
    CASE WHEN p.rate IS NOT NULL
    THEN p.arrival_at - make_interval(secs => (coalesce(p.burst, greatest(1, round(p.rate))) - 1) / p.rate)
    WHEN c.slow_since > now() - interval '10 s' THEN p.arrival_at END
"""

# The index is not read through: from each lane and priority it leaps to the next one.
_LEAP: Final = f"""
    WITH RECURSIVE waiting AS (
        (
            SELECT lane, priority, due_at, segments FROM dispatch_queue WHERE work = :work AND {SENDABLE}
            ORDER BY lane, priority, due_at LIMIT 1
        )
        UNION ALL
        SELECT following.* FROM waiting CROSS JOIN LATERAL (
            SELECT q.lane, q.priority, q.due_at, q.segments FROM dispatch_queue AS q
            WHERE q.work = :work AND {SENDABLE} AND (q.lane, q.priority) > (waiting.lane, waiting.priority)
            ORDER BY q.lane, q.priority, q.due_at LIMIT 1
        ) AS following
    )
"""  # noqa: S608 - constants of this module

# Lone messages are few, and what is named is looked up by its id.
_NAME: Final = f"""
    WITH waiting AS (
        SELECT DISTINCT ON (lane, priority) lane, priority, due_at, segments FROM dispatch_queue
        WHERE work = :work AND {SENDABLE} AND message_id {IS_AMONG} ORDER BY lane, priority, due_at
    )
"""  # noqa: S608 - constants of this module

_MOST_SEEN: Final = 256
"""Lanes that one look shows, for several claims to take from: each costs the worker a tenth of a message."""

# As exact as the choice of what is looked at needs it: what may go is the domain's to decide, slow starts and all.
_GOES_AT: Final = f"""
    greatest(
        l.arrival_at - make_interval(secs => (l.burst - least(waiting.segments, l.burst)) / l.rate),
        l.not_before,
        ({_PROVIDER_READY}),
        CASE WHEN l.day = (now() AT TIME ZONE 'UTC')::date AND l.day_segments + waiting.segments > l.daily_cap
            THEN date_trunc('day', now(), 'UTC') + interval '1 day' END
    )
"""

# Where there are more than can be looked at, each provider of each account has as many drawn as every other.
_LOOK: Final = f"""
    , open AS (
        SELECT waiting.lane, waiting.priority, waiting.segments, l.account_id, l.provider, {LIMITS}, l.weight,
               a.weight AS account_weight, coalesce({IS_LIMITED}, false) AS is_limited,
               {_PROVIDER_READY} AS provider_ready_at, now() AS now,
               coalesce(max({_GOES_AT}) OVER more_urgent, '-infinity') AS goes_at
        FROM waiting LEFT JOIN lanes AS l ON l.id = waiting.lane {WITH_OTHERS}
        WHERE waiting.due_at <= now() AND (l.id IS NULL OR ({IS_OPEN}))
        WINDOW more_urgent AS (PARTITION BY waiting.lane ORDER BY waiting.priority)
    ), drawn AS (
        SELECT *, row_number() OVER (PARTITION BY goes_at <= now, priority, account_id, provider ORDER BY random())
            AS place
        FROM open
    )
    SELECT * FROM drawn
    ORDER BY goes_at > now, CASE WHEN goes_at <= now THEN priority END, CASE WHEN goes_at <= now THEN place END, goes_at
    LIMIT {_MOST_SEEN}
"""  # noqa: S608 - constants of this module
_LOOK_AT_ALL: Final = text(_LEAP + _LOOK)
_LOOK_AT_SOME: Final = DueStatement(_NAME + _LOOK)

# Those of senders are made with them. Whatever else a message is counted by is its account: it is a test.
_ADD_TEST_LANES: Final = text(
    """
    INSERT INTO lanes (id, account_id, provider, rate, burst, daily_cap)
    SELECT a.id, a.id, :provider, usual.rate::float8, usual.burst, usual.daily_cap
    FROM accounts AS a JOIN sending_rates AS usual ON usual.number_type = 'test' AND usual.campaign_class = ''
    WHERE a.id = ANY(:ids)
    ORDER BY a.id
    ON CONFLICT (id) DO NOTHING
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))

_CHARGE: Final = text(
    """
    UPDATE lanes AS l SET arrival_at = c.arrival_at, day = c.day, day_segments = c.day_segments
    FROM unnest(:ids, :arrival_at, :days, :day_segments) AS c (id, arrival_at, day, day_segments)
    WHERE l.id = c.id
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("arrival_at", type_=ARRAY(DateTime(timezone=True))),
    bindparam("days", type_=ARRAY(Date)),
    bindparam("day_segments", type_=ARRAY(Integer)),
)


@dataclass(kw_only=True, slots=True)
class WaitingLane:
    """A lane in which something of one priority is due, and nothing but its meter may forbid to send it."""

    lane: UUID
    rank: int
    account: UUID
    provider: str
    weight: float
    account_weight: float
    meter: Meter
    segments: int
    """Of the message whose turn is next."""

    is_limited: bool
    """Whether its provider has limits of its own, or comes back after it was left alone."""

    provider_ready_at: datetime | None
    """When its provider takes anything again, as far as a rate says so; None where none does."""

    now: datetime
    """The database's time."""

    @property
    def may_go(self) -> bool:
        """Whether its next message may go now."""
        return self.meter.allowance(self.now).fits(self.segments)


@dataclass(kw_only=True, slots=True)
class Look:
    """What one look has found."""

    waiting: list[WaitingLane]
    missing: list[UUID]
    """Lanes that have no row yet; `add_test_lanes` makes those of accounts."""


async def look(connection: Connection, *, work: Work, among: Among) -> Look:
    """Find lanes in which something is due; of a paused account, provider or lane, or an open circuit, none.

    Of very many, those whose next message may go come before those whose turn is soon, and the more urgent first.

    Where it is everything that is asked for, a lane counts in which nothing is due but what is set aside.
    """
    if work is Work.SEND and not among.only:
        rows: Sequence[Row[Any]] = (await connection.execute(_LOOK_AT_ALL, {"work": work.value})).all()
    else:
        rows = await _LOOK_AT_SOME.rows(connection, among, work=work.value)
    return Look(
        waiting=[_waiting_lane(row) for row in rows if row.provider is not None],
        missing=[row.lane for row in rows if row.provider is None],
    )


async def refresh_plans(connection: Connection) -> None:
    """Have the statements of this connection planned anew, at most once a second.

    A plan is kept with its statement. One that was made while the queue was empty reads all of it when it is long, a
    hundred times slower, and Postgres would not notice before the table is analyzed.
    """
    made = connection.sync_connection.info if connection.sync_connection is not None else {}
    now = time.monotonic()
    if now - made.get(_PLANNED_AT, -math.inf) >= _PLANS_LAST_SECONDS:
        made[_PLANNED_AT] = now
        await connection.execute(text("DISCARD PLANS"))


async def add_test_lanes(connection: Connection, ids: Sequence[UUID]) -> None:
    """Make the lanes of these accounts' test messages where there are none; other ids are passed over."""
    await connection.execute(_ADD_TEST_LANES, {"ids": list(ids), "provider": SANDBOX})


def _waiting_lane(row: Row[Any]) -> WaitingLane:
    return WaitingLane(
        lane=row.lane,
        rank=row.priority,
        account=row.account_id,
        provider=row.provider,
        weight=row.weight,
        account_weight=row.account_weight,
        meter=lane_meter(row),
        segments=row.segments,
        is_limited=row.is_limited,
        provider_ready_at=row.provider_ready_at,
        now=row.now,
    )


def lane_meter(row: Row[Any]) -> Meter:
    """Read a lane's limits."""
    return Meter(
        rate=row.rate,
        burst=row.burst,
        arrival_at=row.arrival_at,
        daily_cap=row.daily_cap,
        day=row.day,
        day_segments=row.day_segments,
        not_before=row.not_before,
        slow_since=row.slow_since,
    )


async def charge_lanes(connection: Connection, meters: Mapping[UUID, Meter]) -> None:
    """Write what these lanes, which the caller has locked, were charged."""
    if not meters:
        return
    charged: dict[str, list[UUID] | list[datetime] | list[date | None] | list[int]] = {
        "ids": list(meters),
        "arrival_at": [meter.arrival_at for meter in meters.values()],
        "days": [meter.day for meter in meters.values()],
        "day_segments": [meter.day_segments for meter in meters.values()],
    }
    await connection.execute(_CHARGE, charged)
