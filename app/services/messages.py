"""Accepting messages: checked, counted and stored for good before anybody is told that they are accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from app.domain.credentials import KeyMode, Scope
from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.ids import created_at
from app.domain.message import NewMessage
from app.domain.priority import Priority
from app.domain.routes import POOL
from app.services.admission import recipient_of, require_timely, segments_of, sender_of
from app.services.authentication import Caller
from app.services.first_answers import Acceptance, as_accepted, first_answer
from app.services.flusher import Flusher
from app.services.identity import new_id
from app.services.queue_caps import QueueCaps
from app.services.send_command import SendCommand, fingerprint_of
from app.services.sender_choice import SenderChoice
from app.services.senders import SenderDirectory
from app.store.acceptance import WAKE_CHANNEL, Earlier, IdempotencyKey, Stored, Submission, accept, find_earlier
from app.store.engine import Autocommit, Engine
from app.store.notifications import Notifier
from app.store.senders import Sender

SANDBOX: Final = "sandbox"
"""The provider account that test keys reach, and nothing else."""


@dataclass(kw_only=True, slots=True)
class _Accepted:
    """The message was stored now; not frozen, for speed alone."""

    at: datetime
    estimated_send_at: datetime | None


class Messages:
    """The use cases of outbound messages."""

    def __init__(self, engine: Engine, writing: Engine, *, validity_seconds: int, caps: QueueCaps) -> None:
        """Take an engine to read with and one to write with, the validity of a message whose caller is silent, caps."""
        self._reading = Autocommit(engine)
        self._writing = Autocommit(writing)
        self._validity_seconds = validity_seconds
        self._caps = caps
        self._senders = SenderDirectory(engine)
        self._choice = SenderChoice(engine)
        self._notifier = Notifier(self._writing, WAKE_CHANNEL)
        self._flusher = Flusher(self._store)

    async def accept(self, caller: Caller, command: SendCommand, idempotency_key: str | None) -> Acceptance:
        """Store a message and say so after the commit; the same key and body give the first answer again.

        Raises `Refusal` for anything that is not acceptable, and changes nothing then.
        """
        account_id = _account(caller)
        key = None
        if idempotency_key is not None:
            test = caller.mode is KeyMode.TEST
            key = IdempotencyKey(
                account_id=account_id, test=test, key=idempotency_key, fingerprint=fingerprint_of(command)
            )
        try:
            message = await self._checked(caller, account_id, command)
        except Refusal:
            # What was accepted once is answered again, whatever has passed or been taken away since.
            earlier = await find_earlier(self._reading, key) if key else None
            if earlier is None:
                raise
            return first_answer(key, earlier)
        outcome = await self._flusher.submit(Submission(message=message, key=key))
        if isinstance(outcome, _Accepted):
            return Acceptance(
                message=as_accepted(message, outcome.at), replayed=False, estimated_send_at=outcome.estimated_send_at
            )
        # Our own message is there already where the answer to its commit was lost.
        own = outcome.message is not None and outcome.message.id == message.id
        return replace(first_answer(key, outcome), replayed=not own)

    async def aclose(self) -> None:
        """Write what is waiting, and wake the workers for it."""
        await self._flusher.aclose()
        await self._notifier.aclose()
        await self._caps.aclose()

    async def _store(self, batch: Sequence[Submission]) -> list[_Accepted | Earlier]:
        outcomes = await accept(self._writing, batch)
        self._notifier.wake()
        await self._caps.first_look()
        return [
            _Accepted(at=outcome.at, estimated_send_at=self._caps.accepted(item.message))
            if isinstance(outcome, Stored)
            else outcome
            for item, outcome in zip(batch, outcomes, strict=True)
        ]

    async def _checked(self, caller: Caller, account_id: UUID, command: SendCommand) -> NewMessage:
        self._caps.check(account_id)
        test = caller.mode is KeyMode.TEST
        require_timely(send_at=command.send_at, expires_at=command.expires_at)
        recipient = recipient_of(command.recipient, test=test)
        segmentation = segments_of(command.body, at_most=command.max_segments)
        sender, pool = command.sender, None
        if sender is None or sender.startswith(POOL):
            choice = await self._choice.choose(account_id, sender, recipient)
            sender, pool = choice.address, choice.pool
        if test:
            provider, lane, usual = SANDBOX, account_id, Priority.TRANSACTIONAL.rank
        else:
            found = self._senders.recall(account_id, sender) or await self._sender(account_id, sender)
            sender, provider, lane, usual = found.address, found.provider, found.id, found.priority
        rank = usual if command.priority is None else command.priority.rank
        self._caps.check_lane(lane, rank, segmentation.segments, command.send_at)
        message_id = new_id(account_id)
        return NewMessage(
            id=message_id,
            created_at=created_at(message_id),
            account_id=account_id,
            sender=sender,
            recipient=recipient,
            body=command.body,
            encoding=segmentation.encoding,
            segments=segmentation.segments,
            client_reference=command.client_reference,
            metadata=command.metadata,
            delivery_guarantee=command.delivery_guarantee,
            provider=provider,
            lane=lane,
            priority=rank,
            pool=pool,
            test=test,
            send_at=command.send_at,
            expires_at=command.expires_at,
            validity_seconds=command.validity_seconds or self._validity_seconds,
        )

    async def _sender(self, account_id: UUID, text: str) -> Sender:
        sender = await self._senders.find(account_id, sender_of(text))
        if sender is None:
            detail = (
                "`from` is not one of your account's senders. `gateway senders list` shows them, "
                "`gateway senders add` adds one; a test key may send from any."
            )
            error = FieldError(pointer="/from", code="sender-not-owned", detail=detail)
            raise Refusal(ErrorCode.SENDER_NOT_OWNED, detail, errors=(error,))
        return sender


def _account(caller: Caller) -> UUID:
    caller.require(Scope.MESSAGES_WRITE)
    if caller.account_id is None:
        raise Refusal(ErrorCode.FORBIDDEN, "A key without an account reads only. Send with a key of an account.")
    return caller.account_id
