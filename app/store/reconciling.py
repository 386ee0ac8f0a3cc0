"""Taking messages that their providers are to be asked about, long after they were sent.

Each look is counted when it is taken, and its row falls due again by itself should the worker die: a question about
what a provider shows does no harm when it is asked twice, so it needs no lease and no fence.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ARRAY, Text, bindparam, text

from app.domain.references import AttemptRef
from app.store.engine import Connection

_ASKED_BY: Final = """
    SELECT no, provider, provider_message_id FROM attempts WHERE message_id = {message_id}
    ORDER BY provider_message_id IS NULL, no DESC LIMIT 1
"""

# Attempts are looked at before the limit only while somebody is left alone.
_TAKE: Final = text(
    f"""
    WITH due AS MATERIALIZED (
        SELECT message_id FROM dispatch_queue AS q
        WHERE work = 'reconcile' AND leased_until IS NULL AND due_at <= now() AND (
            cardinality(:leaving_alone) = 0
            OR (SELECT provider FROM ({_ASKED_BY.format(message_id="q.message_id")}) AS a) <> ALL(:leaving_alone)
        )
        ORDER BY due_at, message_id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE dispatch_queue AS q SET tries = q.tries + 1, due_at = now() + cast(:unless_concluded AS interval)
        FROM due WHERE q.message_id = due.message_id
        RETURNING q.message_id, q.tries
    )
    SELECT taken.message_id, taken.tries, a.no, a.provider, a.provider_message_id
    FROM taken
    JOIN messages AS m ON m.id = taken.message_id
    JOIN LATERAL ({_ASKED_BY.format(message_id="m.id")}) AS a ON true
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("leaving_alone", type_=ARRAY(Text)))


@dataclass(frozen=True, kw_only=True)
class Look:
    """One message that its provider is to be asked about, by the newest of its attempts that has an id there."""

    attempt: AttemptRef
    provider: str
    provider_message_id: str | None
    """None where the provider has named none yet, so that it cannot be asked."""

    number: int
    """How many looks there were, this one included."""


async def take_looks(
    connection: Connection, *, limit: int, unless_concluded: timedelta, leaving_alone: Collection[str] = ()
) -> list[Look]:
    """Take what is due, the longest due first; it is due again after `unless_concluded` if nothing comes of it.

    What is asked of the providers left alone stays due.
    """
    wanted = {"limit": limit, "unless_concluded": unless_concluded, "leaving_alone": sorted(leaving_alone)}
    rows = (await connection.execute(_TAKE, wanted)).all()
    return [
        Look(
            attempt=AttemptRef(message_id=row.message_id, number=row.no),
            provider=row.provider,
            provider_message_id=row.provider_message_id,
            number=row.tries,
        )
        for row in rows
    ]
