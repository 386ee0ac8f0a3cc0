"""The lanes of messages that are to go out once more under their idempotency key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Float, Text, Uuid, bindparam, text

from app.domain.lanes import Meter
from app.store.engine import Connection
from app.store.lanes import IS_LIMITED, IS_OPEN, LIMITS, lane_meter

# By the provider that is asked, which need not be the lane's any more.
_LANES: Final = text(
    f"""
    SELECT wanted.message_id, l.id, {LIMITS}, coalesce({IS_LIMITED}, false) AS is_limited
    FROM unnest(:ids, :providers) AS wanted (message_id, provider)
    JOIN dispatch_queue AS q ON q.message_id = wanted.message_id
    JOIN lanes AS l ON l.id = q.lane
    LEFT JOIN accounts AS a ON a.id = l.account_id
    LEFT JOIN provider_accounts AS p ON p.name = wanted.provider
    LEFT JOIN circuits AS c ON c.provider = wanted.provider
    WHERE {IS_OPEN}
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("providers", type_=ARRAY(Text)))

_POSTPONE: Final = text(
    "UPDATE dispatch_queue SET due_at = now() + make_interval(secs => :seconds) WHERE message_id = ANY(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("seconds", type_=Float))


@dataclass(kw_only=True, slots=True)
class ResendLane:
    """A message's lane, which is locked."""

    id: UUID
    meter: Meter
    is_limited: bool
    """Whether the provider that is asked has limits of its own."""


async def lock_lanes_of(connection: Connection, providers: Mapping[UUID, str]) -> dict[UUID, ResendLane]:
    """Lock the lanes of these messages, each given with the provider that is asked; give them by message.

    Left out are those that somebody else has locked, and those that are paused or whose circuit is open.
    """
    wanted = {"ids": list(providers), "providers": list(providers.values())}
    return {
        row.message_id: ResendLane(id=row.id, meter=lane_meter(row), is_limited=row.is_limited)
        for row in await connection.execute(_LANES, wanted)
    }


async def postpone(connection: Connection, ids: Sequence[UUID], seconds: float) -> None:
    """Let these queued messages, which the caller has locked, be due so much later."""
    if ids:
        await connection.execute(_POSTPONE, {"ids": list(ids), "seconds": seconds})
