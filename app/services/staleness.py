"""Ending messages that went stale while they waited: their accounts are to know it then, not when their turn comes.

A lane that is slow, paused or told to wait may be hours behind, and a claim looks only at what it can send.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final
from uuid import UUID

from app.domain.change import Change
from app.domain.lifecycle import expire
from app.services.sparing import Sparing
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.engine import Autocommit, Engine, transaction
from app.store.stale import lock_stale, stale_ids
from app.telemetry import get_logger

_log = get_logger(__name__)
_BATCH: Final = 500
_LEAST_PAUSE_SECONDS: Final = 5.0
_PAUSE_PER_SCAN: Final = 50
"""The pause after a scan is this many times as long as it took, so that it is under 2 % of the time."""


class Staleness:
    """The use case of ending what is stale; any number of workers may do it at once."""

    def __init__(self, engine: Engine, *, pause_seconds: float = _LEAST_PAUSE_SECONDS) -> None:
        """Take the engine, and the shortest pause between two scans of the queue."""
        self._engine = engine
        self._autocommit = Autocommit(engine)
        self._pause = pause_seconds
        self._sparing = Sparing("expire")

    async def work(self) -> None:
        """End what is stale, again and again, until cancelled. Raises `StoreUnavailable`."""
        while True:
            started = time.monotonic()
            ended = await self.run()
            # While there is more of it than a batch, a scan finds a batch at once.
            seconds = 0.0 if ended == _BATCH else self._pause
            await asyncio.sleep(max(seconds, _PAUSE_PER_SCAN * (time.monotonic() - started)))

    async def run(self) -> int:
        """End a batch of messages that are stale, and return how many. Raises `StoreUnavailable`.

        One that cannot be ended is logged and left alone for a while.
        """
        async with self._autocommit.connect() as connection:
            ids = await stale_ids(connection, limit=_BATCH)
        if not ids:
            return 0
        changes = await self._sparing.do(lambda among: self._take(ids, among), lambda among: _others(ids, among))
        for change in changes:
            _log.info("message expired", message_id=str(change.message_id), status=change.status.value)
        return len(changes)

    async def _take(self, ids: list[UUID], among: Among) -> list[Change]:
        async with transaction(self._engine) as connection:
            changes = [expire(message) for message in await lock_stale(connection, ids, among)]
            await apply_changes(connection, changes)
        return changes


async def _others(ids: list[UUID], among: Among) -> list[UUID]:
    return [key for key in ids if key not in among.ids]
