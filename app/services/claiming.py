"""Claiming: takes due messages with a written intent, and gives back what was taken without anybody knowing.

It sends nothing, and decides nothing about a message: that is the domain's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.domain.change import Change, Work
from app.domain.lifecycle import give_back
from app.domain.status import MessageStatus
from app.domain.waiting import claim
from app.store.changes import apply_changes
from app.store.engine import Autocommit, Engine, StoreUnavailable, transaction
from app.store.queue import DueMessage, OpenWork, has_due, lock_due, lock_leased
from app.telemetry import get_logger

_log = get_logger(__name__)
_SET_ASIDE_SECONDS: Final = 60.0
"""How long this worker leaves alone a message that it could not claim."""


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


class _NotClaimed(Exception):
    """A claim failed for a reason that lies in one of these messages, not in the database's being lost."""

    def __init__(self, due: Sequence[DueMessage]) -> None:
        self.due = due


class Claims:
    """What one dispatcher claims, with its memory of what went wrong; times are on the monotonic clock."""

    def __init__(
        self, engine: Engine, *, lease: timedelta, poison_crashes: int, worker: Callable[[], int | None]
    ) -> None:
        """Take the store, how long a claim lasts, after how many crashes none is made, and who claims."""
        self._engine = engine
        self._autocommit = Autocommit(engine)
        self._lease = lease
        self._poison_crashes = poison_crashes
        self._worker = worker
        self._doubtful: dict[int, float] = {}
        """Fences whose commit was not answered, each with the moment from which a rescue is due instead."""

        self._set_aside: dict[UUID, float] = {}
        """Messages that could not be claimed, each with the moment at which it is tried again."""

    async def take(self, *, limit: int, work: Work = Work.SEND) -> list[Claimed]:
        """Take up to `limit` due messages, first giving back what unanswered claims took. Stale ones expire instead.

        Where that fails for another reason than a lost database, each is claimed by itself, and one that
        cannot be is left alone for a while, so that it costs the others nothing.

        Raises `StoreUnavailable`; a claim whose commit may have happened all the same is remembered.
        """
        await self._give_back()
        try:
            return _begun(await self._take(limit, work))
        except _NotClaimed as error:
            _log.exception("batch not claimed", messages=len(error.due))
        return _begun(await self._take_one_by_one(limit, work))

    async def has_lone(self) -> bool:
        """Tell whether a message is due that is to go out by itself; raises `StoreUnavailable`."""
        async with self._autocommit.connect() as connection:
            return await has_due(connection, Work.SEND_ALONE)

    async def _take(self, limit: int, work: Work) -> list[Claimed]:
        asked_at = time.monotonic()
        self._set_aside = {key: until for key, until in self._set_aside.items() if until > asked_at}
        fence: int | None = None
        due: list[DueMessage] = []
        try:
            async with transaction(self._engine) as connection:
                # The oldest come first, and what is set aside may be among them.
                found = await lock_due(connection, limit=limit + len(self._set_aside), work=work)
                due = [item for item in found if item.state.id not in self._set_aside][:limit]
                if not due:
                    return []
                fence = due[0].fence
                claims = [self._claim(item) for item in due]
                await apply_changes(connection, [change for changes in claims for change in changes])
        except StoreUnavailable:
            if fence is not None:
                self._doubtful[fence] = time.monotonic() + self._lease.total_seconds()
            raise
        except Exception as error:
            if not due:
                raise
            raise _NotClaimed(due) from error
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

    async def _take_one_by_one(self, limit: int, work: Work) -> list[Claimed]:
        taken: list[Claimed] = []
        for _ in range(limit):
            try:
                one = await self._take(1, work)
            except StoreUnavailable:
                if not taken:
                    raise
                break  # what is taken is committed, and has to be sent
            except _NotClaimed as error:
                [item] = error.due
                _log.exception("message not claimed", message_id=str(item.state.id))
                self._set_aside[item.state.id] = time.monotonic() + _SET_ASIDE_SECONDS
                continue
            if not one:
                break
            taken += one
        return taken

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


def _begun(claimed: Sequence[Claimed]) -> list[Claimed]:
    """Leave out what expired instead."""
    return [item for item in claimed if item.begun.status is MessageStatus.SENDING]
