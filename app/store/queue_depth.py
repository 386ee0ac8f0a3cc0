"""How many messages wait in the dispatch queue, by account."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from app.store.engine import Connection

_QUEUED = text(
    "SELECT account_id, count(*) AS queued FROM dispatch_queue WHERE work IN ('send', 'send_alone') GROUP BY account_id"
)


async def count_queued(connection: Connection) -> dict[UUID, int]:
    """Count each account's messages that are still to be sent, now or at their `send_at`; others are not named.

    A scan of the whole queue: some 100 ms for a million rows. Messages that only wait for evidence of what
    became of them have been sent, and are not counted.
    """
    return {row.account_id: row.queued for row in await connection.execute(_QUEUED)}
