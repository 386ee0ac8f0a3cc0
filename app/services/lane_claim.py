"""One claim's way through the lanes, within its transaction: draw turns, lock, grant, charge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.allotment import Share
from app.domain.change import Work
from app.domain.grants import Grants, ProviderLimits, bounded
from app.domain.lane_plan import LanePlan
from app.services.lane_plans import LanePlans
from app.store.among import Among
from app.store.due import DueMessage, due_ids, lock_due
from app.store.engine import Connection
from app.store.lanes import charge_lanes
from app.store.provider_limits import begin_trials, charge_providers, lock_limits

_LOCKED_SECONDS, _BUSY_SECONDS, _ASIDE_SECONDS = 0.01, 0.05, 0.25
"""When lanes are looked at again from which nothing could be taken: others have locked them, their providers are busy,
or what is due there cannot be claimed."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much one claim may take, and of what."""

    work: Work
    limit: int
    others: int
    """The part of the limit that is not for one-time codes alone."""


class LaneClaim:
    """What one claim takes; it lives as long as its transaction."""

    def __init__(self, plans: LanePlans, room: Room, among: Among) -> None:
        """Take what is known of the lanes, and what is asked for."""
        self._plans = plans
        self._room = room
        self._among = among
        self._plan: LanePlan | None = None
        self._providers: Mapping[str, ProviderLimits] = {}
        self._grants: Grants | None = None
        self._called: set[str] = set()

    async def lock(self, connection: Connection) -> list[DueMessage]:
        """Lock lanes and messages whose turn it is, as many as there is room for."""
        is_usual = self._room.work is Work.SEND and not self._among.only
        if is_usual and (plan := self._plans.recall()) is not None and (due := await self._lock(connection, plan)):
            return due
        return await self._lock(connection, await self._look(connection))

    async def ids(self, connection: Connection) -> list[UUID]:
        """Name messages that `lock` would lock after a look."""
        shares = await self._draw(connection, await self._look(connection))
        room = self._room
        return await due_ids(connection, shares, limit=room.limit, work=room.work, among=self._among) if shares else []

    def grant(self, due: Sequence[DueMessage], *, free: Collection[UUID]) -> list[DueMessage]:
        """Give those that may go now; those that are `free` never reach a provider, and use up nothing."""
        self._grants = Grants(self._providers, others=self._room.others, now=due[0].now)
        granted = [item for item in due if item.state.id in free or self._take(self._grants, item)]
        if not granted:
            self._plans.look_again_in(_BUSY_SECONDS if self._providers else _LOCKED_SECONDS)
        return granted

    async def charge(self, connection: Connection, *, trial_lasts: timedelta) -> None:
        """Write what was granted into lanes and providers."""
        if self._grants is None:
            return
        await charge_lanes(connection, self._grants.lanes())
        await charge_providers(connection, self._grants.providers())
        trials = [name for name in self._called if name in self._providers and self._providers[name].trial]
        if trials:
            await begin_trials(connection, trials, lasts=trial_lasts)

    async def _look(self, connection: Connection) -> LanePlan:
        return await self._plans.make(connection, room=self._room.limit, work=self._room.work, among=self._among)

    async def _draw(self, connection: Connection, plan: LanePlan) -> list[Share]:
        self._plan = plan
        drawn = plan.draw(room=self._room.limit, others=self._room.others)
        limited = {share.candidate.provider for share in drawn if share.candidate.is_limited}
        if not limited:
            return drawn
        self._providers, now = await lock_limits(connection, limited)
        return bounded(drawn, self._providers, now=now)

    async def _lock(self, connection: Connection, plan: LanePlan) -> list[DueMessage]:
        shares = await self._draw(connection, plan)
        if not shares:
            if self._providers:
                self._plans.look_again_in(_BUSY_SECONDS)
            return []
        urgent = sum(share.most for share in shares if not share.candidate.rank)
        limit = min(self._room.limit, urgent + self._room.others)
        due = await lock_due(connection, shares, limit=limit, work=self._room.work, among=self._among)
        found = Counter((item.lane, item.rank) for item in due)
        plan.settle(shares, found, is_full=len(due) == limit)
        if not due:
            self._plans.look_again_in(_ASIDE_SECONDS if self._among.ids else _LOCKED_SECONDS)
        return due

    def _take(self, grants: Grants, item: DueMessage) -> bool:
        assert self._plan is not None  # noqa: S101 - messages are locked by a plan
        if not grants.take(item.lane, item.meter, item.provider, rank=item.rank, segments=item.segments):
            if not item.rank or grants.others > 0:
                self._plan.close((item.lane, item.rank))
            if item.provider in grants.used_up:
                self._plan.close_provider(item.provider)
            return False
        self._plan.taken[item.lane, item.rank] += item.segments
        self._called.add(item.provider)
        return True
