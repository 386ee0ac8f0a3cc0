"""Giving back what was claimed and not begun, so that another worker takes it at once instead of after a lease."""

from __future__ import annotations

from collections.abc import Collection

from app.domain.lifecycle import give_back
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.queue import lock_leased


async def give_back_unstarted(engine: Engine, fences: Collection[int]) -> int:
    """Return all that was claimed under these fences; return how many messages.

    Nothing of them may have been begun, nor be begun afterwards.
    """
    async with transaction(engine) as connection:
        work = await lock_leased(connection, sorted(fences))
        if work:
            await apply_changes(connection, [give_back(w.state, w.attempt, now=w.now, crashes=w.crashes) for w in work])
    return len(work)
