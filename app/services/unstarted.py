"""Giving back what was claimed and not begun, so that another worker takes it at once instead of after a lease."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.lifecycle import give_back
from app.domain.message import AttemptPhase
from app.domain.references import AttemptRef
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.queue import lock_attempts


async def give_back_unstarted(engine: Engine, fences: Mapping[AttemptRef, int]) -> int:
    """Return attempts, each as it was claimed under its fence; return how many messages.

    None of them may have been begun, nor be begun afterwards. What a rescue has taken meanwhile is left to it.
    """
    async with transaction(engine) as connection:
        work = [
            each
            for each in await lock_attempts(connection, [(attempt.message_id, attempt.number) for attempt in fences])
            if each.attempt.phase is AttemptPhase.STARTED
            and each.attempt.fence == fences[AttemptRef(message_id=each.state.id, number=each.attempt.number)]
        ]
        if work:
            await apply_changes(connection, [give_back(w.state, w.attempt, now=w.now, crashes=w.crashes) for w in work])
    return len(work)
