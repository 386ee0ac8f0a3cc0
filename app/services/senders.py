"""The senders of accounts, remembered for a few seconds: each accepted message asks for one."""

from __future__ import annotations

import time
from typing import Final
from uuid import UUID

from app.store.accounts import Sender, find_sender
from app.store.engine import Engine, transaction

_REMEMBERED_SECONDS: Final = 5.0
_REMEMBERED: Final = 10_000


class SenderDirectory:
    """Finds senders. One that was just added is found at once; one that was changed, within five seconds."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine to read senders from."""
        self._engine = engine
        self._known: dict[tuple[UUID, str], tuple[Sender, float]] = {}

    async def find(self, account_id: UUID, address: str) -> Sender | None:
        """Find one of an account's senders; None if it does not own this address."""
        known = self._known.get((account_id, address))
        if known is not None and known[1] > time.monotonic():
            return known[0]
        async with transaction(self._engine) as connection:
            sender = await find_sender(connection, account_id, address)
        if sender is None:
            return None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[account_id, address] = sender, time.monotonic() + _REMEMBERED_SECONDS
        return sender
