"""Taking over what dead workers left behind: what they had claimed is unknown, and waits for evidence."""

from __future__ import annotations

from app.domain.policy import LifecyclePolicy
from app.domain.resolving import rescue
from app.services.liveness import Liveness
from app.services.webhooks import Adapters, capabilities_of
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.queue import lock_left_behind, next_fence
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

    async def take_over(self, *, limit: int) -> int:
        """Take over what was left behind, by the dead and beyond a lease; return how many messages.

        Raises `StoreUnavailable`.
        """
        dead = await self._liveness.dead()
        async with transaction(self._engine) as connection:
            work = await lock_left_behind(connection, limit=limit, dead=dead)
            if not work:
                return 0
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
        for change in changes:
            _log.warning("worker lost", message_id=str(change.message_id), status=change.status.value)
        return len(changes)
