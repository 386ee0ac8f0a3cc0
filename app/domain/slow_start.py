"""How fast a lane or a provider that has just come back is used: gently, and twice as fast from second to second."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

_OVER_SECONDS: Final = 9
"""After so many seconds the rate has passed 512 a second, and nothing is held back any more."""


def slow_rate(seconds_since: float) -> float:
    """Give how many segments a second may be sent so long after a slow start began: 1, doubling each second.

    `math.inf` once it is over. A start that lies ahead counts as just begun: that nothing goes out before it is for
    others to see to.
    """
    if seconds_since > _OVER_SECONDS:
        return math.inf
    return math.exp2(max(0.0, seconds_since))


def is_slow(since: datetime | None, now: datetime) -> bool:
    """Whether a slow start that began then, or will begin, still holds anything back; None for one that never began."""
    return since is not None and slow_rate((now - since).total_seconds()) < math.inf
