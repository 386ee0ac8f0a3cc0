"""Removing what has served its purpose, in batches small enough to be noticed by nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from app.store.engine import Connection

BATCH: Final = 5_000

_EXPIRED: Final[dict[str, str]] = {
    "idempotency_keys": "created_at < now() - cast(:age AS interval)",
    "webhook_digests": "expires_at < now() - cast(:age AS interval)",
    "inbound_references": "received_at < now() - cast(:age AS interval)",
    "orphan_reports": "received_at < now() - cast(:age AS interval)",
    "webhook_receipts": "received_at < now() - cast(:age AS interval) AND state = 'processed'",
}


async def prune(connection: Connection, table: str, *, age: timedelta) -> int:
    """Delete up to `BATCH` rows older than `age`; return how many went."""
    condition = _EXPIRED[table]
    statement = text(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608 - names from the table above
        f"SELECT ctid FROM {table} WHERE {condition} LIMIT :batch FOR UPDATE SKIP LOCKED))"
    )
    return (await connection.execute(statement, {"age": age, "batch": BATCH})).rowcount
