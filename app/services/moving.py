"""Leading what waits for a failing provider to other members of its pool, at the pace at which those can send it.

A sender that takes over could not send a whole backlog any sooner than it comes to it; and once the provider is back,
what was left to it is there to be sent. So no more moves to a lane than its rate, twice, lets out in that time.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.domain.change import Change
from app.domain.failover import Departure, Standing, elsewhere, may_move, moved
from app.domain.pools import Member
from app.services.failover import KnownPool, pools_of
from app.services.sparing import Sparing
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.engine import Autocommit, Engine, transaction
from app.store.moving import FRONT, LaneLimits, Place, Seen, Waiting, departures_of, lanes_of, lock_waiting, look
from app.store.standing import read_standing
from app.telemetry import get_logger

_log = get_logger(__name__)
_BATCH: Final = 500
_SWEEP_SECONDS: Final = 1.0
_IDLE_SHARE: Final = 19
"""After a slow sweep nothing is done for so many times as long as it took."""

_FASTER: Final = 2
"""How many times faster than a lane sends it is given more, so that it does not run dry between two sweeps."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep came to."""

    moved: int
    more: bool
    """Whether another one at once may move more."""


class Moving:
    """The sweeps of one worker. Any number of workers may sweep at once: what one has locked, the others skip."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the store, and a clock in seconds."""
        self._engine = engine
        self._autocommit = Autocommit(engine)
        self._clock = clock
        self._sparing = Sparing("failover")
        self._reached: dict[UUID, Place] = {}
        """Up to where each lane was looked through; one that is not named is begun at its front."""

        self._paces: defaultdict[UUID, _Pace] = defaultdict(_Pace)

    async def work(self) -> None:
        """Sweep about once a second, or at once where there is more that may move. Raises `StoreUnavailable`."""
        while True:
            began = self._clock()
            swept = await self.sweep()
            if not swept.more:
                await asyncio.sleep(max(_SWEEP_SECONDS, _IDLE_SHARE * (self._clock() - began)))

    async def sweep(self) -> Swept:
        """Move what may move of what waits for failing providers, the most urgent and oldest first, as far as it goes.

        Raises `StoreUnavailable`. A message that cannot be moved is logged and left alone for a while.
        """
        async with self._autocommit.connect() as connection:
            standing = await read_standing(connection)
            lanes = await lanes_of(connection, standing.failing) if standing.failing else []
            after = {lane: self._reached.get(lane, FRONT) for lane in lanes}
            from_each = max(1, _BATCH // max(1, len(lanes)))
            seen = await look(connection, after, from_each=from_each, limit=_BATCH) if lanes else []
        held: set[UUID] = set()

        async def find(among: Among) -> list[UUID]:
            return [each.place.message_id for each in seen if each.place.message_id not in among.ids]

        async def take(among: Among) -> list[UUID]:
            return await self._move(among.ids if among.only else await find(among), held)

        done = await self._sparing.do(take, find) if seen else []
        self._reached = _reached(after, seen, held=held, from_each=from_each)
        if done:
            _log.info("moved to other senders", messages=len(done), providers=sorted(standing.failing))
        return Swept(moved=len(done), more=bool(done) and not held and len(seen) == _BATCH)

    async def _move(self, ids: Sequence[UUID], held: set[UUID]) -> list[UUID]:
        """Move those of these messages that may; `held` takes the lanes of which one has to wait for its turn."""
        async with transaction(self._engine) as connection:
            # Read again, for it may have changed since the look.
            standing = await read_standing(connection)
            waiting = await lock_waiting(connection, ids, providers=standing.failing)
            pools = await pools_of(connection, [each.way for each in waiting])
            departures = await departures_of(connection, [each.way.message_id for each in waiting])
            changes: list[Change] = []
            for each in waiting:
                pool = pools.get((each.way.account_id, each.way.pool))
                before = departures.get(each.way.message_id, [])
                member = _member_for(each, pool, before=before, standing=standing)
                if pool is None or member is None:
                    continue
                if not self._has_room(member, pool.limits, each.segments):
                    held.add(each.lane)
                    continue
                changes.append(moved(each.state, member, from_sender=each.way.sender, due_at=each.due_at, now=each.now))
            await apply_changes(connection, changes)
        return [change.message_id for change in changes]

    def _has_room(self, member: Member, limits: Mapping[UUID, LaneLimits], segments: int) -> bool:
        lane = limits.get(member.sender_id)
        return lane is not None and self._paces[member.sender_id].take(segments, lane, now=self._clock())


class _Pace:
    """How much more may move to one lane: at first what it sends in a second and its burst, then as it sends."""

    def __init__(self) -> None:
        self._full_at = 0.0
        """When all of it is there again."""

    def take(self, segments: int, lane: LaneLimits, *, now: float) -> bool:
        """Take room for a message; False where there is none yet. A message larger than all of it takes all."""
        rate = _FASTER * lane.rate
        most = lane.burst / rate + 1
        full_at = max(self._full_at, now) + segments / rate
        if full_at - now > most and self._full_at > now:
            return False
        self._full_at = full_at
        return True


def _member_for(
    each: Waiting, pool: KnownPool | None, *, before: Sequence[Departure], standing: Standing
) -> Member | None:
    if pool is None or not may_move(each.state, each.newest, now=each.now):
        return None
    left = Departure(sender=each.way.sender)
    return elsewhere(pool.choice, each.way.recipient, departures=[*before, left], standing=standing)


def _reached(
    after: Mapping[UUID, Place], seen: Sequence[Seen], *, held: set[UUID], from_each: int
) -> dict[UUID, Place]:
    """Go on behind what was seen, but not past what is held, nor in a lane whose end was reached."""
    places: defaultdict[UUID, list[Place]] = defaultdict(list)
    for each in seen:
        places[each.lane].append(each.place)
    cut_short = len(seen) == _BATCH
    reached: dict[UUID, Place] = {}
    for lane, before in after.items():
        if lane in held:
            reached[lane] = before
        elif len(places[lane]) == from_each or (cut_short and places[lane]):
            reached[lane] = places[lane][-1]
        elif cut_short:
            reached[lane] = before
    return reached
