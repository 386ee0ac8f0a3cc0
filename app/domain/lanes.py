"""The meter of a lane: how many segments may go at a moment, told from one moment that is kept (GCRA, ITU-T I.371).

A bucket of `burst` segments fills at `rate`; when it will be full again is the theoretical arrival time, and lies in
the past where it is full. In any window W no more than rate * W + max(burst, dearest message) segments are granted.
Pure: the time is an argument, and always the database's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from app.domain.slow_start import slow_rate

_TRIFLE: Final = 1e-9
"""What reckoning in floating point may lack of a whole segment."""

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(kw_only=True, slots=True)
class Allowance:
    """What one meter lets pass at one moment; each message that goes takes its segments off."""

    left: float
    """Segments in the bucket; below 0 while a debt is paid off."""

    burst: float
    today: float
    """What is left of the daily cap; infinite where there is none."""

    taken: int = 0
    """Segments that were granted from it."""

    def fits(self, segments: int) -> bool:
        """Whether a message may go. One that is dearer than the burst goes with a full bucket, and leaves a debt."""
        if segments > self.today:
            return False
        enough = self.left + _TRIFLE
        return segments <= enough or (segments > self.burst and enough >= self.burst)

    def take(self, segments: int) -> None:
        """Let one go."""
        self.left -= segments
        self.today -= segments
        self.taken += segments

    @property
    def messages(self) -> int:
        """How many messages may go at most: as many as there are segments, for none has less than one."""
        if self.today < 1:
            return 0
        return math.floor(min(self.left + _TRIFLE, self.today))


@dataclass(kw_only=True, slots=True)
class Meter:
    """The limits of a lane or a provider account, and how far they are used up; not frozen, for speed alone."""

    rate: float
    """Segments per second."""

    burst: int
    """Segments of a full bucket."""

    arrival_at: datetime
    """When the bucket is, or was, full."""

    daily_cap: int | None = None
    """Segments in a day, UTC."""

    day: date | None = None
    """Which day `day_segments` were granted on."""

    day_segments: int = 0
    not_before: datetime | None = None
    """Its provider asked to wait until then."""

    slow_since: datetime | None = None
    """Since when it comes back gently, as `slow_rate` says; None where it never had to."""

    def allowance(self, now: datetime) -> Allowance:
        """Give what may go now."""
        rate, burst = self._in_force(now)
        today = math.inf if self.daily_cap is None else self.daily_cap - self._sent_on(now.date())
        if self.not_before is not None and now < self.not_before:
            today = 0
        return Allowance(left=burst - self._ahead(now) * rate, burst=burst, today=today)

    def available(self, now: datetime) -> int:
        """Give how many messages of one segment may go now."""
        return max(0, self.allowance(now).messages)

    def grant(self, messages: Sequence[int], now: datetime) -> int:
        """Give how many of these messages may go now, the first ones first; each is told by its segments."""
        allowance = self.allowance(now)
        for position, segments in enumerate(messages):
            if not allowance.fits(segments):
                return position
            allowance.take(segments)
        return len(messages)

    def charge(self, segments: int, now: datetime) -> Meter:
        """Give the meter after so many segments were granted now."""
        rate, _ = self._in_force(now)
        # Rounded up to what is stored, so that nothing is won by rounding.
        took = math.ceil(segments / rate * 1_000_000 - _TRIFLE) * _MICROSECOND
        return replace(
            self,
            arrival_at=max(self.arrival_at, now) + took,
            day=now.date(),
            day_segments=self._sent_on(now.date()) + segments,
        )

    def ready_at(self, now: datetime, segments: int = 1) -> datetime:
        """Give when a message of so many segments may go; now where it may."""
        allowance = self.allowance(now)
        if self.not_before is not None and now < self.not_before:
            return self.not_before
        if allowance.today < segments:
            return datetime.combine(now.date() + timedelta(days=1), time(tzinfo=UTC))
        rate, _ = self._in_force(now)
        missing = max(0.0, min(segments, allowance.burst) - allowance.left)
        return now + math.ceil(missing / rate * 1_000_000 - _TRIFLE) * _MICROSECOND

    def _in_force(self, now: datetime) -> tuple[float, float]:
        """Give rate and burst, which are smaller in a slow start: no more than its rate would let go in a second."""
        if self.slow_since is None:
            return self.rate, self.burst
        rate = slow_rate((now - self.slow_since).total_seconds())
        if rate >= self.rate:
            return self.rate, self.burst
        return rate, max(1.0, min(rate, self.burst * rate / self.rate))

    def _ahead(self, now: datetime) -> float:
        """Give the seconds until the bucket is full; 0 where it is."""
        return max(0.0, (self.arrival_at - now).total_seconds())

    def _sent_on(self, day: date) -> int:
        return self.day_segments if self.day == day else 0
