"""The cap on messages of one account that wait to be sent, by figures that are never far behind.

The queue is counted in the background while messages come in, and what this process accepts meanwhile is
added. What other processes accept shows with the next count, so an account may pass its cap by what they
accept within one interval.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from typing import Final
from uuid import UUID

from app.domain.errors import ErrorCode, Refusal
from app.store.engine import Engine, StoreUnavailable, transaction
from app.store.queue_depth import count_queued
from app.telemetry import get_logger

_log = get_logger(__name__)

_PAUSE_PER_COUNT: Final = 20
"""The pause between two counts is this many times as long as a count takes, so that it is under 5 % of a core."""

_FAILURES: Final = 2
"""After so many failed counts in a row the figures say nothing any more."""

_FAULT_SECONDS: Final = 60.0
"""The pause after a count that failed for another reason than a lost database."""

_RETRY_SECONDS: Final = (5, 60)
"""The least and the most that a refused caller is asked to wait; between them, until the next count."""


class QueueCaps:
    """Refuses what would pass an account's cap.

    Until the first count is there, and again after a while without messages, nothing is refused. Where one
    count fails, the figures stay as they are; where the next fails too, nothing is refused until one works:
    what is accepted would go on being added, and nothing that was sent taken off.
    """

    def __init__(self, engine: Engine, *, cap: int, pause_seconds: float = 1.0, idle_seconds: float = 30.0) -> None:
        """Take the engine, the most messages of one account that may wait, and the pace of the counts.

        `pause_seconds` is the least pause between two; they end `idle_seconds` after the last message.
        """
        self._engine = engine
        self._cap = cap
        self._least_pause = self._pause = pause_seconds
        self._idle = idle_seconds
        self._queued: dict[UUID, int] | None = None
        """By account, by the last count and what was accepted since it began; None before there was one."""

        self._accepted: dict[UUID, int] = {}
        """Accepted since the last count began: perhaps counted, perhaps not."""

        self._failed = 0
        """How many counts failed since the last one that did not."""

        self._used = False
        self._counting: asyncio.Task[None] | None = None

    def check(self, account_id: UUID) -> None:
        """Let a message of this account pass, or raise `queue-full`; to be called where an event loop runs."""
        self._used = True
        if self._counting is None:
            # In a context of its own: it outlives the request that happens to start it.
            self._counting = asyncio.create_task(self._count_while_used(), context=contextvars.Context())
            self._counting.add_done_callback(self._ended)
        if self._queued is not None and self._queued.get(account_id, 0) >= self._cap:
            raise self._full()

    def accepted(self, account_id: UUID, count: int = 1) -> None:
        """Note that messages of this account were stored."""
        self._accepted[account_id] = self._accepted.get(account_id, 0) + count
        if self._queued is not None:
            self._queued[account_id] = self._queued.get(account_id, 0) + count

    async def aclose(self) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait([self._counting])

    async def _count_while_used(self) -> None:
        last_used = time.monotonic()
        while time.monotonic() - last_used < self._idle:
            await self._count()
            await asyncio.sleep(self._pause)
            if self._used:
                self._used, last_used = False, time.monotonic()

    async def _count(self) -> None:
        self._accepted = {}
        started = time.monotonic()
        try:
            async with transaction(self._engine) as connection:
                queued = await count_queued(connection)
        except StoreUnavailable as error:
            _log.warning("queue not counted", reason=str(error))
            self._failed += 1
            if self._failed < _FAILURES:
                # The pause stays as it was: what the figures are worth is soon known.
                return
            self._queued = None
        else:
            self._failed = 0
            for account_id, count in self._accepted.items():
                queued[account_id] = queued.get(account_id, 0) + count
            self._queued = queued
        self._pause = max(self._least_pause, _PAUSE_PER_COUNT * (time.monotonic() - started))

    def _ended(self, counting: asyncio.Task[None]) -> None:
        # Old figures would refuse whoever comes back to a queue that has long been emptied.
        self._queued, self._accepted, self._failed = None, {}, 0
        if counting.cancelled():
            return
        if (error := counting.exception()) is None:
            self._counting = None
            return
        _log.error("queue not counted", exc_info=error)
        asyncio.get_running_loop().call_later(_FAULT_SECONDS, self._begin_again)

    def _begin_again(self) -> None:
        self._counting = None

    def _full(self) -> Refusal:
        least, most = _RETRY_SECONDS
        return Refusal(
            ErrorCode.QUEUE_FULL,
            f"{self._cap} messages of your account wait to be sent, and more may not. Send again when there are "
            "fewer, or cancel some.",
            retry_after_seconds=min(max(math.ceil(self._pause), least), most),
        )
