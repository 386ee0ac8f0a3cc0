"""When a message will be sent: an estimate, from what its lane may send and from what goes before it there.

It takes for granted that nothing changes: that nothing more urgent comes, that its provider takes what it is given, and
that a slow start is over. Pure. Moments are seconds since 1970 by the database's clock, as numbers and not as
datetimes: one is reckoned for every message that is accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_DAY: Final = 86_400.0
_SHORTEST_WAIT: Final = 5
_LONGEST_WAIT: Final = 3_600


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """How a lane goes on sending from now on."""

    start: float
    """Nothing goes before."""

    full_at: float
    """When its bucket would be full if nothing went; no earlier than `start`."""

    rate: float
    """Segments per second."""

    burst: int
    """Segments of a full bucket."""

    today: float = math.inf
    """Segments that may still go on this day, UTC; infinite where there is no daily cap."""

    daily_cap: int = 0
    """Segments of each further day; says nothing where `today` is infinite."""

    def sends_at(self, ahead: int, segments: int, *, earliest: float) -> float:
        """Give when a message of so many segments goes, with so many segments ahead of it; never before `earliest`."""
        if ahead + segments > self.today:
            return max(self._another_day(ahead + segments), earliest)
        # A message dearer than the burst waits until the bucket is full, and no longer.
        over = segments - self.burst
        reached = self.full_at + (ahead + (min(0, over))) / self.rate
        return max(reached, self.start, earliest)

    def drained_at(self, segments: int) -> float:
        """Give when the last of so many segments goes; `start` where there are none."""
        return self.sends_at(max(0, segments - 1), 1, earliest=self.start)

    def _another_day(self, upto: int) -> float:
        days, within = divmod(upto - self.today - 1, max(1, self.daily_cap))
        midnight = (math.floor(self.start / _DAY) + 1 + days) * _DAY
        return midnight + max(0.0, within + 1 - self.burst) / self.rate


def room_after(seconds: float) -> int:
    """Give what a refused caller is asked to wait: at least 5 s, and at most an hour, in which much may change."""
    return round(min(max(math.ceil(min(seconds, _LONGEST_WAIT)), _SHORTEST_WAIT), _LONGEST_WAIT))
