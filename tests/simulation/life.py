"""One message, its errands and its provider without a timetable: what happens next is up to whoever drives it.

The provider keeps what its kind promises: a key is folded, a record is shown in time, what it refuses is not sent.
Workers do what the services let them, at any moment that the clock allows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app.domain.change import Change, EventReason, Work
from app.domain.evidence import NoAnswer, ProviderMessage
from app.domain.inquiry import Inquiry, Sighting
from app.domain.lifecycle import settle
from app.domain.message import AttemptState, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.provider import Accepted, Capabilities, SendOutcome
from app.domain.resolving import found, not_found, resent, unanswered
from app.domain.status import FINAL, RANKS, MessageStatus
from tests.simulation.scenario import SEND_DEADLINE
from tests.simulation.sending import LATE, STALE
from tests.simulation.store import ModelStore, QueueRow
from tests.simulation.timeline import BEGINNING

LEASE: Final = timedelta(seconds=45)
POLICY: Final = LifecyclePolicy()

Learnt = SendOutcome | ProviderMessage | Sighting | NoAnswer


@dataclass(kw_only=True, eq=False)
class Errand:
    """What a worker has set out to do about an attempt, and what came of it."""

    number: int
    fence: int
    begun_at: datetime
    inquiry: Inquiry | None = None
    """What is asked; None for the send itself."""

    learnt: Learnt | None = None
    """None as long as nothing has left and nobody was asked."""

    @property
    def sends(self) -> bool:
        """Whether a request to send something leaves, and not a search."""
        return self.inquiry in {None, Inquiry.RESEND}


@dataclass(kw_only=True)
class Life:
    """What is stored of a message, and what only its provider knows."""

    accepted: MessageState
    capabilities: Capabilities
    refused: bool
    """Whether its provider refuses it whenever it looks at it."""

    now: datetime = BEGINNING
    store: ModelStore = field(default_factory=ModelStore)
    errands: list[Errand] = field(default_factory=list)
    taken: defaultdict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """When the provider took its copies, by attempt."""

    heard: defaultdict[int, list[MessageStatus]] = field(default_factory=lambda: defaultdict(list))
    """What was said of each attempt, once it was written."""

    lied_to: bool = False
    """Whether the provider spoke of a copy that it had refused."""

    def __post_init__(self) -> None:
        """Accept the message."""
        self.store.accept(self.accepted, now=self.now, due_at=self.now)

    @property
    def message(self) -> MessageState:
        """The message as it is stored."""
        return self.store.messages[self.accepted.id]

    @property
    def row(self) -> QueueRow | None:
        """What is left to do about it."""
        return self.store.queue.get(self.accepted.id)

    @property
    def attempts(self) -> dict[int, AttemptState]:
        """Its attempts, by number."""
        return self.store.attempts[self.accepted.id]

    @property
    def newest(self) -> AttemptState:
        """Its newest attempt."""
        return self.store.newest_attempt(self.accepted.id)

    def waits_for(self, *works: Work) -> bool:
        """Whether a worker will take it, sooner or later, to do one of these."""
        return self.row is not None and self.row.leased_until is None and self.row.work in works

    def due(self) -> QueueRow:
        """Let time pass until it is due, and give its row."""
        assert self.row is not None
        self.now = max(self.now, self.row.due_at)
        return self.row

    def write(self, *changes: Change) -> None:
        """Apply decisions; none takes back what is known, and what is final is raised by evidence alone."""
        for change in changes:
            before = self.message
            self.store.apply([change], now=self.now)
            after = self.message
            if after.status in {before.status, MessageStatus.CANCELED} or change.event.reason is EventReason.REDRIVEN:
                continue
            again = (before.status, after.status) == (MessageStatus.SENDING, MessageStatus.QUEUED)
            assert again or RANKS[after.status] >= RANKS[before.status], change
            assert before.status not in FINAL or change.event.attempt is not None, change

    def depart(self, errand: Errand, answer: SendOutcome, *, taken: bool) -> None:
        """Let an errand's request leave and be answered, unless its worker finds that it is too late for it."""
        if self.now >= self.message.expires_at:
            errand.learnt = STALE
        elif self.now > errand.begun_at + LEASE - timedelta(seconds=SEND_DEADLINE):
            errand.learnt = LATE
        else:
            errand.learnt = answer
            if taken:
                self._take(errand.number)

    def search(self, errand: Errand, *, late: bool) -> None:
        """Look for an attempt; a copy may be missing from the records for as long as the provider says."""
        lag = self.capabilities.search_lag if late else timedelta(0)
        shown = any(taken_at + lag <= self.now for taken_at in self.taken[errand.number])
        record = ProviderMessage(provider_message_id=f"p-{errand.number}", provider_status="taken")
        errand.learnt = record if shown else Sighting.NOTHING

    def conclude(self, errand: Errand, *, jitter: float) -> None:
        """Write what was learnt on an errand; its worker may do so twice, for it may not hear that it has."""
        learnt = errand.learnt
        assert learnt is not None
        self.write(self._conclusion(errand, learnt, jitter))
        if isinstance(learnt, Accepted | ProviderMessage):
            self.heard[errand.number].append(MessageStatus.SENT)

    def _conclusion(self, errand: Errand, learnt: Learnt, jitter: float) -> Change:
        message, attempt, row = self.message, self.attempts[errand.number], self.row or QueueRow(due_at=self.now)
        fence, now, capabilities = errand.fence, self.now, self.capabilities
        match learnt:
            case ProviderMessage():
                return found(message, attempt, learnt, now=now, capabilities=capabilities, policy=POLICY)
            case NoAnswer():
                return unanswered(message, attempt, learnt, fence=fence, now=now, policy=POLICY)
            case Sighting():
                return not_found(
                    message,
                    attempt,
                    learnt,
                    fence=fence,
                    tries=row.tries,
                    crashes=row.crashes,
                    now=now,
                    jitter=jitter,
                    capabilities=capabilities,
                    policy=POLICY,
                )
            case _ if errand.inquiry is Inquiry.RESEND:
                return resent(message, attempt, learnt, fence=fence, now=now, capabilities=capabilities, policy=POLICY)
            case _:
                return settle(
                    message,
                    attempt,
                    learnt,
                    fence=fence,
                    tries=row.tries,
                    now=now,
                    jitter=jitter,
                    policy=POLICY,
                    capabilities=capabilities,
                    crashes=row.crashes,
                )

    def _take(self, number: int) -> None:
        window, copies = self.capabilities.idempotency_window, self.taken[number]
        if window is None or not copies or self.now >= copies[-1] + window:
            copies.append(self.now)
