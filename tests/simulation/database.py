"""The store behind transactions that fail, or whose commit is not answered; keeps what the services keep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from app.domain.change import Change
from app.domain.inquiry import Inquiry
from app.domain.status import RANKS, MessageStatus
from tests.simulation.faults import Chances, Fault
from tests.simulation.store import AttemptKey, ModelStore
from tests.simulation.timeline import Timeline


class StoreUnavailable(Exception):
    """Whether the transaction was committed is not known to whoever waited for it."""


class Meaning(Enum):
    """What the answer to a question was worth, once it was written down."""

    TOLD = "told"
    """It showed what was asked for, so that nobody may doubt it any more."""

    ABSENT = "absent"
    """The records were shown, and it was not among them."""

    NOTHING = "nothing"


@dataclass(kw_only=True)
class Asked:
    """One question about an attempt, and what its asker got to write down."""

    inquiry: Inquiry
    meant: Meaning = Meaning.NOTHING
    meant_at: datetime | None = None
    """When that was written; None for a question that came to nothing."""


class Database:
    """The one store of a run. `on_commit` is called with each message that a transaction changed."""

    def __init__(
        self,
        timeline: Timeline,
        chances: Chances,
        on_commit: Callable[[UUID], None],
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.store = ModelStore()
        self.asked: defaultdict[AttemptKey, list[Asked]] = defaultdict(list)
        self.looks: Counter[UUID] = Counter()
        """How often each message was looked up, or was to be."""

        self.heard: defaultdict[AttemptKey, list[MessageStatus]] = defaultdict(list)
        """Every status that a report or a record told of an attempt, once it was written."""

        self._timeline = timeline
        self._chances = chances
        self._on_commit = on_commit
        self._say = say

    @property
    def now(self) -> datetime:
        """The database's clock."""
        return self._timeline.now

    def commit(self, changes: Sequence[Change], *, done: Callable[[], None] | None = None) -> None:
        """Write all or nothing, `done` included; raises `StoreUnavailable` after either."""
        if self._chances.strikes(Fault.TRANSACTION_FAILED):
            raise StoreUnavailable
        self.store.apply(changes, now=self._timeline.now)
        if done is not None:
            done()
        for change in changes:
            if self._say is not None:
                self._say(_words(change))
            self._on_commit(change.message_id)
        if self._chances.strikes(Fault.COMMIT_UNANSWERED):
            raise StoreUnavailable

    def take_look(self, message_id: UUID, *, unless_concluded: timedelta) -> None:
        """Count a look that is due; another one follows if nothing comes of it. Raises `StoreUnavailable` as well."""
        if self._chances.strikes(Fault.TRANSACTION_FAILED):
            raise StoreUnavailable
        row = self.store.queue[message_id]
        row.tries, row.due_at = row.tries + 1, self.now + unless_concluded
        self.looks[message_id] += 1
        self._on_commit(message_id)
        if self._chances.strikes(Fault.COMMIT_UNANSWERED):
            raise StoreUnavailable

    def hears(self, key: AttemptKey, status: MessageStatus) -> None:
        """Note what a provider told of an attempt; whatever it tells, it has the message."""
        sent = MessageStatus.SENT
        self.heard[key].append(status if RANKS[status] >= RANKS[sent] else sent)


def _words(change: Change) -> str:
    event, attempt = change.event, change.attempt
    parts = [f"message {change.message_id.int}: {event.previous} -> {event.status}"]
    parts += [] if event.applied else ["not applied"]
    parts += [event.reason] if event.reason else []
    parts += [f"error {event.error}"] if event.error else []
    if attempt is not None:
        parts.append(f"attempt {attempt.number} {attempt.phase} fence {attempt.fence} asked {attempt.inquiries}")
    parts += [f"{change.queue}".replace("datetime.datetime", "")] if change.queue else []
    return ", ".join(parts)
