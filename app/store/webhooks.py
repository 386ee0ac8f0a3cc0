"""Webhook receipts that were kept, read once and marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text

from app.domain.http import WebhookRequest
from app.domain.references import AttemptRef
from app.store.engine import Connection


@dataclass(frozen=True, kw_only=True)
class PendingReceipt:
    """A kept webhook that has not been read yet."""

    id: UUID
    provider: str
    request: WebhookRequest = field(repr=False)
    attempt: AttemptRef | None


_PENDING: Final = text(
    """
    SELECT id, provider, method, url, headers, body, message_id, attempt
    FROM webhook_receipts WHERE state = 'pending'
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)

_MARK: Final = text(
    """
    UPDATE webhook_receipts AS r SET state = done.state, note = done.note, processed_at = now()
    FROM unnest(:ids, :states, :notes) AS done (id, state, note) WHERE r.id = done.id
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("states", type_=ARRAY(Text)),
    bindparam("notes", type_=ARRAY(Text)),
)

# Ids older than this are not searched: providers do not report on messages of a month ago.
_FIND: Final = text(
    """
    SELECT a.provider, a.provider_message_id, min(a.message_id::text)::uuid AS message_id, min(a.no) AS no,
           count(*) AS hits
    FROM unnest(:providers, :provider_message_ids) AS wanted (provider, provider_message_id)
    JOIN attempts AS a USING (provider, provider_message_id)
    WHERE a.message_id >= :oldest
    GROUP BY a.provider, a.provider_message_id
    """
).bindparams(
    bindparam("providers", type_=ARRAY(Text)),
    bindparam("provider_message_ids", type_=ARRAY(Text)),
    bindparam("oldest", type_=Uuid),
)


async def lock_pending(connection: Connection, *, limit: int) -> list[PendingReceipt]:
    """Lock receipts that wait to be read, the oldest first."""
    rows = (await connection.execute(_PENDING, {"limit": limit})).all()
    return [
        PendingReceipt(
            id=row.id,
            provider=row.provider,
            request=WebhookRequest(method=row.method, url=row.url, headers=row.headers, body=row.body),
            attempt=AttemptRef(message_id=row.message_id, number=row.attempt) if row.message_id else None,
        )
        for row in rows
    ]


async def mark_receipts(connection: Connection, done: Sequence[tuple[UUID, str, str | None]]) -> None:
    """Write (id, state, note) of receipts that were read; the note says what came of them."""
    await connection.execute(
        _MARK,
        {"ids": [row[0] for row in done], "states": [row[1] for row in done], "notes": [row[2] for row in done]},
    )


async def find_attempts(
    connection: Connection, wanted: Sequence[tuple[str, str]], *, oldest: UUID
) -> dict[tuple[str, str], AttemptRef]:
    """Find attempts by (provider, provider message id); an id that two attempts share is not evidence."""
    rows = await connection.execute(
        _FIND,
        {
            "providers": [key[0] for key in wanted],
            "provider_message_ids": [key[1] for key in wanted],
            "oldest": oldest,
        },
    )
    return {
        (row.provider, row.provider_message_id): AttemptRef(message_id=row.message_id, number=row.no)
        for row in rows
        if row.hits == 1
    }
