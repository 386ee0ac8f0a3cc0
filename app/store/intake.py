"""Keeping webhooks: the raw receipts of many requests and their digests in one statement."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from app.domain.http import WebhookRequest
from app.domain.references import AttemptRef
from app.store.engine import Autocommit

WAKE_CHANNEL: Final = "gateway_receipts"
"""Where a notification says that receipts wait; a hint only, polling is the truth."""


@dataclass(kw_only=True, slots=True)
class NewReceipt:
    """A verified webhook to be kept. Nobody changes it; it is not frozen because one is made for each webhook."""

    id: UUID
    provider: str
    request: WebhookRequest
    attempt: AttemptRef | None
    """Whose status it tells, where the URL says so."""

    digest: bytes
    unique_for: timedelta
    """How long an equal webhook counts as the same one."""


# Digests go in sorted, or two processes could wait for each other.
_KEEP: Final = """
WITH given AS (
    SELECT * FROM json_to_recordset($1::json) AS g (
        id uuid, provider text, method text, url text, headers jsonb, body text, message_id uuid, attempt smallint,
        digest bytea, unique_seconds double precision
    )
), fresh AS (
    INSERT INTO webhook_digests AS d (digest, expires_at)
    SELECT digest, now() + make_interval(secs => unique_seconds) FROM given ORDER BY digest
    ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at WHERE d.expires_at < now()
    RETURNING digest
), receipt AS (
    INSERT INTO webhook_receipts (id, provider, method, url, headers, body, message_id, attempt)
    SELECT id, provider, method, url, headers, decode(body, 'base64'), message_id, attempt
    FROM given JOIN fresh USING (digest)
    RETURNING id
)
SELECT array_agg(id) FROM receipt
"""


async def keep_receipts(writing: Autocommit, batch: Sequence[NewReceipt]) -> list[bool]:
    """Keep webhooks, all in one commit; False for a repeat, of which nothing is kept.

    Of equal ones the first is kept. A batch that failed, or was not answered, may be given again: what it
    kept is then a repeat, which is acknowledged all the same.
    """
    first = {receipt.digest: receipt for receipt in reversed(batch)}
    document = orjson.dumps([_row(receipt) for receipt in first.values()]).decode()
    async with writing.connect() as connection:
        ids = (await connection.exec_driver_sql(_KEEP, (document,))).scalar_one()
    kept = frozenset(ids or ())
    return [receipt.id in kept for receipt in batch]


def _row(receipt: NewReceipt) -> dict[str, object]:
    request, attempt = receipt.request, receipt.attempt
    return {
        "id": receipt.id,
        "provider": receipt.provider,
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "body": b64encode(request.body).decode(),
        "message_id": attempt.message_id if attempt else None,
        "attempt": attempt.number if attempt else None,
        "digest": f"\\x{receipt.digest.hex()}",
        "unique_seconds": receipt.unique_for.total_seconds(),
    }
