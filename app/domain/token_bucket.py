"""How often something may happen: a token bucket, whose whole state is one moment (GCRA, ITU-T I.371).

A bucket holds up to `burst` tokens, each use takes one, and one comes back every `interval`. All that has
to be kept of it is when it will be full again: a moment that lies in the past means that it is full.
Times are whole nanoseconds of one monotonic clock, so nothing is ever lost or won by rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000_000
"""In nanoseconds."""


@dataclass(frozen=True, kw_only=True)
class TokenBucket:
    """What every bucket of one kind has in common. In any time `t`, at most `burst + t / interval` tokens are taken."""

    interval: int
    """Nanoseconds after which one token comes back."""

    burst: int
    """Tokens of a full bucket."""

    @classmethod
    def refilled(cls, *, times: int, per_seconds: int, burst: int) -> TokenBucket:
        """Make a kind of bucket into which `times` tokens come back in `per_seconds`, or a trifle less."""
        return cls(interval=math.ceil(per_seconds * SECOND / times), burst=burst)

    @property
    def window_seconds(self) -> int:
        """How long an empty bucket takes to be full, in whole seconds, rounded up."""
        return math.ceil(self.burst * self.interval / SECOND)

    def take(self, full_at: int, now: int) -> int | None:
        """Take a token and give when the bucket will be full again; None where there is no token."""
        after = max(full_at, now) + self.interval
        return after if after - now <= self.burst * self.interval else None

    def left(self, full_at: int, now: int) -> int:
        """Count the tokens that may be taken now."""
        return self.burst - max(0, -((now - full_at) // self.interval))

    def wait(self, full_at: int, now: int) -> int:
        """Give the nanoseconds until there is a token to take; 0 where there is one."""
        return max(0, full_at + self.interval - now - self.burst * self.interval)
