"""Virtual time: what is to happen, in the order of its moments, and nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.simulation.store import Broken

BEGINNING: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_MOST_EVENTS: Final = 50_000


class Timeline:
    """The event queue of one run; `seconds` count from its beginning."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._added = 0

    @property
    def now(self) -> datetime:
        """The database's clock."""
        return moment(self.seconds)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen later, or next."""
        self.at(self.seconds + seconds, action)

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen at that moment, or next if it is over."""
        self._added += 1
        heapq.heappush(self._due, (max(seconds, self.seconds), self._added, action))

    def run(self) -> None:
        """Let everything happen, until nothing more is to; raises `Broken` where it never ends."""
        due = self._due
        for _ in range(_MOST_EVENTS):
            if not due:
                return
            self.seconds, _order, action = heapq.heappop(due)
            action()
        raise Broken("does not come to rest")


def seconds_of(moment: datetime) -> float:
    """Give a moment of the database's clock as seconds from the beginning."""
    return (moment - BEGINNING).total_seconds()


def moment(seconds: float) -> datetime:
    """Give the database's time so many seconds from the beginning."""
    return BEGINNING + timedelta(seconds=seconds)
