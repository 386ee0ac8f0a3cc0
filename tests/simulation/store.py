"""A store in memory that applies decisions as `app/store/changes.py` does, and refuses what Postgres would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app.domain.change import Change, EventSource, Lease, LeaveQueue, Requeue, StatusEvent, Work
from app.domain.message import AttemptState, DeliveryGuarantee, MessageState
from app.domain.status import FINAL, is_legal_step

AttemptKey = tuple[UUID, int]


class Broken(Exception):
    """A decision asked for what must never be written."""


@dataclass(kw_only=True, slots=True)
class QueueRow:
    """What is left to do about a message."""

    due_at: datetime
    work: Work = Work.SEND
    tries: int = 0
    crashes: int = 0
    leased_until: datetime | None = None
    worker: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One status event, and when it was written."""

    at: datetime
    event: StatusEvent


@dataclass(kw_only=True)
class ModelStore:
    """Messages, attempts, histories and the queue; the caller is alone in it, as if it held every lock."""

    messages: dict[UUID, MessageState] = field(default_factory=dict)
    attempts: dict[UUID, dict[int, AttemptState]] = field(default_factory=dict)
    queue: dict[UUID, QueueRow] = field(default_factory=dict)
    history: dict[UUID, list[Line]] = field(default_factory=dict)
    by_provider_id: defaultdict[str, set[AttemptKey]] = field(default_factory=lambda: defaultdict(set))
    fences: int = 0

    def accept(self, message: MessageState, *, now: datetime, due_at: datetime) -> None:
        """Store a message with its first event and its queue row."""
        event = StatusEvent(
            sequence=message.sequence, source=EventSource.API, status=message.status, previous=None, applied=True
        )
        self.messages[message.id] = message
        self.attempts[message.id] = {}
        self.history[message.id] = [Line(at=now, event=event)]
        self.queue[message.id] = QueueRow(due_at=due_at)

    def next_fence(self) -> int:
        """Take a fence higher than all before."""
        self.fences += 1
        return self.fences

    def newest_attempt(self, message_id: UUID) -> AttemptState:
        """Give the attempt with the highest number."""
        return self.attempts[message_id][self.messages[message_id].attempts]

    def apply(self, changes: Iterable[Change], *, now: datetime) -> None:
        """Write decisions in their order; raises `Broken`, after which the store is of no use any more."""
        for change in changes:
            message = self.messages[change.message_id]
            _check(message, change)
            self.messages[message.id] = change.apply_to(message)
            self.history[message.id].append(Line(at=now, event=change.event))
            if change.attempt is not None:
                self._write_attempt(message.id, change.attempt, now)
            self._write_queue(change)

    def _write_attempt(self, message_id: UUID, attempt: AttemptState, now: datetime) -> None:
        known = self.attempts[message_id]
        before = known.get(attempt.number)
        if before is None:
            if attempt.number != len(known) + 1 or attempt.number != self.messages[message_id].attempts:
                raise Broken(f"attempt {attempt.number} follows {len(known)}")
            # The database gives the time; what the decision wrote there is not stored.
            attempt = replace(attempt, started_at=now)
        elif (before.provider, before.started_at) != (attempt.provider, attempt.started_at):
            raise Broken(f"attempt {attempt.number} changes its provider or its start")
        known[attempt.number] = attempt
        if sum(each.phase.is_open for each in known.values()) > 1:
            raise Broken("a second open attempt")
        if attempt.provider_message_id is not None:
            self.by_provider_id[attempt.provider_message_id].add((message_id, attempt.number))

    def _write_queue(self, change: Change) -> None:
        row = self.queue.get(change.message_id)
        match change.queue:
            case LeaveQueue():
                self.queue.pop(change.message_id, None)
            case Lease(until=until, worker=worker) if row is not None:
                row.leased_until, row.worker = until, worker
            case Requeue() as again if row is not None:
                row.work, row.due_at, row.leased_until, row.worker = again.work, again.due_at, None, None
                row.tries = row.tries if again.tries is None else again.tries
                row.crashes = row.crashes if again.crashes is None else again.crashes
            case Requeue() as again if change.event.applied and change.expected_status in FINAL:
                self.queue[change.message_id] = QueueRow(
                    due_at=again.due_at, work=again.work, crashes=again.crashes or 0
                )
            case _:
                pass


def _check(message: MessageState, change: Change) -> None:
    event = change.event
    if (message.status, message.sequence) != (change.expected_status, change.expected_sequence):
        raise Broken(f"decided on {change.expected_status} {change.expected_sequence}, but it is {message.status}")
    if event.sequence != message.sequence + 1 or event.previous is not message.status:
        raise Broken(f"event {event.sequence} after {event.previous} leaves a gap")
    moved = change.status is not message.status
    if moved != event.applied or (moved and event.status is not change.status):
        raise Broken(f"the event does not say what was done: {event}")
    if not event.applied and event.reason is None:
        raise Broken(f"{event.status} changes nothing and does not say why")
    if moved and not is_legal_step(message.status, change.status):
        raise Broken(f"{message.status} -> {change.status} is no legal step")
    if change.attempts not in {message.attempts, message.attempts + 1}:
        raise Broken(f"{message.attempts} attempts become {change.attempts}")
    if change.possible_duplicate and message.delivery_guarantee is DeliveryGuarantee.AT_MOST_ONCE:
        raise Broken("a possible duplicate under at_most_once")
