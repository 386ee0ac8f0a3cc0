"""The answer to an accepted message: the first one, and the same again to each repeat of its request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.errors import ErrorCode, Refusal
from app.domain.message import NewMessage
from app.domain.status import Direction, MessageStatus
from app.store.acceptance import Earlier, IdempotencyKey
from app.store.messages import StoredMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """The answer to an accepted message: as it was stored, even where it is an older one's answer again."""

    message: StoredMessage
    replayed: bool
    estimated_send_at: datetime | None = None
    """When it will be sent by what waits before it; None where that cannot be told, and for an earlier answer."""


def as_accepted(message: NewMessage, at: datetime) -> StoredMessage:
    """Give a message as its row was written at that time."""
    send_at = message.send_at if message.send_at and message.send_at > at else None
    return StoredMessage(
        id=message.id,
        account_id=message.account_id,
        direction=Direction.OUTBOUND.value,
        status=(MessageStatus.SCHEDULED if send_at else MessageStatus.QUEUED).value,
        sender=message.sender,
        recipient=message.recipient,
        body=message.body,
        encoding=message.encoding.value,
        segments=message.segments,
        client_reference=message.client_reference,
        metadata=message.metadata,
        test=message.test,
        priority=message.priority,
        pool=message.pool,
        delivery_guarantee=message.delivery_guarantee.value,
        possible_duplicate=False,
        attempts=0,
        provider=message.provider,
        error_code=None,
        send_at=send_at,
        updated_at=message.created_at,
        sent_at=None,
        final_at=None,
        expires_at=message.expires_at or (send_at or at) + timedelta(seconds=message.validity_seconds),
    )


def first_answer(key: IdempotencyKey | None, earlier: Earlier) -> Acceptance:
    """Answer a repeat; raises `idempotency-key-reused` for another request, `not-found` for a message that is gone."""
    if key is not None and earlier.fingerprint != key.fingerprint:
        raise Refusal(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key belongs to a request with another body. Use a new key for a new message.",
        )
    if earlier.message is None:
        raise Refusal(ErrorCode.NOT_FOUND, "The message of this Idempotency-Key has been removed. Use a new key.")
    return Acceptance(message=_as_first_answered(earlier.message), replayed=True)


def _as_first_answered(message: StoredMessage) -> StoredMessage:
    """Put back what may have changed since: all else never does, but a pool's sender where its provider failed."""
    return replace(
        message,
        status=(MessageStatus.SCHEDULED if message.send_at else MessageStatus.QUEUED).value,
        possible_duplicate=False,
        attempts=0,
        error_code=None,
        updated_at=message.created_at,
        sent_at=None,
        final_at=None,
    )
