"""How fast lanes have been sending of late, told from how far the counts of their day have come between looks.

The counts are kept by claims, so what was granted and then given back unsent is counted, and over midnight, UTC, only
what was sent after it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from app.domain.figures import Figures

_WINDOW_SECONDS: Final = 60.0
_APART_SECONDS: Final = 5.0
_LEAST_SECONDS: Final = 1.0
"""Over a shorter time nothing is told."""


class ActualRates:
    """The counts of the last minute, a few of them."""

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: deque[tuple[float, Mapping[UUID, int]]] = deque()

    def note(self, figures: Figures) -> None:
        """Keep the counts of a look, unless those of the one before are hardly older."""
        if self._kept and figures.at - self._kept[-1][0] < _APART_SECONDS:
            return
        self._kept.append((figures.at, figures.day_segments))
        while len(self._kept) > 1 and figures.at - self._kept[1][0] >= _WINDOW_SECONDS:
            self._kept.popleft()

    def rate_of(self, lane: UUID, figures: Figures) -> float | None:
        """Give segments per second over the last minute, or since there are figures; None before a second of them."""
        if not self._kept:
            return None
        since, counts = self._kept[0]
        seconds = figures.at - since
        if seconds < _LEAST_SECONDS:
            return None
        count, before = figures.day_segments.get(lane, 0), counts.get(lane, 0)
        return (count - before if count >= before else count) / seconds
