"""How many messages a worker claims ahead of its sends: what it sends within a moment, so that none waits for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

AHEAD_SECONDS: Final = 0.06
"""How long a claimed message may have to wait for its turn. Claims take about a third of that."""

_SHORTEST_SECONDS: Final = 0.005
"""Below this a pace is not worth reckoning."""


class Pace:
    """One worker's pace, learnt from the sends that end.

    A claim costs the same whether it takes one message or fifty, and while it is under way sends end whose
    places would stay empty. So a little is claimed ahead: much of it where sends take a millisecond, and
    nothing where they take a minute, for another worker could begin at once what waits here.
    """

    def __init__(self, concurrency: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing known, which is to claim nothing ahead."""
        self._concurrency = concurrency
        self._clock = clock
        self._ended = 0
        self._since = clock()
        self._per_second = 0.0

    def count(self) -> None:
        """Take notice of a send that has ended."""
        self._ended += 1

    def ahead(self) -> int:
        """Give how many messages may wait for a place, at most twice as many as are sent at once."""
        return min(2 * self._concurrency, round(self._per_second * AHEAD_SECONDS))

    def room(self, taken: int, *, kept: int = 0) -> int:
        """Give how many messages to claim now, where so many are being sent or wait; 0 where that is not worth a claim.

        As long as it is worth it, nobody waits: half of what is ahead is left. `kept` places are others'.
        """
        room = self._concurrency - kept + self.ahead() - taken
        return room if room > 0 and room * 2 >= self.ahead() else 0

    def reckon(self) -> None:
        """Learn from what has ended since the last time, which counts for half."""
        now = self._clock()
        elapsed = now - self._since
        if elapsed < _SHORTEST_SECONDS:
            return
        self._per_second = (self._per_second + self._ended / elapsed) / 2
        self._ended, self._since = 0, now
