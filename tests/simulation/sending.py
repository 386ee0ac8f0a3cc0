"""What a worker does with a message that is due to be sent, step by step as the services do it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.change import Change, EventReason, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, MessageState
from app.domain.pools import Member
from app.domain.provider import Deferred, ProviderFailure, SendOutcome
from app.domain.references import AttemptRef
from app.domain.sender import SenderType
from app.domain.status import MessageStatus
from tests.simulation.crew import Labour, Step, Worker
from tests.simulation.database import Database, StoreUnavailable
from tests.simulation.decisions import Decisions
from tests.simulation.faults import Chances, Fault
from tests.simulation.provider import Exchange, Provider
from tests.simulation.scenario import SEND_DEADLINE, Scenario, Text
from tests.simulation.store import QueueRow
from tests.simulation.timeline import Timeline

PROVIDER = "acme"
FIRST = "+12025550120"
OTHER = Member(
    sender_id=UUID(int=1),
    address="+12025550121",
    number_type=SenderType.TEN_DLC,
    provider=PROVIDER,
    weight=1,
    countries=None,
    place=None,
)
"""Another sender, through the same provider: what that has taken by either way is counted in one place."""

MOST = 2
"""As if the pool had three members."""

STALE = Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED))
LATE = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="worker-was-stopped"))


@dataclass(kw_only=True)
class Surroundings:
    """What all work of a run shares."""

    scenario: Scenario
    decisions: Decisions
    timeline: Timeline
    chances: Chances
    database: Database
    provider: Provider

    def submit(self, ref: AttemptRef, *, asked_at: float, worth_until: float) -> Exchange:
        """Let a request leave, unless it is too late for it: a worker may have been stopped since it asked."""
        now = self.timeline.seconds
        if now >= worth_until:
            return Exchange(wait=0, outcome=STALE)
        if now > asked_at + self.scenario.lease - SEND_DEADLINE:
            return Exchange(wait=0, outcome=LATE)
        return self.provider.submit(ref)


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Claim, send, settle; and give back a claim whose commit was not answered."""

    around: Surroundings

    def deliver(self, worker: Worker, text: Text) -> Labour:
        """Make one attempt."""
        around, message_id = self.around, text.state.id
        self._move(message_id)
        asked_at = around.timeline.seconds
        fence = around.database.store.next_fence()
        try:
            begun = self._claim(worker, message_id, fence)
        except StoreUnavailable:
            yield from self._give_back(message_id, fence, until=asked_at + around.scenario.lease)
            return
        if not begun:
            return
        number = around.database.store.messages[message_id].attempts
        ref = AttemptRef(message_id=message_id, number=number)
        yield Step.CLAIMED, around.chances.queueing()
        exchange = around.submit(ref, asked_at=asked_at, worth_until=text.expires_at)
        yield Step.IN_FLIGHT, exchange.wait
        while not self._settle(ref, exchange.outcome, fence):
            yield Step.STORE_AWAY, around.chances.between(0.5, 2)
        yield Step.SETTLED, 0

    def _claim(self, worker: Worker, message_id: UUID, fence: int) -> bool:
        around, store = self.around, self.around.database.store
        row, message = store.queue.get(message_id), store.messages[message_id]
        now = around.database.now
        if row is None or row.leased_until is not None or row.due_at > now:
            return False
        if row.work not in {Work.SEND, Work.SEND_ALONE}:
            return False
        changes = around.decisions.claim(
            message,
            provider=PROVIDER,
            fence=fence,
            now=now,
            lease=timedelta(seconds=around.scenario.lease),
            worker=worker.shown,
            poisoned=row.crashes >= around.scenario.policy.poison_crashes,
        )
        end = changes[-1]
        around.chances.counts[Fault.POISONED] += end.error is DeliveryError.POISON
        around.database.commit(changes)
        return end.status is MessageStatus.SENDING

    def _give_back(self, message_id: UUID, fence: int, *, until: float) -> Labour:
        """Look for what an unanswered claim took until its lease is over: nothing of it was begun."""
        around, store = self.around, self.around.database.store
        while around.timeline.seconds <= until:
            yield Step.STORE_AWAY, around.chances.between(0.5, 2)
            row, message = store.queue.get(message_id), store.messages[message_id]
            if row is None or row.leased_until is None:
                continue
            attempt = store.newest_attempt(message_id)
            if attempt.phase is not AttemptPhase.STARTED or attempt.fence != fence:
                continue
            change = around.decisions.give_back(message, attempt, now=around.database.now, crashes=row.crashes)
            try:
                around.database.commit([change])
            except StoreUnavailable:
                continue

    def _move(self, message_id: UUID) -> None:
        """Lead what waits to another sender of its pool, as a sweep may do before any claim."""
        around, store = self.around, self.around.database.store
        row, message, now = store.queue.get(message_id), store.messages[message_id], around.database.now
        if row is None or row.leased_until is not None or row.work is not Work.SEND or self._moves(message_id) >= MOST:
            return
        newest = store.newest_attempt(message_id).phase if message.attempts else None
        if around.decisions.may_move(message, newest, now=now) and around.chances.strikes(Fault.MOVED):
            moved = around.decisions.moved(message, OTHER, from_sender=FIRST, due_at=row.due_at, now=now)
            with suppress(StoreUnavailable):
                around.database.commit([moved])

    def _moves(self, message_id: UUID) -> int:
        history = self.around.database.store.history[message_id]
        return sum(line.event.reason is EventReason.FAILED_OVER for line in history)

    def _sent_on(self, message: MessageState, outcome: SendOutcome, change: Change, row: QueueRow | None) -> Change:
        """Let another sender have its turn instead of what settling makes of it, where the dice fall so."""
        around = self.around
        if row is None or around.decisions.seeks_another(message, outcome, change) is None:
            return change
        if self._moves(message.id) >= MOST or not around.chances.strikes(Fault.SENT_ON):
            return change
        return around.decisions.failed_over(
            message,
            outcome,
            change,
            OTHER,
            from_sender=FIRST,
            tries=row.tries,
            crashes=row.crashes,
            now=around.database.now,
        )

    def _settle(self, ref: AttemptRef, outcome: SendOutcome, fence: int) -> bool:
        around, store = self.around, self.around.database.store
        message, attempt = store.messages[ref.message_id], store.attempts[ref.message_id][ref.number]
        row = store.queue.get(ref.message_id)
        around.chances.counts[Fault.ZOMBIE] += fence != attempt.fence
        change = around.decisions.settle(
            message,
            attempt,
            outcome,
            fence=fence,
            tries=row.tries if row else 0,
            now=around.database.now,
            jitter=around.chances.random.random(),
            capabilities=around.scenario.capabilities,
            policy=around.scenario.policy,
            crashes=row.crashes if row else 0,
        )
        try:
            around.database.commit([self._sent_on(message, outcome, change, row)])
        except StoreUnavailable:
            return False
        return True
