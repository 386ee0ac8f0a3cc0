"""Sending messages that were set aside as poison on their way again, once what killed the workers is mended."""

from __future__ import annotations

from uuid import UUID

from app.domain.credentials import KeyMode, Scope
from app.domain.errors import ErrorCode, Refusal
from app.domain.message import MessageState
from app.domain.waiting import redrive
from app.services.authentication import Caller
from app.store.changes import apply_changes
from app.store.engine import Connection, Engine, transaction
from app.store.messages import StoredMessage, get_message
from app.store.queue import lock_message
from app.telemetry import get_logger

_log = get_logger(__name__)


class Redriving:
    """The use case of sending on its way again what was set aside; a second call finds that it was done."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    async def redrive(self, caller: Caller, message_id: UUID) -> StoredMessage:
        """Queue a message for a key with the scope `admin`, and give it as it stands then.

        A key of an account does so for its own messages, a test key for test messages, and one without an account for
        all. Raises `Refusal`: `forbidden`, `not-found`, and `not-redrivable`, with the present status, for one that
        was not set aside or is stale. Raises `StoreUnavailable`.
        """
        caller.require(Scope.ADMIN)
        test_only = caller.account_id is not None and caller.mode is KeyMode.TEST
        async with transaction(self._engine) as connection:
            await _redrive(connection, message_id, account_id=caller.account_id, test_only=test_only)
            message = await get_message(connection, message_id, account_id=caller.account_id)
        if message is None:
            raise _not_found()
        _log.info("redriven", message_id=str(message_id))
        return message


async def redrive_message(engine: Engine, message_id: UUID) -> None:
    """Queue a message of any account, for an operator; raises `Refusal` and `StoreUnavailable` as above."""
    async with transaction(engine) as connection:
        await _redrive(connection, message_id)
    _log.info("redriven", message_id=str(message_id))


async def _redrive(
    connection: Connection, message_id: UUID, *, account_id: UUID | None = None, test_only: bool = False
) -> None:
    """Queue a message that was set aside, if it is one."""
    locked = await lock_message(connection, message_id, account_id=account_id, test_only=test_only)
    if locked is None:
        raise _not_found()
    message, now = locked
    change = redrive(message, now=now)
    if change is None:
        raise _not_set_aside(message)
    await apply_changes(connection, [change])


def _not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, "There is no message with this id that this key may redrive.")


def _not_set_aside(message: MessageState) -> Refusal:
    return Refusal(
        ErrorCode.NOT_REDRIVABLE,
        f"The message is {message.status}. Only one that was set aside as poison and is still worth sending can be "
        "redriven; send another one anew.",
        message_status=message.status,
    )
