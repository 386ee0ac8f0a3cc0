"""What one worker knows of the lanes: a look at all of them is dealt out into turns, which several claims use up.

To look costs the more the more lanes have something due. So a look is repeated when its turns are used up, or when
it has become old: what has fallen due since then, and is more urgent, waits for no longer than that.
"""

from __future__ import annotations

import math
import time
from typing import Final
from uuid import UUID

from app.domain.allotment import Candidate, Turns
from app.domain.change import Work
from app.domain.lane_plan import LanePlan
from app.store.among import Among
from app.store.engine import Connection, Engine, transaction
from app.store.lanes import Look, WaitingLane, add_test_lanes, look, refresh_plans
from app.store.senders import rerate

_CLAIMS: Final = 8
"""So many claims a plan is made for."""

_YOUNG_SECONDS: Final = (0.1, 0.5)
"""How long a plan holds at least and at most; between them, so long that looking takes a twentieth of the time."""

_PAUSE_SECONDS: Final = 0.005
"""How long it takes at least until lanes are looked at again that had to wait: those that are ready one after the other
share a claim."""


class LanePlans:
    """One worker's plan and its turns; times are on the monotonic clock."""

    def __init__(self, engine: Engine) -> None:
        """Take the store; nothing was looked at yet."""
        self._engine = engine
        self._turns = Turns()
        self._plan: LanePlan | None = None
        self._old_at = 0.0
        self._pause = _PAUSE_SECONDS
        self._ready_at = math.inf

    def recall(self) -> LanePlan | None:
        """Give the plan of an earlier look, while it is young."""
        return self._plan if time.monotonic() < self._old_at else None

    def forget(self) -> None:
        """Have the next claim look anew."""
        self._old_at = 0.0

    def take_ready_at(self) -> float:
        """Give when a lane that kept something back may go on; infinite where none did, and once told."""
        ready_at, self._ready_at = self._ready_at, math.inf
        return ready_at

    def look_again_in(self, seconds: float) -> None:
        """Have the lanes looked at again soon: others have locked them, or their providers are busy."""
        self._ready_at = min(self._ready_at, time.monotonic() + max(seconds, self._pause))

    async def make(self, connection: Connection, *, room: int, work: Work, among: Among) -> LanePlan:
        """Look at the lanes, and deal out turns for several claims of this room."""
        await refresh_plans(connection)
        began_at = time.monotonic()
        seen = await self._look(connection, work, among)
        seen_at = time.monotonic()
        candidates = self._candidates(seen, seen_at)
        if self._plan is not None:
            self._turns.served(self._plan.candidates, self._plan.taken)
        self._plan = LanePlan(candidates, self._turns.allot(candidates, room=room * _CLAIMS))
        cost = time.monotonic() - began_at
        least, most = _YOUNG_SECONDS
        # One that is not about all that waits is for a single claim.
        lasts = min(max(least, 20 * cost), most) if work is Work.SEND and not among.only else 0.0
        self._old_at, self._pause = time.monotonic() + lasts, max(_PAUSE_SECONDS, 3 * cost)
        return self._plan

    async def _look(self, connection: Connection, work: Work, among: Among) -> Look:
        """Look; lanes that are missing are made first: of test messages, and of senders that an older version added."""
        seen = await look(connection, work=work, among=among)
        if seen.missing:
            # In a transaction of its own, or another claim would wait for the end of this one.
            async with transaction(self._engine) as beside:
                await add_test_lanes(beside, seen.missing)
                await rerate(beside, seen.missing)
            seen = await look(connection, work=work, among=among)
        return seen

    def _candidates(self, seen: Look, seen_at: float) -> list[Candidate]:
        """Give those that may go now, and remember when the first of the others may."""
        candidates, first = list[Candidate](), math.inf
        held: set[UUID] = set()
        for lane in sorted(seen.waiting, key=lambda each: each.rank):
            if lane.lane in held:
                continue
            wait = _wait(lane)
            if wait > 0:
                # What is less urgent waits, too, or it would use up again and again what a dear message waits for.
                held.add(lane.lane)
                first = min(first, wait)
            else:
                candidates.append(_candidate(lane))
        self._ready_at = seen_at + max(first, self._pause)
        return candidates


def _wait(lane: WaitingLane) -> float:
    """Give the seconds until its next message may go, by its own meter and its provider's."""
    own = 0.0 if lane.may_go else (lane.meter.ready_at(lane.now, lane.segments) - lane.now).total_seconds()
    return own if lane.provider_ready_at is None else max(own, (lane.provider_ready_at - lane.now).total_seconds())


def _candidate(lane: WaitingLane) -> Candidate:
    return Candidate(
        lane=lane.lane,
        account=lane.account,
        provider=lane.provider,
        rank=lane.rank,
        most=max(1, lane.meter.available(lane.now)),
        weight=lane.weight,
        account_weight=lane.account_weight,
        is_limited=lane.is_limited,
    )
