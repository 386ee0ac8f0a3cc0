"""One claim's way through the lanes, within its transaction: look, share out, lock, grant, charge."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from uuid import UUID

from app.domain.allotment import Candidate, Share, Turns
from app.domain.change import Work
from app.domain.grants import Grants, ProviderLimits
from app.store.among import Among
from app.store.due import DueMessage, due_ids, lock_due
from app.store.engine import Connection, Engine, transaction
from app.store.lanes import WaitingLane, add_test_lanes, charge_lanes, look
from app.store.provider_limits import begin_trials, charge_providers, lock_limits


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much one claim may take, and of what."""

    work: Work
    limit: int
    others: int
    """The part of the limit that is not for one-time codes alone."""


@dataclass(frozen=True, kw_only=True)
class LanesFound:
    """What a claim begins with."""

    candidates: Sequence[Candidate]
    providers: Mapping[str, ProviderLimits]
    shares: Sequence[Share]
    missing: Sequence[UUID]
    ready_at: float


class LaneClaim:
    """What one claim has found and taken; it lives as long as its transaction."""

    def __init__(self, turns: Turns, room: Room, among: Among, found: LanesFound) -> None:
        """Take what `begin` has found out."""
        self._turns = turns
        self._room = room
        self._among = among
        self._candidates = found.candidates
        self._providers = found.providers
        self._shares = found.shares
        self.missing = found.missing
        """Lanes that have no row yet."""

        self.ready_at = found.ready_at
        """When a lane that has something due may go on, on the monotonic clock; infinite where none has to wait."""

        self._grants: Grants | None = None
        self._taken: Counter[tuple[UUID, int]] = Counter()
        self._called: set[str] = set()

    @classmethod
    async def begin(cls, connection: Connection, turns: Turns, room: Room, among: Among) -> Self:
        """Look which lanes have something due that may go now, and share the room out over them."""
        seen = await look(connection, work=room.work, among=among)
        seen_at = time.monotonic()
        ready, held = _by_readiness(seen.waiting)
        waits = [lane.meter.ready_at(lane.now, lane.segments) - lane.now for lane in held]
        limited = {lane.provider for lane in ready if lane.is_limited}
        providers = await lock_limits(connection, limited) if limited else {}
        bounds = {name: limits.most(ready[0].now) for name, limits in providers.items()}
        candidates = [_candidate(lane) for lane in ready]
        shares = turns.allot(
            candidates,
            room=room.limit,
            others=room.others,
            providers={name: most for name, most in bounds.items() if most is not None},
        )
        found = LanesFound(
            candidates=candidates,
            providers=providers,
            shares=shares,
            missing=seen.missing,
            ready_at=seen_at + min((wait.total_seconds() for wait in waits), default=math.inf),
        )
        return cls(turns, room, among, found)

    async def lock(self, connection: Connection) -> list[DueMessage]:
        """Lock lanes and messages of the shares, as many as there is room for."""
        if not self._shares:
            return []
        room = self._room
        return await lock_due(connection, self._shares, limit=room.limit, work=room.work, among=self._among)

    async def ids(self, connection: Connection) -> list[UUID]:
        """Name the messages that `lock` would lock."""
        if not self._shares:
            return []
        room = self._room
        return await due_ids(connection, self._shares, limit=room.limit, work=room.work, among=self._among)

    def grant(self, due: Collection[DueMessage], *, free: Collection[UUID]) -> list[DueMessage]:
        """Give those that may go now; those that are `free` never reach a provider, and use up nothing."""
        self._grants = Grants(self._providers, others=self._room.others, now=next(iter(due)).now)
        return [item for item in due if item.state.id in free or self._take(self._grants, item)]

    async def charge(self, connection: Connection, *, trial_lasts: timedelta) -> None:
        """Write what was granted into lanes and providers."""
        if self._grants is None:
            return
        await charge_lanes(connection, self._grants.lanes())
        await charge_providers(connection, self._grants.providers())
        trials = [name for name in self._called if name in self._providers and self._providers[name].trial]
        if trials:
            await begin_trials(connection, trials, lasts=trial_lasts)

    def count(self) -> None:
        """Remember whose turn it was; to be called once the claim is committed."""
        self._turns.served(self._candidates, self._taken)

    def _take(self, grants: Grants, item: DueMessage) -> bool:
        if not grants.take(item.lane, item.meter, item.provider, rank=item.rank, segments=item.segments):
            return False
        self._taken[item.lane, item.rank] += item.segments
        self._called.add(item.provider)
        return True


async def find_lanes(engine: Engine, connection: Connection, turns: Turns, room: Room, among: Among) -> LaneClaim:
    """Begin a claim; the lanes of test messages that have none yet are made first."""
    lanes = await LaneClaim.begin(connection, turns, room, among)
    if lanes.missing:
        # In a transaction of its own, or another claim would wait for the end of this one.
        async with transaction(engine) as beside:
            await add_test_lanes(beside, lanes.missing)
        lanes = await LaneClaim.begin(connection, turns, room, among)
    return lanes


def _by_readiness(waiting: Sequence[WaitingLane]) -> tuple[list[WaitingLane], list[WaitingLane]]:
    """Part those whose next message may go from those that wait for it.

    What is less urgent waits, too, or it would use up again and again what a dear message of its lane waits for. Such a
    lane takes no part in a claim: those that can take none would otherwise crowd out those that can.
    """
    ready: list[WaitingLane] = []
    held: dict[UUID, WaitingLane] = {}
    for lane in sorted(waiting, key=lambda each: each.rank):
        if lane.lane in held:
            continue
        if lane.may_go:
            ready.append(lane)
        else:
            held[lane.lane] = lane
    return ready, list(held.values())


def _candidate(lane: WaitingLane) -> Candidate:
    return Candidate(
        lane=lane.lane,
        account=lane.account,
        provider=lane.provider,
        rank=lane.rank,
        most=lane.meter.available(lane.now),
        weight=lane.weight,
        account_weight=lane.account_weight,
    )
