"""What one worker sees of the calls that it makes to one provider, until that is written where all workers see it.

A mutable counter of one worker; time is an argument, in seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from app.domain.circuit_breaker import Verdict

_OVERDUE_SECONDS: Final = 5.0
"""A provider that hangs is to be left within 10 s, and a call's own deadline may be 20 s."""

_KEPT_SECONDS: Final = 30.0
"""What is older says nothing any more of how often calls fail."""

_TOGETHER_SECONDS: Final = 1.0
_DEAF_SECONDS: Final = 2.0


@dataclass(eq=False, slots=True)
class Call:
    """A call that is under way."""

    begun: float
    overdue: bool = False


@dataclass(kw_only=True, slots=True)
class Seen:
    """Calls in a row that ended alike within a second."""

    verdict: Verdict
    count: int
    begun: float
    """When the last of them began."""

    first_ended: float
    last_ended: float


@dataclass(kw_only=True)
class CallWatch:
    """The calls of one provider: those under way, and what became of the others since it was last taken."""

    _under_way: dict[Call, None] = field(default_factory=dict)
    """The oldest first."""

    overdue: int = 0
    """How many of the calls under way have been counted as failures in advance."""

    _seen: list[Seen] = field(default_factory=list)
    _answered: float = -math.inf
    _looked: float = -math.inf

    @property
    def has_seen(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._seen)

    @property
    def has_trouble(self) -> bool:
        """Whether any of it is a failure."""
        return any(seen.verdict in {Verdict.FAILED, Verdict.OVERDUE} for seen in self._seen)

    def begin(self, *, now: float) -> Call:
        """Note that a call begins."""
        call = Call(now)
        self._under_way[call] = None
        return call

    def end(self, call: Call, verdict: Verdict | None, *, now: float) -> None:
        """Note how it ended; None where it was broken off here. A failure that was counted as overdue counts once."""
        del self._under_way[call]
        self.overdue -= call.overdue
        if verdict is None or (verdict is Verdict.FAILED and call.overdue):
            return
        if verdict in {Verdict.WELL, Verdict.THROTTLED}:
            self._answered = now
        self._see(verdict, call.begun, now)

    def look(self, *, now: float) -> None:
        """Count what is overdue, and forget what is too old.

        Time in which this worker was stopped, and heard nothing, is no silence of the provider's.
        """
        if now - self._looked > _DEAF_SECONDS:
            self._answered = max(self._answered, now)
        self._looked = now
        self._seen = [seen for seen in self._seen if now - seen.last_ended < _KEPT_SECONDS]
        if now - self._answered < _OVERDUE_SECONDS:
            return
        for call in self._under_way:
            if now - call.begun < _OVERDUE_SECONDS:
                return
            if not call.overdue:
                call.overdue = True
                self.overdue += 1
                self._see(Verdict.OVERDUE, call.begun, now)

    def take(self) -> list[Seen]:
        """Take what was seen, to write it down."""
        taken, self._seen = self._seen, []
        return taken

    def put_back(self, taken: list[Seen]) -> None:
        """Keep what could not be written."""
        self._seen[:0] = taken

    def _see(self, verdict: Verdict, begun: float, now: float) -> None:
        last = self._seen[-1] if self._seen else None
        if last is not None and last.verdict is verdict and now - last.first_ended < _TOGETHER_SECONDS:
            last.count += 1
            last.begun, last.last_ended = max(last.begun, begun), now
        else:
            self._seen.append(Seen(verdict=verdict, count=1, begun=begun, first_ended=now, last_ended=now))
