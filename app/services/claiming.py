"""Claiming: takes due messages lane by lane with a written intent, as many as their limits let go at this moment.

It gives back what was taken without anybody knowing. It sends nothing, and decides nothing about a message or about
whose turn it is: that is the domain's. Nothing is reserved: what is granted is charged in the claim's own transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.change import Change, Work
from app.domain.lifecycle import give_back
from app.domain.status import MessageStatus
from app.domain.waiting import claim
from app.services.lane_claim import LaneClaim, Room
from app.services.lane_plans import LanePlans
from app.services.sparing import Sparing
from app.store.among import Among
from app.store.changes import apply_changes
from app.store.due import DueMessage, has_lone_resend
from app.store.engine import Engine, StoreUnavailable, transaction
from app.store.lanes import look
from app.store.queue import OpenWork, lock_leased


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
        self._plans = LanePlans(engine)

    def aside(self) -> tuple[UUID, ...]:
        """Give the messages that could not be claimed and are left alone now."""
        return self._sparing.aside()

    async def take(self, *, limit: int, others: int | None = None, work: Work = Work.SEND) -> list[Claimed]:
        """Take up to `limit` due messages, first giving back what unanswered claims took. Stale ones expire instead.

        Of them `others` may be no one-time codes; None for all. With a limit of 0 they are only given back, and where
        none is open Postgres is not even asked.

        Where that fails for another reason than a lost database, each is claimed by itself, and one that
        cannot be is left alone for a while, so that it costs the others nothing.

        Raises `StoreUnavailable`; a claim whose commit may have happened all the same is remembered.
        """
        await self._give_back()
        if not limit:
            return []
        room = Room(work=work, limit=limit, others=limit if others is None else others)
        while claimed := await self._sparing.do(
            lambda among: self._take(room, among), lambda among: self._find(room, among)
        ):
            # The others have ended; where all have, more may be due, which need not wait for the next claim.
            if begun := [item for item in claimed if item.begun.status is MessageStatus.SENDING]:
                return begun
        return []

    def take_ready_at(self) -> float:
        """Give when a lane that kept something back at the last claim may go on; infinite for none, and once told."""
        return self._plans.take_ready_at()

    async def has_lone(self, resenders: Collection[str], *, besides: Sequence[UUID] = ()) -> bool:
        """Tell whether a message is due that may go out by itself now, where these providers are asked by resends."""
        among = Among(ids=(*self.aside(), *besides))
        async with transaction(self._engine) as connection:
            found = await look(connection, work=Work.SEND_ALONE, among=among)
            if found.missing or any(lane.may_go for lane in found.waiting):
                return True
            return await has_lone_resend(connection, resenders, besides=among.ids)

    async def _take(self, room: Room, among: Among) -> list[Claimed]:
        asked_at = time.monotonic()
        fence: int | None = None
        try:
            async with transaction(self._engine) as connection:
                lanes = LaneClaim(self._plans, room, among)
                due = await lanes.lock(connection)
                if not due:
                    return []
                fence = due[0].fence
                decided = {item.state.id: self._claim(item) for item in due}
                ended = {key for key, changes in decided.items() if changes[-1].status is not MessageStatus.SENDING}
                granted = lanes.grant(due, free=ended)
                await apply_changes(connection, [change for item in granted for change in decided[item.state.id]])
                await lanes.charge(connection, trial_lasts=self._lease)
        except StoreUnavailable:
            if fence is not None:
                self._doubtful[fence] = time.monotonic() + self._lease.total_seconds()
            raise
        return [Claimed(due=item, begun=decided[item.state.id][-1], asked_at=asked_at) for item in granted]

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

    async def _find(self, room: Room, among: Among) -> list[UUID]:
        async with transaction(self._engine) as connection:
            return await LaneClaim(self._plans, room, among).ids(connection)

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
