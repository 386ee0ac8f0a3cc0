"""Taking messages that their providers are to be asked about, long after they were sent.

Each look is counted when it is taken, and its row falls due again by itself should the worker die: a question about
what a provider shows does no harm when it is asked twice, so it needs no lease and no fence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ARRAY, Uuid, bindparam, text

from app.domain.references import AttemptRef
from app.store.engine import Connection

_TAKE: Final = text(
    """
    WITH due AS MATERIALIZED (
        SELECT message_id FROM dispatch_queue
        WHERE work = 'reconcile' AND leased_until IS NULL AND due_at <= now()
        ORDER BY due_at, message_id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE dispatch_queue AS q SET tries = q.tries + 1, due_at = now() + cast(:unless_concluded AS interval)
        FROM due WHERE q.message_id = due.message_id
        RETURNING q.message_id, q.tries
    )
    SELECT taken.message_id, taken.tries, a.no, a.provider, a.provider_message_id
    FROM taken
    JOIN messages AS m ON m.id = taken.message_id
    JOIN LATERAL (
        SELECT no, provider, provider_message_id FROM attempts WHERE message_id = m.id
        ORDER BY provider_message_id IS NULL, no DESC LIMIT 1
    ) AS a ON true
    """
)

_PUT_OFF: Final = text(
    """
    UPDATE dispatch_queue SET tries = tries - 1, due_at = now() + cast(:by AS interval)
    WHERE message_id IN (
        SELECT message_id FROM dispatch_queue
        WHERE message_id = ANY(:message_ids) AND work = 'reconcile' FOR UPDATE SKIP LOCKED
    )
    """
).bindparams(bindparam("message_ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, kw_only=True)
class Look:
    """One message that its provider is to be asked about, by the newest of its attempts that has an id there."""

    attempt: AttemptRef
    provider: str
    provider_message_id: str | None
    """None where the provider has named none yet, so that it cannot be asked."""

    number: int
    """How many looks there were, this one included."""


async def take_looks(connection: Connection, *, limit: int, unless_concluded: timedelta) -> list[Look]:
    """Take what is due, the longest due first; it is due again after `unless_concluded` if nothing comes of it."""
    rows = (await connection.execute(_TAKE, {"limit": limit, "unless_concluded": unless_concluded})).all()
    return [
        Look(
            attempt=AttemptRef(message_id=row.message_id, number=row.no),
            provider=row.provider,
            provider_message_id=row.provider_message_id,
            number=row.tries,
        )
        for row in rows
    ]


async def put_off(connection: Connection, looks: Sequence[Look], *, by: timedelta) -> None:
    """Give back looks that were taken and not made; they do not count, and are due again later."""
    await connection.execute(_PUT_OFF, {"message_ids": [look.attempt.message_id for look in looks], "by": by})
