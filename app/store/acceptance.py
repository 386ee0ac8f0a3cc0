"""Storing accepted messages: idempotency key, message, first event and queue row in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Boolean, Integer, LargeBinary, SmallInteger, Text, Uuid, bindparam, text

from app.domain.message import NewMessage
from app.store.engine import Connection

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


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The message that this key already stands for."""

    message_id: UUID
    fingerprint: bytes


_CLAIM_KEY: Final = text(
    """
    INSERT INTO idempotency_keys (account_id, test, key, fingerprint, message_id)
    VALUES (:account_id, :test, :key, :fingerprint, :message_id)
    ON CONFLICT (account_id, test, key) DO NOTHING
    RETURNING message_id
    """
)

_READ_KEY: Final = text(
    "SELECT message_id, fingerprint FROM idempotency_keys "
    "WHERE account_id = :account_id AND test = :test AND key = :key"
)

_INSERT: Final = text(
    """
    WITH accepted AS (
        SELECT * FROM unnest(
            :ids, :account_ids, :senders, :recipients, :bodies, :encodings, :segments, :client_references,
            :metadata, :tests, :delivery_guarantees, :providers, :validity_seconds, :lanes
        ) AS a (id, account_id, sender, recipient, body, encoding, segments, client_reference,
                metadata, test, delivery_guarantee, provider, validity_seconds, lane)
    ), message AS (
        INSERT INTO messages (id, account_id, direction, status, event_sequence, sender, recipient, body, encoding,
                              segments, client_reference, metadata, test, delivery_guarantee, provider, expires_at)
        SELECT id, account_id, 'outbound', 'queued', 1, sender, recipient, body, encoding,
               segments, client_reference, metadata::jsonb, test, delivery_guarantee, provider,
               now() + make_interval(secs => validity_seconds)
        FROM accepted
        RETURNING id, expires_at
    ), event AS (
        INSERT INTO status_events (message_id, sequence, source, status, applied)
        SELECT id, 1, 'api', 'queued', true FROM accepted
    ), queue AS (
        INSERT INTO dispatch_queue (message_id, account_id, lane) SELECT id, account_id, lane FROM accepted
    )
    SELECT id, expires_at FROM message
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("account_ids", type_=ARRAY(Uuid)),
    bindparam("senders", type_=ARRAY(Text)),
    bindparam("recipients", type_=ARRAY(Text)),
    bindparam("bodies", type_=ARRAY(Text)),
    bindparam("encodings", type_=ARRAY(Text)),
    bindparam("segments", type_=ARRAY(SmallInteger)),
    bindparam("client_references", type_=ARRAY(Text)),
    bindparam("metadata", type_=ARRAY(Text)),
    bindparam("tests", type_=ARRAY(Boolean)),
    bindparam("delivery_guarantees", type_=ARRAY(Text)),
    bindparam("providers", type_=ARRAY(Text)),
    bindparam("validity_seconds", type_=ARRAY(Integer)),
    bindparam("lanes", type_=ARRAY(Uuid)),
)


async def claim_key(connection: Connection, wanted: IdempotencyKey, message_id: UUID) -> Earlier | None:
    """Bind a key to a message; give what it is bound to already, if it is.

    A concurrent transaction with the same key makes this one wait until it has ended. The loser reads
    in a second statement, for its first one cannot see the winner's row.
    """
    row = {"account_id": wanted.account_id, "test": wanted.test, "key": wanted.key}
    claimed = await connection.execute(
        _CLAIM_KEY.bindparams(bindparam("fingerprint", type_=LargeBinary)),
        {**row, "fingerprint": wanted.fingerprint, "message_id": message_id},
    )
    if claimed.first() is not None:
        return None
    earlier = (await connection.execute(_READ_KEY, row)).one()
    return Earlier(message_id=earlier.message_id, fingerprint=earlier.fingerprint)


async def insert_messages(connection: Connection, messages: Sequence[NewMessage]) -> dict[UUID, datetime]:
    """Store messages as queued, each with its first event and its queue row, and wake the workers.

    Returns when each expires, by the database's clock.
    """
    stored = await connection.execute(
        _INSERT,
        {
            "ids": [m.id for m in messages],
            "account_ids": [m.account_id for m in messages],
            "senders": [m.sender for m in messages],
            "recipients": [m.recipient for m in messages],
            "bodies": [m.body for m in messages],
            "encodings": [m.encoding.value for m in messages],
            "segments": [m.segments for m in messages],
            "client_references": [m.client_reference for m in messages],
            "metadata": [orjson.dumps(m.metadata).decode() for m in messages],
            "tests": [m.test for m in messages],
            "delivery_guarantees": [m.delivery_guarantee.value for m in messages],
            "providers": [m.provider for m in messages],
            "validity_seconds": [m.validity_seconds for m in messages],
            "lanes": [m.lane for m in messages],
        },
    )
    expiry: dict[UUID, datetime] = {row.id: row.expires_at for row in stored}
    await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": WAKE_CHANNEL})
    return expiry
