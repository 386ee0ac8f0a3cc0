"""Storing accepted messages: idempotency key, message, first event and queue row, many in one statement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from app.domain.message import NewMessage
from app.store.engine import Autocommit, Connection, StoreUnavailable
from app.store.messages import StoredMessage, get_messages

WAKE_CHANNEL: Final = "gateway_dispatch"
"""Where a notification says that messages wait; a hint only, polling is the truth."""


@dataclass(frozen=True, kw_only=True)
class IdempotencyKey:
    """What a caller bound its request to: the key, and a hash of what was asked."""

    account_id: UUID
    test: bool
    """Test and live keys of an account do not meet: an answer of the sandbox is none for a live message."""

    key: str
    fingerprint: bytes

    @property
    def identity(self) -> tuple[UUID, bool, str]:
        """What makes two keys one."""
        return self.account_id, self.test, self.key


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A message to be stored, and the key that it is bound to, if it is."""

    message: NewMessage = field(repr=False)
    key: IdempotencyKey | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """The message was stored now."""

    at: datetime
    """By the database's clock, which all that is stored together shares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """There was something before: the message that the key stands for, or this very message."""

    fingerprint: bytes | None
    """What the key was first used for; None where there is no key."""

    message: StoredMessage | None
    """None if it has been removed since."""


# One statement, so that it needs no BEGIN and no COMMIT of its own, and nothing can be stored in part.
# Keys go in sorted, or two processes could wait for each other. Who retries a statement that was not
# answered finds its key or its id there, and writes nothing twice.
_ACCEPT: Final = """
WITH asked AS (
    SELECT * FROM json_to_recordset($1::json) AS a (
        id uuid, account_id uuid, created_at timestamptz, sender text, recipient text, body text, encoding text,
        segments smallint, client_reference text, metadata jsonb, test boolean, delivery_guarantee text, provider text,
        lane uuid, priority smallint, pool text, send_at timestamptz, expires_at timestamptz, validity_seconds integer,
        key text, fingerprint bytea
    )
), won AS (
    INSERT INTO idempotency_keys (account_id, test, key, fingerprint, message_id)
    SELECT account_id, test, key, fingerprint, id FROM asked WHERE key IS NOT NULL
    ORDER BY account_id, test, key
    ON CONFLICT (account_id, test, key) DO NOTHING
    RETURNING message_id
), message AS (
    INSERT INTO messages (id, account_id, direction, status, event_sequence, sender, recipient, body, encoding,
                          segments, client_reference, metadata, test, delivery_guarantee, provider, priority, pool,
                          send_at, expires_at, updated_at)
    SELECT id, account_id, 'outbound', CASE WHEN send_at > now() THEN 'scheduled' ELSE 'queued' END, 1, sender,
           recipient, body, encoding, segments, client_reference, metadata, test, delivery_guarantee, provider,
           priority, pool,
           CASE WHEN send_at > now() THEN send_at END,
           coalesce(expires_at, greatest(send_at, now()) + make_interval(secs => validity_seconds)),
           created_at
    FROM asked WHERE key IS NULL OR id IN (SELECT message_id FROM won)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, status, send_at, expires_at
), event AS (
    INSERT INTO status_events (message_id, sequence, source, status, applied)
    SELECT id, 1, 'api', status, true FROM message
), queue AS (
    INSERT INTO dispatch_queue (message_id, account_id, lane, priority, segments, due_at, expires_at)
    SELECT id, asked.account_id, lane, priority, segments, coalesce(message.send_at, now()), message.expires_at
    FROM asked JOIN message USING (id)
)
SELECT now() AS at, array_agg(id) AS ids FROM message
"""

_BOUND_TO: Final = """
SELECT account_id, test, key, fingerprint, message_id
FROM unnest($1::uuid[], $2::boolean[], $3::text[]) AS wanted (account_id, test, key)
JOIN idempotency_keys USING (account_id, test, key)
"""

# What was read may be known to this server alone: where a synchronous standby is named, a commit of one's own waits
# until the standby has all that was committed before.
_CONFIRM: Final = """
SELECT CASE WHEN current_setting('synchronous_standby_names') <> ''
       THEN pg_logical_emit_message(true, 'gateway', '') END
"""


async def accept(writing: Autocommit, batch: Sequence[Submission]) -> list[Stored | Earlier]:
    """Store what is new of a batch, all of it in one commit; give the outcome of each in their order.

    Of equal keys the first is stored and the others are its repeats. A batch that failed, or was not
    answered, may be given again: what it stored is then found as `Earlier`.
    """
    first = {item.key.identity: item for item in reversed(batch) if item.key is not None}
    leading = [item for item in batch if item.key is None or first[item.key.identity] is item]
    async with writing.connect() as connection:
        at, stored = await _insert(connection, leading)
        if len(stored) == len(batch):
            return [Stored(at=at)] * len(batch)
        earlier = await _earlier(connection, [item for item in batch if item.message.id not in stored])
    return [Stored(at=at) if item.message.id in stored else earlier[item.message.id] for item in batch]


async def find_earlier(reading: Autocommit, key: IdempotencyKey) -> Earlier | None:
    """Read what a key was bound to, without binding it; None if it is free."""
    async with reading.connect() as connection:
        bound = await _bound_to(connection, {key.identity})
        if not bound:
            return None
        message_id, fingerprint = bound[key.identity]
        messages = await get_messages(connection, [message_id])
        await connection.exec_driver_sql(_CONFIRM)
    return Earlier(fingerprint=fingerprint, message=messages.get(message_id))


async def _insert(connection: Connection, batch: Sequence[Submission]) -> tuple[datetime, frozenset[UUID]]:
    # One document of all rows takes half the time of an array for each column, on both sides.
    # `default`: the driver has a UUID of its own, which orjson does not know.
    document = orjson.dumps([_row(item) for item in batch], default=str).decode()
    row = (await connection.exec_driver_sql(_ACCEPT, (document,))).one()
    return row.at, frozenset(row.ids or ())


def _row(item: Submission) -> dict[str, object]:
    message, key = item.message, item.key
    row: dict[str, object] = {
        "id": message.id,
        "account_id": message.account_id,
        "created_at": message.created_at,
        "sender": message.sender,
        "recipient": message.recipient,
        "body": message.body,
        "encoding": message.encoding,
        "segments": message.segments,
        "client_reference": message.client_reference,
        "metadata": message.metadata,
        "test": message.test,
        "delivery_guarantee": message.delivery_guarantee,
        "provider": message.provider,
        "lane": message.lane,
        "priority": message.priority,
        "pool": message.pool,
        "send_at": message.send_at,
        "expires_at": message.expires_at,
        "validity_seconds": message.validity_seconds,
    }
    if key is not None:
        row |= {"key": key.key, "fingerprint": f"\\x{key.fingerprint.hex()}"}
    return row


async def _earlier(connection: Connection, left: Sequence[Submission]) -> dict[UUID, Earlier]:
    """Read what was there before: in statements of their own, for the first cannot see a concurrent winner."""
    keys = {item.key.identity for item in left if item.key is not None}
    bound = await _bound_to(connection, keys)
    if len(bound) < len(keys):
        raise StoreUnavailable("an idempotency key was removed meanwhile")
    # A message without a key that was not stored now had been stored by an earlier, unanswered try.
    first = {item.message.id: bound[item.key.identity] if item.key else (item.message.id, None) for item in left}
    messages = await get_messages(connection, [message_id for message_id, _ in first.values()])
    await connection.exec_driver_sql(_CONFIRM)
    return {
        own_id: Earlier(fingerprint=fingerprint, message=messages.get(message_id))
        for own_id, (message_id, fingerprint) in first.items()
    }


async def _bound_to(
    connection: Connection, keys: Collection[tuple[UUID, bool, str]]
) -> dict[tuple[UUID, bool, str], tuple[UUID, bytes]]:
    """Read the message and the fingerprint that each of these keys is bound to; free ones are left out."""
    if not keys:
        return {}
    columns = tuple(list(column) for column in zip(*keys, strict=True))
    rows = await connection.exec_driver_sql(_BOUND_TO, columns)
    return {(row.account_id, row.test, row.key): (row.message_id, row.fingerprint) for row in rows}
