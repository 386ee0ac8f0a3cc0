"""What one worker has claimed: so many are being sent, and a few wait for a place."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence

from app.services.pacing import Pace
from app.services.submitting import Assignment


class Sends:
    """Sends in flight, as many tasks as there are, and the assignments that are to follow them."""

    def __init__(
        self,
        send: Callable[[Assignment], Coroutine[None, None, None]],
        *,
        concurrency: int,
        on_room: Callable[[], None],
    ) -> None:
        """Take what makes one send, how many there may be at once, and whom to tell that a claim is worth it."""
        self._send = send
        self._concurrency = concurrency
        self._on_room = on_room
        self._pace = Pace(concurrency)
        self._closed = False
        self.tasks: set[asyncio.Task[None]] = set()
        """Those in flight."""

        self.unstarted: deque[Assignment] = deque()
        """What waits for a place, and after `close` for nothing any more."""

    @property
    def idle(self) -> bool:
        """Whether nothing is being sent, nor waits to be."""
        return not self.tasks and not self.unstarted

    def room(self) -> int:
        """Give how many messages are to be claimed now; 0 while there are enough."""
        self._pace.reckon()
        return self._room()

    def begin(self, assignments: Sequence[Assignment]) -> None:
        """Send these, as soon as there is a place for each."""
        self.unstarted.extend(assignments)
        self._fill()

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True

    def _fill(self) -> None:
        while self.unstarted and len(self.tasks) < self._concurrency and not self._closed:
            task = asyncio.create_task(self._send_in_turn(self.unstarted.popleft()))
            self.tasks.add(task)
            task.add_done_callback(self._end)

    async def _send_in_turn(self, assignment: Assignment) -> None:
        """Send one after the other as long as any waits: a task for each would cost as much as to write its outcome."""
        await self._send(assignment)
        self._pace.count()
        while self.unstarted and not self._closed:
            following = self.unstarted.popleft()
            self._tell_of_room()
            await self._send(following)
            self._pace.count()

    def _end(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        # Nothing waits any more, unless the task was broken off.
        self._fill()
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._room():
            self._on_room()

    def _room(self) -> int:
        return self._pace.room(len(self.tasks) + len(self.unstarted))
