"""Withdrawing messages: done only while no worker has them, and said only after the commit."""

from __future__ import annotations

from uuid import UUID

from app.domain.credentials import KeyMode, Scope
from app.domain.errors import ErrorCode, Refusal
from app.domain.message import MessageState
from app.domain.waiting import cancel
from app.services.authentication import Caller
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.messages import StoredMessage, get_message
from app.store.queue import lock_own
from app.telemetry import get_logger

_log = get_logger(__name__)


class Cancellation:
    """The use case of taking a message back. It races with claims, and one of the two wins."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    async def cancel(self, caller: Caller, message_id: UUID) -> StoredMessage:
        """Withdraw a message and give it as it stands then: `canceled`, or `unconfirmed` if a first copy may have left.

        Raises `Refusal`: `forbidden`, `not-found` for another account's, and `not-cancelable`, with the
        present status, once a worker has it or its life is over. Raises `StoreUnavailable`.
        """
        caller.require(Scope.MESSAGES_WRITE)
        if caller.account_id is None:
            raise Refusal(ErrorCode.FORBIDDEN, "A key without an account reads only. Cancel with a key of the account.")
        async with transaction(self._engine) as connection:
            own = await lock_own(connection, message_id, account_id=caller.account_id)
            # A live message does not exist for a test key, as where it reads.
            if own is None or (caller.mode is KeyMode.TEST and not own.test):
                raise _not_found()
            change = cancel(own.state, leased=own.leased)
            if change is None:
                raise _too_late(own.state)
            await apply_changes(connection, [change])
            message = await get_message(connection, message_id, account_id=caller.account_id)
        if message is None:
            raise _not_found()
        _log.info("canceled", message_id=str(message_id), status=message.status)
        return message


def _not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "Your account has no message with this id.")


def _too_late(message: MessageState) -> Refusal:
    return Refusal(
        ErrorCode.NOT_CANCELABLE,
        f"The message is {message.status} already. Only one that is scheduled, held or queued, and that no worker has "
        "taken yet, can be canceled.",
        message_status=message.status,
    )
