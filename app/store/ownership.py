"""Whose a message is that a provider's records show: what belongs to other attempts, and what may yet do so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ARRAY, Text, Uuid, bindparam, text

from app.domain.ids import created_at, lowest_id
from app.domain.message import AttemptState
from app.domain.provider import SendRequest
from app.domain.references import AttemptRef
from app.domain.schedule import MAX_AHEAD, MAX_VALIDITY
from app.store.engine import Connection
from app.store.states import ATTEMPT, attempt_state

_FURTHEST_APART: Final = MAX_AHEAD + MAX_VALIDITY + timedelta(days=1)
"""How far apart two messages may have been accepted that are sent at the same time."""

_BOUND: Final = text(
    """
    SELECT provider_message_id FROM attempts
    WHERE provider = :provider AND provider_message_id = ANY(:provider_message_ids)
        AND (message_id, no) <> (:message_id, :number)
    """
).bindparams(bindparam("provider_message_ids", type_=ARRAY(Text)), bindparam("message_id", type_=Uuid))

_HOLD_ID: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:provider || ' ' || :provider_message_id, 0))")

# Those who may send from the same sender are its accounts; a test message may come from any, and has its own.
_RIVALS: Final = text(
    f"""
    SELECT {ATTEMPT}
    FROM messages AS m JOIN attempts AS a ON a.message_id = m.id
    WHERE m.account_id = ANY(ARRAY(
            SELECT account_id FROM senders WHERE address = :sender
            UNION SELECT account_id FROM messages WHERE id = :message_id
        ))
        AND m.recipient = :recipient AND m.sender = :sender AND m.body = :body
        AND m.id <> :message_id AND m.id >= :oldest AND a.message_id >= :oldest
        AND a.provider = :provider AND a.provider_message_id IS NULL AND a.phase NOT IN ('rejected', 'not_sent')
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("message_id", type_=Uuid), bindparam("oldest", type_=Uuid))


async def rivals(
    connection: Connection, provider: str, send: SendRequest, *, besides: AttemptRef
) -> list[AttemptState]:
    """Read attempts of other messages with the same text between the same numbers whose provider id is not known.

    To be read before `bound_ids`: what is named in between belongs to one or to the other, and not to neither.
    """
    wanted = {
        "provider": provider,
        "sender": send.sender,
        "recipient": send.recipient,
        "body": send.body,
        "message_id": besides.message_id,
        "oldest": lowest_id(created_at(besides.message_id) - _FURTHEST_APART),
    }
    return [attempt_state(row) for row in await connection.execute(_RIVALS, wanted)]


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
