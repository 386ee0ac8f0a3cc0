"""Accepting messages: checked, counted and stored for good before anybody is told that they are accepted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from app.domain.credentials import KeyMode, Scope
from app.domain.encoding import Segmentation, segment
from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.ids import created_at
from app.domain.message import DeliveryGuarantee, NewMessage
from app.domain.phone import NumberProblem, RecipientRefused, check_recipient
from app.domain.sender import SenderRefused, check_sender
from app.domain.status import Direction, MessageStatus
from app.services.authentication import Caller
from app.services.identity import new_id
from app.store.acceptance import Earlier, IdempotencyKey, claim_key, insert_messages
from app.store.accounts import find_sender
from app.store.engine import Connection, Engine, transaction
from app.store.messages import StoredMessage, get_message
from app.telemetry import get_logger

_log = get_logger(__name__)
SANDBOX: Final = "sandbox"
"""The provider account that test keys reach, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class SendCommand:
    """What a caller asks to be sent, of the right types and sizes, but not yet found acceptable."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    client_reference: str | None
    metadata: dict[str, str] = field(repr=False)
    validity_seconds: int | None
    delivery_guarantee: DeliveryGuarantee
    max_segments: int

    def fingerprint(self) -> bytes:
        """Hash what is asked, whatever its spacing and order were."""
        asked = {
            "from": self.sender,
            "to": self.recipient,
            "body": self.body,
            "client_reference": self.client_reference,
            "metadata": self.metadata,
            "validity_seconds": self.validity_seconds,
            "delivery_guarantee": self.delivery_guarantee,
            "max_segments": self.max_segments,
        }
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """The answer to an accepted message: as it was stored, even where it is an older one's answer again."""

    message: StoredMessage
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a message leaves: through which provider account, counted by which lane."""

    provider: str
    lane: UUID


class Messages:
    """The use cases of outbound messages."""

    def __init__(self, engine: Engine, *, validity_seconds: int) -> None:
        """Take the engine, and how long a message stays worth sending where its caller does not say."""
        self._engine = engine
        self._validity_seconds = validity_seconds

    async def accept(self, caller: Caller, command: SendCommand, idempotency_key: str | None) -> Acceptance:
        """Store a message and say so after the commit; the same key and body give the first answer again.

        Raises `Refusal` for anything that is not acceptable, and changes nothing then.
        """
        account_id = _account(caller)
        recipient = _recipient(command.recipient, test=caller.mode is KeyMode.TEST)
        sender = command.sender if caller.mode is KeyMode.TEST else _sender(command.sender)
        segmentation = _segments(command)
        message_id = new_id(account_id)
        async with transaction(self._engine) as connection:
            if idempotency_key is not None:
                key = IdempotencyKey(
                    account_id=account_id,
                    test=caller.mode is KeyMode.TEST,
                    key=idempotency_key,
                    fingerprint=command.fingerprint(),
                )
                earlier = await claim_key(connection, key, message_id)
                if earlier is not None:
                    return await _first_answer(connection, account_id, key, earlier)
            route = await _route(connection, caller, account_id, sender)
            message = NewMessage(
                id=message_id,
                account_id=account_id,
                sender=sender,
                recipient=recipient,
                body=command.body,
                encoding=segmentation.encoding,
                segments=segmentation.segments,
                client_reference=command.client_reference,
                metadata=command.metadata,
                delivery_guarantee=command.delivery_guarantee,
                provider=route.provider,
                lane=route.lane,
                test=caller.mode is KeyMode.TEST,
                send_at=None,
                expires_at=None,
                validity_seconds=command.validity_seconds or self._validity_seconds,
            )
            expiry = await insert_messages(connection, [message])
        _log.info("accepted", message_id=str(message_id), segments=message.segments, test=message.test)
        return Acceptance(message=_as_accepted(message, expiry[message_id]), replayed=False)


def _account(caller: Caller) -> UUID:
    caller.require(Scope.MESSAGES_WRITE)
    if caller.account_id is None:
        raise Refusal(ErrorCode.FORBIDDEN, "A key without an account reads only. Send with a key of an account.")
    return caller.account_id


def _recipient(text: str, *, test: bool) -> str:
    checked = check_recipient(text, fictional_allowed=test)
    if not isinstance(checked, RecipientRefused):
        return checked.e164
    if checked.problem is NumberProblem.DESTINATION_NOT_ALLOWED:
        detail = "Premium, shared-cost, satellite and service numbers are not texted."
        error = FieldError(pointer="/to", code=checked.problem, detail=detail)
        raise Refusal(ErrorCode.DESTINATION_NOT_ALLOWED, detail, errors=(error,))
    detail = _RECIPIENT_REMEDIES[checked.problem]
    if checked.suggestion:
        detail += f" Did you mean {checked.suggestion}?"
    error = FieldError(pointer="/to", code=checked.problem, detail=detail, suggestion=checked.suggestion)
    raise Refusal(ErrorCode.RECIPIENT_INVALID, detail, errors=(error,))


_RECIPIENT_REMEDIES: Final[dict[NumberProblem, str]] = {
    NumberProblem.NOT_E164: "Write `to` in E.164: a plus, the country code and the number, digits only.",
    NumberProblem.NOT_POSSIBLE: "`to` is too long or too short for its country.",
    NumberProblem.NOT_VALID: "`to` is not a number that its country assigns. Test keys also take fictional numbers.",
    NumberProblem.UNKNOWN_COUNTRY_CODE: "`to` begins with a country code that does not exist.",
}


def _sender(text: str) -> str:
    checked = check_sender(text)
    if not isinstance(checked, SenderRefused):
        return checked.address
    detail = (
        "`from` must be a number in E.164, a short code of 3 to 8 digits, "
        "or an alphanumeric id of at most 11 characters with a letter in it."
    )
    error = FieldError(pointer="/from", code="not-a-sender", detail=detail)
    raise Refusal(ErrorCode.VALIDATION_FAILED, detail, errors=(error,))


def _segments(command: SendCommand) -> Segmentation:
    segmentation = segment(command.body)
    if segmentation.segments <= command.max_segments:
        return segmentation
    detail = (
        f"The text takes {segmentation.segments} segments in {segmentation.encoding}, and {command.max_segments} "
        "are allowed. Shorten it, or raise `max_segments` (at most 10)."
    )
    error = FieldError(pointer="/body", code="too-many-segments", detail=detail)
    raise Refusal(ErrorCode.MESSAGE_TOO_LONG, detail, errors=(error,))


async def _route(connection: Connection, caller: Caller, account_id: UUID, address: str) -> Route:
    if caller.mode is KeyMode.TEST:
        return Route(provider=SANDBOX, lane=account_id)
    sender = await find_sender(connection, account_id, address)
    if sender is None:
        detail = (
            "`from` is not one of your account's senders. `gateway senders list` shows them, "
            "`gateway senders add` adds one; a test key may send from any."
        )
        error = FieldError(pointer="/from", code="sender-not-owned", detail=detail)
        raise Refusal(ErrorCode.SENDER_NOT_OWNED, detail, errors=(error,))
    return Route(provider=sender.provider, lane=sender.id)


async def _first_answer(connection: Connection, account_id: UUID, key: IdempotencyKey, earlier: Earlier) -> Acceptance:
    if earlier.fingerprint != key.fingerprint:
        raise Refusal(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key belongs to a request with another body. Use a new key for a new message.",
        )
    message = await get_message(connection, earlier.message_id, account_id=account_id)
    if message is None:
        raise Refusal(ErrorCode.NOT_FOUND, "The message of this Idempotency-Key has been removed. Use a new key.")
    return Acceptance(message=_as_first_answered(message), replayed=True)


def _as_accepted(message: NewMessage, expires_at: datetime) -> StoredMessage:
    return StoredMessage(
        id=message.id,
        account_id=message.account_id,
        direction=Direction.OUTBOUND.value,
        status=MessageStatus.QUEUED.value,
        sender=message.sender,
        recipient=message.recipient,
        body=message.body,
        encoding=message.encoding.value,
        segments=message.segments,
        client_reference=message.client_reference,
        metadata=message.metadata,
        test=message.test,
        delivery_guarantee=message.delivery_guarantee.value,
        possible_duplicate=False,
        attempts=0,
        provider=message.provider,
        error_code=None,
        send_at=message.send_at,
        updated_at=created_at(message.id),
        sent_at=None,
        final_at=None,
        expires_at=expires_at,
    )


def _as_first_answered(message: StoredMessage) -> StoredMessage:
    """Put back what may have changed since: all else of a message never does."""
    return replace(
        message,
        status=MessageStatus.QUEUED.value,
        possible_duplicate=False,
        attempts=0,
        error_code=None,
        updated_at=message.created_at,
        sent_at=None,
        final_at=None,
    )
