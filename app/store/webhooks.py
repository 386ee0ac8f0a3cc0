"""Webhook receipts that were kept: read once, marked, and the reports that wait for their attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson
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


@dataclass(frozen=True, kw_only=True)
class OrphanReport:
    """A status report whose attempt was not known when it came."""

    id: UUID
    receipt_id: UUID
    provider: str
    provider_message_id: str
    report: dict[str, Any]


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

_BOUND: Final = text(
    """
    SELECT provider_message_id FROM attempts
    WHERE provider = :provider AND provider_message_id = ANY(:provider_message_ids)
        AND (message_id, no) <> (:message_id, :number)
    """
).bindparams(bindparam("provider_message_ids", type_=ARRAY(Text)), bindparam("message_id", type_=Uuid))

_HOLD_ID: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:provider || ' ' || :provider_message_id, 0))")

_ADD_ORPHANS: Final = text(
    """
    INSERT INTO orphan_reports (id, receipt_id, provider, provider_message_id, report)
    SELECT id, receipt_id, provider, provider_message_id, report::jsonb
    FROM unnest(:ids, :receipt_ids, :providers, :provider_message_ids, :reports)
        AS o (id, receipt_id, provider, provider_message_id, report)
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("receipt_ids", type_=ARRAY(Uuid)),
    bindparam("providers", type_=ARRAY(Text)),
    bindparam("provider_message_ids", type_=ARRAY(Text)),
    bindparam("reports", type_=ARRAY(Text)),
)

# Exactly one: an id that two attempts share will never be evidence, and must not stand in the others' way.
_KNOWN_BY_NOW: Final = text(
    """
    SELECT o.id, o.receipt_id, o.provider, o.provider_message_id, o.report
    FROM orphan_reports AS o
    WHERE 1 = (SELECT count(*) FROM attempts AS a
               WHERE a.provider = o.provider AND a.provider_message_id = o.provider_message_id
               AND a.message_id >= :oldest)
    ORDER BY o.id LIMIT :limit FOR UPDATE SKIP LOCKED
    """
).bindparams(bindparam("oldest", type_=Uuid))


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


async def add_orphans(connection: Connection, orphans: Sequence[OrphanReport]) -> None:
    """Keep reports until their attempt becomes known."""
    await connection.execute(
        _ADD_ORPHANS,
        {
            "ids": [o.id for o in orphans],
            "receipt_ids": [o.receipt_id for o in orphans],
            "providers": [o.provider for o in orphans],
            "provider_message_ids": [o.provider_message_id for o in orphans],
            "reports": [orjson.dumps(o.report).decode() for o in orphans],
        },
    )


async def lock_known_orphans(connection: Connection, *, oldest: UUID, limit: int) -> list[OrphanReport]:
    """Lock kept reports whose attempt, of a message not before `oldest`, has become known."""
    rows = (await connection.execute(_KNOWN_BY_NOW, {"oldest": oldest, "limit": limit})).all()
    return [OrphanReport(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name


async def remove_orphans(connection: Connection, ids: Sequence[UUID]) -> None:
    """Remove kept reports that were applied."""
    await connection.execute(
        text("DELETE FROM orphan_reports WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(Uuid))),
        {"ids": list(ids)},
    )


async def hold_id(connection: Connection, provider: str, provider_message_id: str) -> None:
    """Keep everybody else who calls this from the same id until the transaction ends; waits for who has it now."""
    await connection.execute(_HOLD_ID, {"provider": provider, "provider_message_id": provider_message_id})


async def bound_ids(
    connection: Connection, provider: str, provider_message_ids: Sequence[str], *, besides: AttemptRef
) -> set[str]:
    """Name those of a provider's message ids that belong to other attempts than `besides`."""
    if not provider_message_ids:
        return set()
    rows = await connection.execute(
        _BOUND,
        {
            "provider": provider,
            "provider_message_ids": list(provider_message_ids),
            "message_id": besides.message_id,
            "number": besides.number,
        },
    )
    return set(rows.scalars())
