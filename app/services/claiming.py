"""Claiming: takes due messages with a written intent, and gives back what was taken without anybody knowing.

It sends nothing, and decides nothing about a message: that is the domain's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.change import Change, Work
from app.domain.lifecycle import give_back
from app.domain.status import MessageStatus
from app.domain.waiting import claim
from app.services.sparing import Sparing
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.engine import Engine, StoreUnavailable, transaction
from app.store.queue import DueMessage, OpenWork, due_ids, lock_due, lock_leased


@dataclass(kw_only=True, slots=True)
class Claimed:
    """One message whose intent to send is committed."""

    due: DueMessage
    begun: Change
    asked_at: float
    """On the monotonic clock, before the database took its own time: reckoned from both, a time is only too early."""

    def work(self) -> OpenWork | None:
        """Give the message as this has left it, with the attempt that is begun."""
        due, begun = self.due, self.begun
        if begun.attempt is None:
            return None
        state = begun.apply_to(due.state)
        return OpenWork(state=state, attempt=begun.attempt, tries=due.tries, crashes=due.crashes, now=due.now)


class Claims:
    """What one dispatcher claims, with its memory of what went wrong; times are on the monotonic clock."""

    def __init__(
        self, engine: Engine, *, lease: timedelta, poison_crashes: int, worker: Callable[[], int | None]
    ) -> None:
        """Take the store, how long a claim lasts, after how many crashes none is made, and who claims."""
        self._engine = engine
        self._lease = lease
        self._poison_crashes = poison_crashes
        self._worker = worker
        self._doubtful: dict[int, float] = {}
        """Fences whose commit was not answered, each with the moment from which a rescue is due instead."""

        self._sparing = Sparing("claim")

    def aside(self) -> tuple[UUID, ...]:
        """Give the messages that could not be claimed and are left alone now."""
        return self._sparing.aside()

    async def take(self, *, limit: int, work: Work = Work.SEND) -> list[Claimed]:
        """Take up to `limit` due messages, first giving back what unanswered claims took. Stale ones expire instead.

        With a limit of 0 they are only given back, and where none is open Postgres is not even asked.

        Where that fails for another reason than a lost database, each is claimed by itself, and one that
        cannot be is left alone for a while, so that it costs the others nothing.

        Raises `StoreUnavailable`; a claim whose commit may have happened all the same is remembered.
        """
        await self._give_back()
        if not limit:
            return []
        while claimed := await self._sparing.do(
            lambda among: self._take(limit, work, among), lambda among: self._find(limit, work, among)
        ):
            # The others have ended; where all have, more may be due, which need not wait for the next claim.
            if begun := [item for item in claimed if item.begun.status is MessageStatus.SENDING]:
                return begun
        return []

    async def _take(self, limit: int, work: Work, among: Among) -> list[Claimed]:
        asked_at = time.monotonic()
        fence: int | None = None
        try:
            async with transaction(self._engine) as connection:
                due = await lock_due(connection, limit=limit, work=work, among=among)
                if not due:
                    return []
                fence = due[0].fence
                claims = [self._claim(item) for item in due]
                await apply_changes(connection, [change for changes in claims for change in changes])
        except StoreUnavailable:
            if fence is not None:
                self._doubtful[fence] = time.monotonic() + self._lease.total_seconds()
            raise
        return [
            Claimed(due=item, begun=changes[-1], asked_at=asked_at) for item, changes in zip(due, claims, strict=True)
        ]

    def _claim(self, item: DueMessage) -> tuple[Change, ...]:
        return claim(
            item.state,
            provider=item.provider,
            fence=item.fence,
            now=item.now,
            lease=self._lease,
            worker=self._worker(),
            poisoned=item.crashes >= self._poison_crashes,
        )

    async def _find(self, limit: int, work: Work, among: Among) -> list[UUID]:
        async with transaction(self._engine) as connection:
            return await due_ids(connection, limit=limit, work=work, among=among)

    async def _give_back(self) -> None:
        """Return what was claimed by transactions whose commit was never answered: nothing of it was begun.

        Such a commit may still be under way and invisible, so each is looked for until its lease is over.
        """
        if not self._doubtful:
            return
        looked_at = time.monotonic()
        async with transaction(self._engine) as connection:
            work = await lock_leased(connection, list(self._doubtful))
            await apply_changes(connection, [give_back(w.state, w.attempt, now=w.now, crashes=w.crashes) for w in work])
        self._doubtful = {fence: until for fence, until in self._doubtful.items() if until > looked_at}
