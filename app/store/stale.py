"""Messages that went stale while they waited in the dispatch queue."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.domain.message import MessageState
from app.store.among import IS_AMONG, Among, DueStatement
from app.store.engine import Connection
from app.store.states import STATE, message_state

# No index leads there: one more would cost each accept, and a scan of what waits is cheap enough for once in a while.
_STALE: Final = text(
    """
    SELECT message_id FROM dispatch_queue
    WHERE expires_at <= now() AND leased_until IS NULL AND work IN ('send', 'send_alone')
    LIMIT :limit
    """
)

_LOCK: Final = DueStatement(
    f"""
    SELECT {STATE}
    FROM dispatch_queue AS q JOIN messages AS m ON m.id = q.message_id
    WHERE q.message_id = ANY(:ids) AND q.message_id {IS_AMONG}
    AND q.expires_at <= now() AND q.leased_until IS NULL AND q.work IN ('send', 'send_alone')
    ORDER BY m.id
    FOR UPDATE OF q, m SKIP LOCKED
    """  # noqa: S608 - constants of this module
)


async def stale_ids(connection: Connection, *, limit: int) -> list[UUID]:
    """Name up to `limit` messages that wait to be sent and are not worth it any more; scans the whole queue."""
    return list(await connection.scalars(_STALE, {"limit": limit}))


async def lock_stale(connection: Connection, ids: list[UUID], among: Among) -> list[MessageState]:
    """Lock those of them that nobody has taken since."""
    return [message_state(row) for row in await _LOCK.rows(connection, among, ids=ids)]
