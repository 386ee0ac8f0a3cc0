"""Keeping webhooks: the raw receipts of many requests and their digests in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from app.domain.http import WebhookRequest
from app.domain.provider import AttemptRef
from app.store.engine import Autocommit

WAKE_CHANNEL: Final = "gateway_receipts"
"""Where a notification says that receipts wait; a hint only, polling is the truth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewReceipt:
    """A verified webhook to be kept."""

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
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::uuid[], $8::smallint[],
        $9::bytea[], $10::interval[]
    ) AS g (id, provider, method, url, headers, body, message_id, attempt, digest, unique_for)
), fresh AS (
    INSERT INTO webhook_digests AS d (digest, expires_at)
    SELECT digest, now() + unique_for FROM given ORDER BY digest
    ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at WHERE d.expires_at < now()
    RETURNING digest
), receipt AS (
    INSERT INTO webhook_receipts (id, provider, method, url, headers, body, message_id, attempt)
    SELECT id, provider, method, url, headers::jsonb, body, message_id, attempt FROM given JOIN fresh USING (digest)
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
    given = list(first.values())
    async with writing.connect() as connection:
        ids = (await connection.exec_driver_sql(_KEEP, _columns(given))).scalar_one()
    kept = frozenset(ids or ())
    return [receipt.id in kept for receipt in batch]


def _columns(given: Sequence[NewReceipt]) -> tuple[list[object], ...]:
    return (
        [receipt.id for receipt in given],
        [receipt.provider for receipt in given],
        [receipt.request.method for receipt in given],
        [receipt.request.url for receipt in given],
        [orjson.dumps(dict(receipt.request.headers)).decode() for receipt in given],
        [receipt.request.body for receipt in given],
        [receipt.attempt and receipt.attempt.message_id for receipt in given],
        [receipt.attempt and receipt.attempt.number for receipt in given],
        [receipt.digest for receipt in given],
        [receipt.unique_for for receipt in given],
    )
