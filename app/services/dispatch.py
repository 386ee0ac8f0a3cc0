"""Sending: claim (in `claiming`), send without holding a connection, settle in batches."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from app.domain.change import Change, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import give_back, settle
from app.domain.message import AttemptPhase
from app.domain.provider import Accepted, Deferred, SendOutcome, SendRequest
from app.domain.references import AttemptRef
from app.domain.retry_budget import RetryBudget
from app.services.claiming import Claimed, Claims
from app.services.failover import Settled, sent_on
from app.services.sparing import all_or_each
from app.services.submitting import NEVER_BEGUN, Assignment, DispatchConfig, Submitter, whole_seconds
from app.services.throttling import heed_throttling
from app.services.webhooks import Adapters, capabilities_of, resenders_of
from app.store.changes import apply_changes, apply_to_untouched
from app.store.engine import Autocommit, Engine, transaction
from app.store.queue import OpenWork, lock_attempts

_WAITS_FOR_ITS_TURN: Final = 0.9
"""The part of what is left of a message's validity that a retry may wait for its turn: the rest is for sending it."""

_LEAST_PAUSE: Final = 0.005
"""Seconds that are waited for a lane at least, so that lanes which are ready one after the other share a claim."""


@dataclass(kw_only=True, slots=True)
class Result:
    """What came of an assignment."""

    assignment: Assignment
    outcome: SendOutcome


class Dispatcher:
    """The use cases of sending. Any number of them may run at once, on any number of machines."""

    def __init__(
        self,
        engine: Engine,
        adapters: Adapters,
        submitter: Submitter,
        config: DispatchConfig,
        *,
        worker: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Take the store, the providers, the way to them, the times, and the number of the worker that claims."""
        self._engine = engine
        self._autocommit = Autocommit(engine)
        self._adapters = adapters
        self._submitter = submitter
        self._config = config
        self._claims = Claims(engine, lease=config.lease, poison_crashes=config.policy.poison_crashes, worker=worker)
        self._budgets: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)

    async def has_lone(self, *, besides: Sequence[UUID] = ()) -> bool:
        """Tell whether a message is due that is to go out while its worker sends nothing else, be it by a resend.

        Neither those count that could not be claimed, nor `besides`, which others leave alone: no turn would move them.
        """
        return await self._claims.has_lone(resenders_of(self._adapters), besides=besides)

    async def claim(self, *, limit: int, others: int | None = None, alone: bool = False) -> list[Assignment]:
        """Take up to `limit` due messages: write *sending* and the attempt, and commit before any byte leaves.

        Of them `others` may be no one-time codes; None for all. Stale ones expire instead. `alone` takes one of those
        that are to go out by themselves.

        Raises `StoreUnavailable`; a claim whose commit may have happened all the same is remembered, and
        given back by a later one, because nothing of it was begun. A message that cannot be claimed is
        logged and left alone for a while; it costs the others nothing.
        """
        work, most = (Work.SEND_ALONE, min(limit, 1)) if alone else (Work.SEND, limit)
        claimed = await self._claims.take(limit=most, others=others, work=work)
        now = time.monotonic()
        for provider, count in Counter(c.due.provider for c in claimed if c.begun.attempts == 1).items():
            self._budgets[provider].sent(count, now=now)
        return [self._assignment(each) for each in claimed]

    def ready_in(self) -> float:
        """Give the seconds until a lane that kept something back may go on; infinite for none, or if told already."""
        return max(_LEAST_PAUSE, self._claims.take_ready_at() - time.monotonic())

    async def send(self, assignment: Assignment) -> Result:
        """Make one attempt; every ending is an outcome, and every outcome can be stored."""
        return Result(assignment=assignment, outcome=await self._submitter.submit(assignment))

    async def settle(self, results: Sequence[Result]) -> None:
        """Write what came of a batch of attempts.

        Where that fails for another reason than a lost database, each is settled by itself, so that one
        which cannot be written costs the others nothing.
        """
        outcomes = {result.assignment.attempt.message_id: result.outcome for result in results}
        await heed_throttling(self._autocommit, outcomes, self._config.policy.retry)
        # One that is left out is left to its lease, after which a rescue takes over.
        await all_or_each(self._settle, results, work="settle", message_id=lambda r: r.assignment.attempt.message_id)

    async def _settle(self, results: Sequence[Result]) -> None:
        """Settle what was accepted as its claim has left it; what was touched since, and all else, is read first."""
        decided: dict[UUID, Change] = {}
        others: list[Result] = []
        for result in results:
            begun = result.assignment.begun if isinstance(result.outcome, Accepted) else None
            if begun is None or begun.state.id in decided:
                others.append(result)
            else:
                left = timedelta(seconds=result.assignment.worth_until - time.monotonic())
                decided[begun.state.id] = self._decide(begun, result, now=begun.state.expires_at - left)
        if decided:
            async with self._autocommit.connect() as connection:
                touched = await apply_to_untouched(connection, list(decided.values()))
            others += [result for result in results if touched and result.assignment.attempt.message_id in touched]
        if others:
            await self._settle_as_found(others)

    async def _settle_as_found(self, results: Sequence[Result]) -> None:
        by_attempt = {(r.assignment.attempt.message_id, r.assignment.attempt.number): r for r in results}
        async with transaction(self._engine) as connection:
            works = await lock_attempts(connection, list(by_attempt))
            found = [(work, by_attempt[work.state.id, work.attempt.number]) for work in works]
            back = [give_back(w.state, w.attempt, now=w.now, crashes=w.crashes) for w, r in found if _goes_back(w, r)]
            settled = [self._settled(work, result) for work, result in found if not _goes_back(work, result)]
            await apply_changes(connection, [*back, *await sent_on(connection, settled)])

    def _settled(self, work: OpenWork, result: Result) -> Settled:
        return Settled(work=work, outcome=result.outcome, change=self._decide(work, result, now=work.now))

    def _decide(self, work: OpenWork, result: Result, *, now: datetime) -> Change:
        """Draw the conclusion; `now` is the database's time, as it says or as it is reckoned from what it said."""
        change = settle(
            work.state,
            work.attempt,
            result.outcome,
            fence=result.assignment.fence,
            tries=work.tries,
            now=now,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
            capabilities=capabilities_of(self._adapters, work.attempt.provider),
            policy=self._config.policy,
            crashes=work.crashes,
        )
        return self._in_turn(change, result, left=work.state.expires_at - now, now=now)

    def _in_turn(self, change: Change, result: Result, *, left: timedelta, now: datetime) -> Change:
        """Let another try wait for its turn; throttling has waits of its own and does not use up the budget."""
        match result.outcome, change.queue:
            case Deferred(failure=failure), Requeue(work=Work.SEND | Work.SEND_ALONE) as again:
                if failure.error is DeliveryError.RATE_LIMITED:
                    return change
                wait = self._budgets[result.assignment.provider].reserve(
                    now=time.monotonic(),
                    within=_WAITS_FOR_ITS_TURN * left.total_seconds(),
                    jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
                )
                due_at = max(again.due_at, now + timedelta(seconds=wait))
                return replace(change, queue=replace(again, due_at=due_at))
            case _:
                return change

    def _assignment(self, claimed: Claimed) -> Assignment:
        due = claimed.due
        worth_seconds = (due.state.expires_at - due.now).total_seconds()
        return Assignment(
            attempt=AttemptRef(message_id=due.state.id, number=claimed.begun.attempts),
            provider=due.provider,
            fence=due.fence,
            begin_before=self._config.begin_before(claimed.asked_at),
            worth_until=claimed.asked_at + worth_seconds,
            send=SendRequest(
                sender=due.sender,
                recipient=due.recipient,
                body=due.body,
                segments=due.segments,
                validity_seconds=whole_seconds(worth_seconds),
            ),
            begun=claimed.work(),
            urgent=not due.rank,
        )


def _goes_back(work: OpenWork, result: Result) -> bool:
    """Whether it was not begun and nobody has taken over since: it is given back, and no try is used up."""
    own = work.attempt.phase is AttemptPhase.STARTED and work.attempt.fence == result.assignment.fence
    return result.outcome is NEVER_BEGUN and own
