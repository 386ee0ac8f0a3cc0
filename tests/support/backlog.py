"""A queue that was filled long before: many messages, written in bulk as accepts would have left them."""

from __future__ import annotations

from typing import Final

import asyncpg

from app.domain.priority import Priority
from app.store.engine import Engine
from tests.bench.harness.filling import fill
from tests.bench.harness.pgbench import Rows

_PRIORITIZE: Final = (
    "UPDATE dispatch_queue SET priority = $1 WHERE account_id = $2",
    "UPDATE messages SET priority = $1 WHERE account_id = $2",
)


async def queue_messages(
    engine: Engine, *, sender: str, messages: int, lanes: int = 1, priority: Priority = Priority.TRANSACTIONAL
) -> None:
    """Queue so many messages of one segment from a sender, or in turn from so many like it, which are added to it.

    All that its account has queued takes this priority.
    """
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow("SELECT account_id, id FROM senders WHERE address = $1", sender)
        assert row is not None, "there is no such sender"
        rows = Rows(account=row["account_id"], sender=sender, lane=row["id"])
        await fill(connection, rows, messages=messages, lanes=lanes)
        if priority is not Priority.TRANSACTIONAL:
            for statement in _PRIORITIZE:
                await connection.execute(statement, priority.rank, rows.account)
            await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
