"""What one worker has claimed: so many are being sent, and a few wait for a place.

A quarter of the places is for one-time codes alone: however slow the provider of others is, one finds a place at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from app.services.pacing import Pace
from app.services.submitting import Assignment


@dataclass(frozen=True, kw_only=True)
class Places:
    """How many messages are to be claimed now."""

    all: int
    others: int
    """How many of them may be no one-time codes."""


class Sends:
    """Sends in flight, as many tasks as there are, and the assignments that are to follow them."""

    def __init__(
        self,
        send: Callable[[Assignment], Coroutine[None, None, None]],
        *,
        concurrency: int,
        on_room: Callable[[], None],
        spare: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take what makes one send, how many there may be at once, and whom to tell that a claim is worth it.

        `spare` counts the calls that hang at providers which are left alone: as many others may take their places.
        """
        self._send = send
        self._hanging = spare
        self._concurrency = concurrency
        self._kept = concurrency // 4
        """Places for one-time codes alone."""

        self._on_room = on_room
        self._pace = Pace(concurrency)
        self._closed = False
        self._urgent: deque[Assignment] = deque()
        self._others: deque[Assignment] = deque()
        self._others_sent = 0
        """How many are being sent that are no one-time codes."""

        self.tasks: set[asyncio.Task[None]] = set()
        """Those in flight."""

    @property
    def idle(self) -> bool:
        """Whether nothing is being sent, nor waits to be."""
        return not self.tasks and not self._urgent and not self._others

    @property
    def unstarted(self) -> list[Assignment]:
        """What waits for a place, and after `close` for nothing any more."""
        return [*self._urgent, *self._others]

    def room(self) -> Places:
        """Give how many messages are to be claimed now; none while there are enough."""
        self._pace.reckon()
        return self._room()

    def begin(self, assignments: Sequence[Assignment]) -> None:
        """Send these, as soon as there is a place for each."""
        for assignment in assignments:
            (self._urgent if assignment.urgent else self._others).append(assignment)
        self._fill()

    def take_unstarted(self, *, late: bool = False) -> list[Assignment]:
        """Give up what waits for a place, or only what waits for too long already: none of it will be begun."""
        now, given_up = time.monotonic(), list[Assignment]()
        for waiting in (self._urgent, self._others):
            leaving = [each for each in waiting if not late or each.begin_before < now]
            given_up += leaving
            if leaving:
                kept = [each for each in waiting if late and each.begin_before >= now]
                waiting.clear()
                waiting.extend(kept)
        return given_up

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True

    def _fill(self) -> None:
        while len(self.tasks) < self._concurrency + self._spare() and (assignment := self._next()) is not None:
            task = asyncio.create_task(self._send_in_turn(assignment))
            self.tasks.add(task)
            task.add_done_callback(self._end)

    def _next(self) -> Assignment | None:
        """Take what is to be begun next, a one-time code before all others; None where nothing may be."""
        if self._closed:
            return None
        if self._urgent:
            return self._urgent.popleft()
        if self._others and self._others_sent < self._concurrency + self._spare() - self._kept:
            self._others_sent += 1
            return self._others.popleft()
        return None

    async def _send_in_turn(self, assignment: Assignment) -> None:
        """Send one after the other as long as any waits: a task for each would cost as much as to write its outcome."""
        await self._send_one(assignment)
        while (following := self._next()) is not None:
            self._tell_of_room()
            await self._send_one(following)

    async def _send_one(self, assignment: Assignment) -> None:
        try:
            await self._send(assignment)
        finally:
            self._others_sent -= not assignment.urgent
        self._pace.count()

    def _end(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        # Nothing waits any more, unless the task was broken off.
        self._fill()
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._room().others:
            self._on_room()

    def _room(self) -> Places:
        waiting, spare = len(self._urgent) + len(self._others), self._spare()
        every = self._pace.room(len(self.tasks) + waiting - spare)
        others = self._pace.room(self._others_sent + len(self._others) - spare, kept=self._kept)
        return Places(all=every, others=min(every, others))

    def _spare(self) -> int:
        """Give how many places there are instead of those that hanging calls have taken: all at most, once."""
        return min(self._hanging(), self._concurrency)
