"""Whether what a provider saw of a sender kept to its limits, and how much of them was used; facts in, figures out.

Both answers are exact. The worst of all windows is found by a leaky bucket: of those that end with a message, the one
that exceeds its rate the most grows by that message, or begins with it. What could have been used is told by a queue
that sends each message at the very moment at which its limits let it go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

WIRE_SECONDS: Final = 1.0
"""A grant that is not begun within this time is returned, so a window at the wire may be that much shorter than the
one that its messages were granted in."""

_ROUNDING: Final = 1e-3
"""Of a segment: a moment of this century has no more than a quarter of a microsecond in floating point."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The limits of one sender."""

    rate: float
    """Segments per second."""

    burst: int
    daily_cap: int | None = None
    """Segments in a day, UTC."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One message at one moment: when the provider saw it, or when it was there to be sent."""

    at: float
    """Seconds since 1970."""

    segments: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """Those seconds of a sender, both ends included, that come nearest to their bound, or exceed it the most."""

    began: float
    seconds: float
    segments: int
    bound: float
    """How many segments may be seen in so many seconds."""

    @property
    def excess(self) -> float:
        """By how many segments the bound is exceeded; below 0 where it is kept."""
        return self.segments - self.bound

    def __str__(self) -> str:
        """Say it in a line of a report."""
        return f"{self.segments} segments in {self.seconds:.3f} s of {self.bound:.2f} allowed"


def worst_window(seen: Sequence[Seen], allowed: Allowed, *, slack_seconds: float = WIRE_SECONDS) -> Window | None:
    """Find the worst of all windows of any length; None where nothing was seen.

    In W seconds rate * (W + slack) + max(burst, dearest message) segments are allowed.
    """
    if not seen:
        return None
    ordered = sorted(seen, key=lambda each: each.at)
    free = allowed.rate * slack_seconds + max(allowed.burst, *(each.segments for each in ordered))
    worst: Window | None = None
    began, segments = ordered[0].at, 0
    for each in ordered:
        if segments - allowed.rate * (each.at - began) <= 0:
            began, segments = each.at, 0
        segments += each.segments
        seconds = each.at - began
        window = Window(began=began, seconds=seconds, segments=segments, bound=allowed.rate * seconds + free)
        worst = window if worst is None or window.excess > worst.excess else worst
    return worst


def days_over_cap(seen: Sequence[Seen], allowed: Allowed, *, slack_seconds: float = WIRE_SECONDS) -> list[str]:
    """List the days of which certainly more was granted than may be, a line each.

    What is seen within the slack after midnight may have been granted the day before, and is not counted.
    """
    if allowed.daily_cap is None:
        return []
    days: defaultdict[date, int] = defaultdict(int)
    for each in seen:
        day = _day(each.at)
        if each.at - _midnight(day) > slack_seconds:
            days[day] += each.segments
    return [
        f"{count} segments on {day} of {allowed.daily_cap} allowed"
        for day, count in days.items()
        if count > allowed.daily_cap
    ]


def violations(seen: Sequence[Seen], allowed: Allowed, *, slack_seconds: float = WIRE_SECONDS) -> list[str]:
    """List what is wrong with what was seen of one sender, a line each."""
    worst = worst_window(seen, allowed, slack_seconds=slack_seconds)
    over = [] if worst is None or worst.excess <= _ROUNDING else [str(worst)]
    return over + days_over_cap(seen, allowed, slack_seconds=slack_seconds)


@dataclass(frozen=True, kw_only=True)
class Use:
    """How much of what its limits allowed one sender has used, in segments."""

    sent: int
    allowed: int
    """What could have been sent until then, of what was there to be sent."""

    @property
    def share(self) -> float:
        """What was used, as a share of 1; 1 where nothing could have been."""
        return min(self.sent, self.allowed) / self.allowed if self.allowed else 1.0


def use(seen: Sequence[Seen], asked: Sequence[Seen], allowed: Allowed, *, until: float) -> Use:
    """Compare what was sent with what could have been, had each message gone in its turn and at once."""
    sent = sum(each.segments for each in seen if each.at <= until)
    could = sum(each.segments for each in ideal(asked, allowed) if each.at <= until)
    return Use(sent=sent, allowed=could)


def ideal(asked: Sequence[Seen], allowed: Allowed) -> list[Seen]:
    """Give when each message would have gone, the longest waiting first; those that never would are left out."""
    sent: list[Seen] = []
    full_at = now = float("-inf")
    days: defaultdict[date, int] = defaultdict(int)
    for each in sorted(asked, key=lambda each: each.at):
        needed = min(each.segments, allowed.burst)
        now = max(now, each.at, full_at - (allowed.burst - needed) / allowed.rate)
        if allowed.daily_cap is not None:
            if each.segments > allowed.daily_cap:
                break
            if days[_day(now)] + each.segments > allowed.daily_cap:
                now = _midnight(_day(now) + timedelta(days=1))
            days[_day(now)] += each.segments
        full_at = max(full_at, now) + each.segments / allowed.rate
        sent.append(Seen(at=now, segments=each.segments))
    return sent


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _midnight(day: date) -> float:
    return datetime.combine(day, time(tzinfo=UTC)).timestamp()
