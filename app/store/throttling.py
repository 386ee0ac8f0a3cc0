"""Lanes that a provider has told to wait (429): nothing is claimed from them before `not_before`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Double, Uuid, bindparam, text

from app.store.engine import Connection

# Lanes are locked in the order of their ids, for two workers may hear of the same ones at once. Answers to calls that
# were under way together come within moments: the first moves their lane, and only a longer wait moves it once more.
# An account's test messages share a lane, though they come from many senders: of those, each waits by itself.
_HOLD: Final = text(
    """
    WITH told AS (
        SELECT q.lane, now() + max(t.seconds) * interval '1 second' AS until, max(t.seconds) AS seconds
        FROM unnest(:message_ids, :seconds) AS t (message_id, seconds) JOIN dispatch_queue AS q USING (message_id)
        GROUP BY q.lane
    ), held AS MATERIALIZED (
        SELECT l.id, told.until, told.seconds FROM lanes AS l JOIN told ON told.lane = l.id
        WHERE l.id <> l.account_id AND (l.not_before IS NULL OR l.not_before + interval '1 second' < told.until)
        ORDER BY l.id FOR UPDATE OF l
    )
    UPDATE lanes AS l SET not_before = held.until, slow_since = held.until
    FROM held WHERE l.id = held.id
    RETURNING l.id, held.seconds
    """
).bindparams(bindparam("message_ids", type_=ARRAY(Uuid)), bindparam("seconds", type_=ARRAY(Double)))


async def hold_lanes(connection: Connection, waits: Mapping[UUID, float]) -> dict[UUID, float]:
    """Have the lanes of these messages wait for so many seconds and come back gently; give those that were moved.

    A lane that waits already is never moved back. Messages that have left the queue move nothing, nor do test messages.
    """
    rows = await connection.execute(_HOLD, {"message_ids": list(waits), "seconds": list(waits.values())})
    return {row.id: row.seconds for row in rows}
