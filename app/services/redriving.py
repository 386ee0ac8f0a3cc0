"""Sending messages that were set aside as poison on their way again, once what killed the workers is mended."""

from __future__ import annotations

from uuid import UUID

from app.domain.waiting import redrive
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.queue import lock_message, queue_alone
from app.telemetry import get_logger

_log = get_logger(__name__)


class NotRedrivable(Exception):
    """This message cannot be sent on its way again; `args[0]` says why."""


async def redrive_message(engine: Engine, message_id: UUID) -> None:
    """Queue a message that was set aside; it goes out while its worker sends nothing else, its crashes forgotten.

    Raises `NotRedrivable` for one that was not set aside, that is stale, or that is not there.
    Raises `StoreUnavailable`.
    """
    async with transaction(engine) as connection:
        locked = await lock_message(connection, message_id)
        if locked is None:
            raise NotRedrivable("There is no message with this id.")
        message, now = locked
        change = redrive(message, now=now)
        if change is None:
            raise NotRedrivable(
                f"The message is {message.status}. Only one that was set aside as poison and is still worth sending "
                "can be redriven; send another one anew."
            )
        await apply_changes(connection, [change])
        await queue_alone(connection, message_id)
    _log.info("redriven", message_id=str(message_id))
