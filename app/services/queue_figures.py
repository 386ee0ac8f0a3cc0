"""Figures of the queue that are never far behind: one look in the background about once a second, while they are used.

What this process accepts meanwhile is added; what other processes accept shows with the next look.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.domain.actual_rates import ActualRates
from app.domain.figures import Figures
from app.store.engine import Engine, StoreUnavailable, transaction
from app.store.queue_figures import look_at_queue
from app.telemetry import get_logger

_log = get_logger(__name__)

_PAUSE_PER_LOOK: Final = 20
"""The pause between two looks is this many times as long as one takes, so that they are under 5 % of a core."""

_FAILURES: Final = 2
"""After so many failed looks in a row the figures say nothing any more."""

_FAULT_SECONDS: Final = 60.0
"""The pause after a look that failed for another reason than a lost database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Accepted:
    """A message that was stored while a look was taken: perhaps seen, perhaps not."""

    account_id: UUID
    lane: UUID
    rank: int
    segments: int
    due: bool


class QueueFigures:
    """The newest figures, for whoever decides by them or shows them.

    There are none before the first look, and again after a while in which nobody asked. Where one look fails, they
    stay as they are; where the next fails too, there are none until one works: what is accepted would go on being
    added, and nothing that was sent taken off.
    """

    def __init__(self, engine: Engine, *, pause_seconds: float = 1.0, idle_seconds: float = 30.0) -> None:
        """Take the engine and the pace: the least pause between two looks, and how long after the last use they end."""
        self._engine = engine
        self._least_pause = self.pause = pause_seconds
        """The pause between this look and the next one, in seconds."""

        self._idle = idle_seconds
        self._figures: Figures | None = None
        self._ahead = 0.0
        """The database's clock less this machine's monotonic one."""

        self.rates = ActualRates()
        self._accepted: list[_Accepted] | None = None
        """What was accepted since the look began that is being taken; None while none is."""

        self._failed = 0
        """How many looks failed since the last one that did not."""

        self._used = False
        self._looking: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    @property
    def now(self) -> float:
        """The database's time, as seconds since 1970; as good as the last look."""
        return time.monotonic() + self._ahead

    def newest(self) -> Figures | None:
        """Give the figures, if there are any, and go on taking them; to be called where an event loop runs."""
        self._used = True
        if self._looking is None:
            # In a context of its own: it outlives the request that happens to start it.
            self._looking = asyncio.create_task(self._look_while_used(), context=contextvars.Context())
            self._looking.add_done_callback(self._ended)
        return self._figures

    async def ready(self, *, within_seconds: float) -> Figures | None:
        """Give the figures, and where there are none wait for the first look, but no longer than that."""
        figures = self.newest()
        if figures is None and not self._failed:
            try:
                async with asyncio.timeout(within_seconds):
                    await self._looked.wait()
            except TimeoutError:
                return None
        return self._figures

    def accepted(self, account_id: UUID, lane: UUID, rank: int, segments: int, *, due: bool = True) -> None:
        """Note that a message was stored."""
        if self._accepted is not None:
            self._accepted.append(_Accepted(account_id=account_id, lane=lane, rank=rank, segments=segments, due=due))
        if self._figures is not None:
            self._figures.accepted(account_id, lane, rank, segments, due=due)

    async def aclose(self) -> None:
        """Take no more looks."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look_while_used(self) -> None:
        last_used = time.monotonic()
        while time.monotonic() - last_used < self._idle:
            await self._look()
            await asyncio.sleep(self.pause)
            if self._used:
                self._used, last_used = False, time.monotonic()

    async def _look(self) -> None:
        meanwhile: list[_Accepted] = []
        self._accepted = meanwhile
        started = time.monotonic()
        try:
            async with transaction(self._engine) as connection:
                figures = await look_at_queue(connection)
        except StoreUnavailable as error:
            _log.warning("queue not counted", reason=str(error))
            self._failed += 1
            if self._failed < _FAILURES:
                # The pause stays as it was: what the figures are worth is soon known.
                return
            self._figures = None
        else:
            self._failed = 0
            self._take(figures, meanwhile, started)
        finally:
            self._accepted = None
            self._looked.set()
        self.pause = max(self._least_pause, _PAUSE_PER_LOOK * (time.monotonic() - started))

    def _take(self, figures: Figures, meanwhile: list[_Accepted], started: float) -> None:
        for each in meanwhile:
            figures.accepted(each.account_id, each.lane, each.rank, each.segments, due=each.due)
        # The moment of the look is that of its transaction's begin.
        self._ahead = figures.at - started
        self.rates.note(figures)
        self._figures = figures

    def _ended(self, looking: asyncio.Task[None]) -> None:
        # Old figures would refuse whoever comes back to a queue that has long been emptied.
        self._figures, self._accepted, self._failed = None, None, 0
        self._looked.clear()
        self.rates = ActualRates()
        if looking.cancelled():
            return
        if (error := looking.exception()) is None:
            self._looking = None
            return
        _log.error("queue not counted", exc_info=error)
        asyncio.get_running_loop().call_later(_FAULT_SECONDS, self._begin_again)

    def _begin_again(self) -> None:
        self._looking = None
