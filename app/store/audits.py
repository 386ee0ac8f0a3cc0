"""What audits read and keep: our attempts of a day, by what a provider calls them and by when they began; results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Date, Row, SmallInteger, Text, Uuid, bindparam, text

from app.domain.auditing import OurAttempt
from app.domain.evidence import Price
from app.domain.ids import lowest_id
from app.domain.message import AttemptPhase
from app.domain.references import AttemptRef
from app.domain.schedule import MAX_AHEAD, MAX_VALIDITY
from app.domain.status import MessageStatus
from app.store.engine import Connection

_ROWS_AT_ONCE: Final = 200
"""Read in a few milliseconds, so that a worker's sends go on between them."""

_LONGEST_WAIT: Final = MAX_AHEAD + MAX_VALIDITY + timedelta(days=1)
"""How long before an attempt its message may have been accepted; ids tell the time of that."""

_CLOCKS_APART: Final = timedelta(hours=1)
"""Ids are made by the API's clocks, attempts are timed by the database's."""

_OURS: Final = """
    a.message_id, a.no, a.phase, a.started_at, coalesce(a.resent_at, a.started_at) AS last_sent_at,
    a.provider_message_id, m.status, m.attempts, m.segments, m.billed_segments, m.price, m.price_currency
"""

_NAMED: Final = text(
    f"""
    SELECT {_OURS}
    FROM unnest(:message_ids, :numbers) AS wanted (message_id, no)
    JOIN attempts AS a ON a.message_id = wanted.message_id AND a.no = wanted.no AND a.provider = :provider
    JOIN messages AS m ON m.id = a.message_id
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("message_ids", type_=ARRAY(Uuid)), bindparam("numbers", type_=ARRAY(SmallInteger)))

_CALLED: Final = text(
    f"""
    SELECT {_OURS}
    FROM attempts AS a JOIN messages AS m ON m.id = a.message_id
    WHERE a.provider = :provider AND a.provider_message_id = ANY(:provider_message_ids)
        AND a.message_id >= :oldest AND m.id >= :oldest
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("provider_message_ids", type_=ARRAY(Text)), bindparam("oldest", type_=Uuid))

_BEGUN: Final = text(
    f"""
    SELECT {_OURS}
    FROM attempts AS a JOIN messages AS m ON m.id = a.message_id
    WHERE a.provider = :provider AND a.phase = 'accepted' AND a.started_at >= :since AND a.started_at < :until
        AND a.message_id >= :oldest AND m.id >= :oldest AND a.message_id < :youngest AND m.id < :youngest
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("oldest", type_=Uuid), bindparam("youngest", type_=Uuid))

_CLAIM: Final = text(
    """
    INSERT INTO provider_audits AS p (provider, day, claimed_until)
    VALUES (:provider, :day, now() + cast(:claim AS interval))
    ON CONFLICT (provider, day) DO UPDATE SET claimed_until = excluded.claimed_until
    WHERE p.result IS NULL AND p.claimed_until < now()
    RETURNING true
    """
)
_FIRST: Final = text("SELECT min(day) FROM provider_audits WHERE provider = :provider")
_RENEW: Final = text(
    """
    UPDATE provider_audits SET claimed_until = now() + cast(:claim AS interval)
    WHERE provider = :provider AND day = :day AND result IS NULL
    """
)
_KEEP: Final = text(
    """
    INSERT INTO provider_audits (provider, day, claimed_until, made_at, result)
    VALUES (:provider, :day, now(), now(), cast(:result AS jsonb))
    ON CONFLICT (provider, day) DO UPDATE SET made_at = excluded.made_at, result = excluded.result
    RETURNING made_at
    """
)
_LIST: Final = text(
    """
    SELECT day, made_at, result FROM provider_audits
    WHERE provider = :provider AND result IS NOT NULL
        AND day >= coalesce(:first, day) AND day <= coalesce(:last, day) AND day < coalesce(:before, 'infinity'::date)
    ORDER BY day DESC LIMIT :limit
    """
).bindparams(bindparam("first", type_=Date), bindparam("last", type_=Date), bindparam("before", type_=Date))


@dataclass(frozen=True, kw_only=True)
class StoredAudit:
    """An audit that was made."""

    day: date
    made_at: datetime
    result: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DayRange:
    """Which days a list of one provider's audits is narrowed to, both included; None leaves an end open."""

    provider: str
    first: date | None = None
    last: date | None = None


async def attempts_named(connection: Connection, provider: str, refs: Sequence[AttemptRef]) -> list[OurAttempt]:
    """Read attempts of a provider by our references; unknown ones are left out."""
    if not refs:
        return []
    wanted = {
        "provider": provider,
        "message_ids": [ref.message_id for ref in refs],
        "numbers": [ref.number for ref in refs],
    }
    return [_ours(row) for row in await connection.execute(_NAMED, wanted)]


async def attempts_called(
    connection: Connection, provider: str, ids: Sequence[str], *, around: datetime
) -> list[OurAttempt]:
    """Read attempts by the provider's own ids, of messages that could be sent around then; others are left out."""
    if not ids:
        return []
    wanted = {"provider": provider, "provider_message_ids": list(ids), "oldest": lowest_id(around - _LONGEST_WAIT)}
    rows = await connection.execute(_CALLED, wanted)
    return [_ours(row) for row in rows]


async def attempts_begun(
    connection: Connection, provider: str, since: datetime, until: datetime
) -> AsyncIterator[OurAttempt]:
    """Read the accepted attempts that began in a span, in no certain order, a few at a time."""
    ids = {"oldest": lowest_id(since - _LONGEST_WAIT), "youngest": lowest_id(until + _CLOCKS_APART)}
    wanted = {"provider": provider, "since": since, "until": until, **ids}
    rows = await connection.stream(_BEGUN, wanted, execution_options={"yield_per": _ROWS_AT_ONCE})
    async for row in rows:
        yield _ours(row)


async def database_now(connection: Connection) -> datetime:
    """Tell the time by the database's clock."""
    now: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
    return now


async def claim_audit(connection: Connection, provider: str, day: date, *, claim: timedelta) -> bool:
    """Take an audit that nobody has made, nor is making; tell whether it was to be had."""
    return bool(await connection.scalar(_CLAIM, {"provider": provider, "day": day, "claim": claim}))


async def first_audited(connection: Connection, provider: str) -> date | None:
    """Tell the earliest day whose audit was ever made or begun; None before the first."""
    first: date | None = await connection.scalar(_FIRST, {"provider": provider})
    return first


async def renew_audit(connection: Connection, provider: str, day: date, *, claim: timedelta) -> None:
    """Say that an audit is still being made."""
    await connection.execute(_RENEW, {"provider": provider, "day": day, "claim": claim})


async def keep_audit(connection: Connection, provider: str, day: date, result: dict[str, Any]) -> datetime:
    """Keep what an audit showed, in place of an earlier one of the same day; give the time of it."""
    kept = {"provider": provider, "day": day, "result": orjson.dumps(result).decode()}
    made_at: datetime = (await connection.execute(_KEEP, kept)).scalar_one()
    return made_at


async def list_audits(
    connection: Connection, wanted: DayRange, *, before: date | None, limit: int
) -> list[StoredAudit]:
    """Read the audits of the latest days, earlier than `before`."""
    asked = {"provider": wanted.provider, "first": wanted.first, "last": wanted.last, "before": before, "limit": limit}
    rows = await connection.execute(_LIST, asked)
    return [StoredAudit(day=row.day, made_at=row.made_at, result=row.result) for row in rows]


def _ours(row: Row[Any]) -> OurAttempt:
    priced = row.price is not None and row.price_currency is not None
    return OurAttempt(
        ref=AttemptRef(message_id=UUID(str(row.message_id)), number=row.no),
        phase=AttemptPhase(row.phase),
        started_at=row.started_at,
        last_sent_at=row.last_sent_at,
        status=MessageStatus(row.status),
        is_newest=row.no == row.attempts,
        provider_message_id=row.provider_message_id,
        segments=row.segments,
        billed_segments=row.billed_segments,
        price=Price(amount=row.price, currency=row.price_currency) if priced else None,
    )
