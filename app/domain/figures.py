"""What waits in the queue and how fast it goes: the figures of one look, and what is told from them.

Pure. Moments are seconds since 1970 by the database's clock.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final
from uuid import UUID

from app.domain.estimates import Outlook
from app.domain.priority import PRIORITIES

_RANKS: Final = range(len(PRIORITIES))


@dataclass(slots=True)
class Depth:
    """What waits of one account, in one lane, at one priority; made of a row as it comes, for speed alone."""

    account_id: UUID
    lane: UUID
    rank: int
    queued: int
    """Messages that are still to be sent: due, for later, and those that a worker has."""

    messages: int = 0
    """Messages that are due and that no worker has."""

    segments: int = 0
    """What those have."""

    oldest_due_at: float | None = None
    """Since when the first of them is due; None where there is none."""

    later_messages: int = 0
    """Messages that are not due yet: for their `send_at`, or for their next try."""

    later_segments: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneLimits:
    """What a lane may send, as it was found."""

    id: UUID
    account_id: UUID
    provider: str
    address: str | None
    """The sender's; None for a lane of test messages."""

    rate: float
    burst: int
    daily_cap: int | None
    day_segments: int
    """Segments that were granted on this day, UTC."""

    arrival_at: float
    not_before: float | None
    """Its provider asked to wait until then."""

    paused_by: tuple[str, ...] = ()
    """What is paused of `sender`, `provider` and `account`: any of them stops it."""

    provider_rate: float | None = None
    circuit: str = "closed"
    shut_until: float | None = None
    """Until when its provider's circuit lets nothing through; None while it is closed."""

    def outlook(self, now: float, *, share: float) -> Outlook | None:
        """Give how it goes on if it may use this share of its rate; None while it is paused."""
        if self.paused_by:
            return None
        start = max(now, self.not_before or now, self.shut_until or now)
        return Outlook(
            start=start,
            full_at=max(start, self.arrival_at),
            rate=self.rate * share,
            burst=self.burst,
            today=math.inf if self.daily_cap is None else max(0, self.daily_cap - self.day_segments),
            daily_cap=self.daily_cap or 0,
        )


class LaneFigures:
    """One lane: its limits, what waits in it, and how it will go on."""

    __slots__ = ("ahead", "depths", "limits", "outlook")

    def __init__(self, limits: LaneLimits, depths: Sequence[Depth], outlook: Outlook | None) -> None:
        """Take what was found; `outlook` is None while it is paused."""
        self.limits = limits
        self.depths = depths
        self.outlook = outlook
        self.ahead = [sum(each.segments for each in depths if each.rank <= rank) for rank in _RANKS]
        """Segments that go before a message which comes now, by its rank."""

    def by_rank(self) -> list[Depth]:
        """Give what waits, one depth for each priority, the most urgent first."""
        found = {each.rank: each for each in self.depths}
        limits = self.limits
        return [
            found.get(rank) or Depth(account_id=limits.account_id, lane=limits.id, rank=rank, queued=0)
            for rank in _RANKS
        ]

    def drain_seconds(self, now: float) -> float | None:
        """Give how long it takes to send what is due; None while it is paused."""
        if self.outlook is None:
            return None
        return max(0.0, self.outlook.drained_at(self.ahead[-1]) - now) if self.ahead[-1] else 0.0


@dataclass(frozen=True, kw_only=True)
class LaneFilter:
    """What a list of lanes is narrowed to; None leaves a property free."""

    account_id: UUID | None = None
    provider: str | None = None

    def holds(self, limits: LaneLimits) -> bool:
        """Whether a lane belongs to the list."""
        return self.account_id in {None, limits.account_id} and self.provider in {None, limits.provider}


class Figures:
    """One look at the queue, and what this process has accepted since."""

    def __init__(
        self,
        *,
        at: float,
        depths: Iterable[Depth],
        limits: Mapping[UUID, Callable[[], LaneLimits]],
        caps: Mapping[UUID, int] | None = None,
        day_segments: Mapping[UUID, int] | None = None,
    ) -> None:
        """Take the moment of the look and what was found: what waits, what may go, and what has gone on this day.

        `limits` reads those of a lane only where somebody asks for it, for there may be many thousands; `caps` are of
        accounts that have one of their own, and lanes in which nothing went may be left out of `day_segments`.
        """
        self.at = at
        self.caps = caps or {}
        self.day_segments = day_segments or {}
        self.queued: dict[UUID, int] = defaultdict(int)
        self._limits = limits
        self._waiting: dict[UUID, list[Depth]] = defaultdict(list)
        for depth in depths:
            self.queued[depth.account_id] += depth.queued
            self._waiting[depth.lane].append(depth)
        self._lanes: dict[UUID, LaneFigures] = {}
        self._provider_rates: dict[str, list[float]] | None = None
        self._account_rates: dict[UUID, float] = {}

    def lane(self, lane: UUID) -> LaneFigures | None:
        """Give the figures of one lane; None where it is not known."""
        found = self._lanes.get(lane)
        if found is None and (read := self._limits.get(lane)) is not None:
            limits = read()
            outlook = limits.outlook(self.at, share=self._share(limits))
            found = self._lanes[lane] = LaneFigures(limits, self._waiting.get(lane, ()), outlook)
        return found

    def lanes_after(self, after: UUID | None, wanted: LaneFilter, *, limit: int) -> list[LaneFigures]:
        """Give the first lanes that match, in the order of their ids, beginning behind that one."""
        places = sorted(lane for lane in self._limits if after is None or lane > after)
        matching = (lane for lane in places if wanted.holds(self._limits[lane]()))
        known = (self.lane(lane) for lane in islice(matching, limit))
        return [each for each in known if each is not None]

    def accepted(self, account_id: UUID, lane: UUID, rank: int, segments: int, *, due: bool = True) -> None:
        """Count one more message that was stored; one for later is not ahead of any yet."""
        self.queued[account_id] += 1
        figures = self.lane(lane)
        if figures is not None and due:
            for each in range(rank, len(figures.ahead)):
                figures.ahead[each] += segments

    def sends_at(self, lane: UUID, rank: int, segments: int, *, earliest: float) -> float | None:
        """Estimate when a message goes that comes now; None where its lane is paused or not known."""
        figures = self.lane(lane)
        if figures is None or figures.outlook is None:
            return None
        return figures.outlook.sends_at(figures.ahead[rank], segments, earliest=earliest)

    def rate_of(self, account_id: UUID) -> float:
        """Give how many messages of an account go in a second: those of its lanes that have something due."""
        known = self._account_rates.get(account_id)
        if known is None:
            own = [lane for lane, depths in self._waiting.items() if depths[0].account_id == account_id]
            known = self._account_rates[account_id] = sum(map(self._messages_a_second, own))
        return known

    def _messages_a_second(self, lane: UUID) -> float:
        figures, depths = self.lane(lane), self._waiting[lane]
        segments = sum(each.segments for each in depths)
        if figures is None or figures.outlook is None or not segments:
            return 0.0
        return figures.outlook.rate * sum(each.messages for each in depths) / segments

    def _share(self, limits: LaneLimits) -> float:
        """Give the part of its rate that a lane can use beside the others of its provider in which something waits."""
        if limits.provider_rate is None:
            return 1.0
        if self._provider_rates is None:
            self._provider_rates = defaultdict(list)
            for lane, depths in self._waiting.items():
                read = self._limits.get(lane)
                if read is not None and any(each.messages for each in depths) and not (other := read()).paused_by:
                    self._provider_rates[other.provider].append(other.rate)
        rates = self._provider_rates.get(limits.provider) or [limits.rate]
        return min(1.0, limits.provider_rate / sum(rates))
