"""The senders of accounts, remembered for a few seconds: each accepted message asks for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

from app.services.shared_lookups import SharedLookups
from app.store.engine import Engine, transaction
from app.store.senders import Sender, find_sender

_REMEMBERED_SECONDS: Final = 5.0
_REMEMBERED: Final = 10_000


class SenderDirectory:
    """Finds senders. One that was just added is found at once; one that was changed, within five seconds."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the engine to read senders from."""
        self._engine = engine
        self._clock = clock
        self._known: dict[tuple[UUID, str], tuple[Sender, float]] = {}
        self._lookups: SharedLookups[tuple[UUID, str], Sender | None] = SharedLookups()

    def recall(self, account_id: UUID, address: str) -> Sender | None:
        """Give a sender that was found moments ago; None says nothing."""
        known = self._known.get((account_id, address))
        return known[0] if known is not None and known[1] > self._clock() else None

    async def find(self, account_id: UUID, address: str) -> Sender | None:
        """Look for one of an account's senders; None if it does not own it. Raises `StoreUnavailable`."""
        return await self._lookups.get((account_id, address), lambda: self._find(account_id, address))

    async def _find(self, account_id: UUID, address: str) -> Sender | None:
        async with transaction(self._engine) as connection:
            sender = await find_sender(connection, account_id, address)
        if sender is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[account_id, address] = sender, self._clock() + _REMEMBERED_SECONDS
        return sender
