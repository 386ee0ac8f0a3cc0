"""Taking over what dead workers left behind: what they had claimed is unknown, and waits for evidence."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from app.domain.change import Change
from app.domain.policy import LifecyclePolicy
from app.domain.resolving import rescue
from app.services.liveness import Liveness
from app.services.sparing import Sparing
from app.services.webhooks import Adapters, capabilities_of
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.queue import left_behind_ids, lock_left_behind, next_fence
from app.telemetry import get_logger

_log = get_logger(__name__)


class Rescue:
    """The use case of taking over; any number of workers may do it at once."""

    def __init__(self, engine: Engine, adapters: Adapters, liveness: Liveness, policy: LifecyclePolicy) -> None:
        """Take the store, the providers, who lives, and the times."""
        self._engine = engine
        self._adapters = adapters
        self._liveness = liveness
        self._policy = policy
        self._sparing = Sparing("rescue")

    async def take_over(self, *, limit: int) -> int:
        """Take over what was left behind, by the dead and beyond a lease; return how many messages.

        One that cannot be taken over is logged and left alone for a while. Raises `StoreUnavailable`.
        """
        dead = await self._liveness.dead()
        changes = await self._sparing.do(
            lambda among: self._take(limit, dead, among), lambda among: self._find(limit, dead, among)
        )
        for change in changes:
            _log.warning("worker lost", message_id=str(change.message_id), status=change.status.value)
        return len(changes)

    async def _take(self, limit: int, dead: Collection[int], among: Among) -> list[Change]:
        async with transaction(self._engine) as connection:
            work = await lock_left_behind(connection, limit=limit, dead=dead, among=among)
            if not work:
                return []
            fence = await next_fence(connection)
            changes = [
                rescue(
                    w.state,
                    w.attempt,
                    fence=fence,
                    crashes=w.crashes,
                    now=w.now,
                    capabilities=capabilities_of(self._adapters, w.attempt.provider),
                    policy=self._policy,
                )
                for w in work
            ]
            await apply_changes(connection, changes)
        return changes

    async def _find(self, limit: int, dead: Collection[int], among: Among) -> list[UUID]:
        async with transaction(self._engine) as connection:
            return await left_behind_ids(connection, limit=limit, dead=dead, among=among)
