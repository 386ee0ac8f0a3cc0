"""How much of an account's traffic may be retries: a provider that falters is not to be hit harder for it.

A mutable counter of one worker; time is an argument, in seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

_WINDOW_SECONDS: Final = 60


@dataclass(kw_only=True)
class RetryBudget:
    """Retries of one provider account, kept to a share of its first sends of the last minute.

    A retry beyond the share is not refused but waits its turn: each takes the next free place in a row whose
    places come at the rate that is allowed. Only what cannot wait so long goes out of turn.
    """

    share: float = 0.2
    """How many retries there may be for each first send."""

    floor_per_second: float = 10.0
    """What is always allowed, so that few messages are not kept waiting."""

    _sends: deque[tuple[int, int]] = field(default_factory=deque)
    """First sends by whole second, the oldest first."""

    _total: int = 0
    _next_place: float = 0.0

    def sent(self, count: int, *, now: float) -> None:
        """Note first sends."""
        second = int(now)
        if self._sends and self._sends[-1][0] == second:
            self._sends[-1] = (second, self._sends[-1][1] + count)
        else:
            self._sends.append((second, count))
        self._total += count
        self._forget(second)

    def reserve(self, *, now: float, within: float = math.inf, jitter: float = 0.0) -> float:
        """Take the next place for a retry and give how many seconds it is away.

        Where that is not `within` so many seconds, none is taken, and the retry is spread over them by `jitter`,
        which is random in [0, 1): it would come too late for its message, and nobody else is to wait for it.
        """
        self._forget(int(now))
        rate = max(self.floor_per_second, self.share * self._total / _WINDOW_SECONDS)
        place = max(self._next_place, now)
        if place - now > within:
            return within * jitter
        self._next_place = place + 1 / rate
        return place - now

    def _forget(self, second: int) -> None:
        while self._sends and self._sends[0][0] <= second - _WINDOW_SECONDS:
            self._total -= self._sends.popleft()[1]
