"""What a run of many senders came to: each one's worst window and use, and both of all together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.fake_provider.send_log import Sent
from tests.support.lane_traffic import Lane, Traffic, by_sender
from tests.support.rate_checker import Use, Window, use, violations, worst_window


@dataclass(frozen=True, kw_only=True)
class LaneReport:
    """One sender's figures."""

    lane: Lane
    worst: Window | None
    violations: list[str]
    use: Use

    def __str__(self) -> str:
        """Say it in a line."""
        allowed = self.lane.allowed
        cap = "" if allowed.daily_cap is None else f", {allowed.daily_cap} a day"
        limits = f"{allowed.rate:g}/s, burst {allowed.burst}{cap}"
        return f"{self.lane.address} ({limits}): used {self.use.share:.3f} of {self.use.allowed}; {self.worst}"


@dataclass(frozen=True, kw_only=True)
class RateReport:
    """The figures of all senders of a run."""

    lanes: Sequence[LaneReport]

    @property
    def used(self) -> float:
        """The segments that were sent of those that could have been, as a share of 1."""
        allowed = sum(each.use.allowed for each in self.lanes)
        return sum(min(each.use.sent, each.use.allowed) for each in self.lanes) / allowed if allowed else 1.0

    @property
    def worst(self) -> Window | None:
        """The window that comes nearest to its bound, as a share of it, or exceeds it the most."""
        windows = [each.worst for each in self.lanes if each.worst is not None]
        return max(windows, key=lambda each: each.segments / each.bound, default=None)

    def violations(self) -> list[str]:
        """List all that exceeds a bound, a line each."""
        return [f"{each.lane.address}: {line}" for each in self.lanes for line in each.violations]


def report(lanes: Sequence[Lane], traffic: Traffic, log: Sequence[Sent], *, until: float) -> RateReport:
    """Judge a provider's log; what is seen counts as used up to `until`, and against the limits whenever it was."""
    moments: defaultdict[str, list[float]] = defaultdict(list)
    for sent in log:
        moments[sent.message].append(sent.at.timestamp())
    if strangers := moments.keys() - traffic.accepted.keys():
        raise AssertionError(f"{len(strangers)} messages were seen whose acceptance was not")
    seen, asked = by_sender(moments, traffic)
    return RateReport(
        lanes=[
            LaneReport(
                lane=lane,
                worst=worst_window(seen.get(lane.address, ()), lane.allowed),
                violations=violations(seen.get(lane.address, ()), lane.allowed),
                use=use(seen.get(lane.address, ()), asked.get(lane.address, ()), lane.allowed, until=until),
            )
            for lane in lanes
        ]
    )
