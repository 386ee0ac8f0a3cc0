"""What the sandbox remembers: every submission as it saw it, bounded, in memory. It decides and posts nothing."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.sandbox.carriers import Carrier


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One `POST /v1/messages` that was well formed, taken or not."""

    id: str
    reference: str | None
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    status_callback_url: str | None = field(repr=False)
    validity_seconds: int | None
    received_at: datetime
    carrier: Carrier
    answer: str
    """What the client was answered, in words such as `202 with an id` or `429`."""

    taken: bool
    arrives_at: datetime | None
    """When the handset has the text; None where it never does."""

    @property
    def message(self) -> str:
        """What makes two submissions the same message: the reference up to its dot, else the recipient and text."""
        if self.reference is not None:
            return self.reference.partition(".")[0]
        return f"{self.recipient}\n{self.body}"


class Submissions:
    """The newest `limit` submissions, and how often each message was refused; questions scan, and cost accordingly."""

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._kept: OrderedDict[str, Submission] = OrderedDict()
        self._refusals: OrderedDict[str, int] = OrderedDict()

    def keep(self, submission: Submission) -> None:
        """Remember a submission, and forget the oldest beyond the limit."""
        self._kept[submission.id] = submission
        if not submission.taken:
            self._refusals[submission.message] = self.refusals(submission.message) + 1
        for memory in (self._kept, self._refusals):
            while len(memory) > self._limit:
                memory.popitem(last=False)

    def refusals(self, message: str) -> int:
        """How often this message was refused so far."""
        return self._refusals.get(message, 0)

    def find(self, *, reference: str | None, recipient: str | None) -> list[Submission]:
        """Give the submissions of a reference and/or a recipient, the oldest first.

        A reference without a dot stands for all attempts of its message.
        """
        return [
            submission
            for submission in self._kept.values()
            if (recipient is None or submission.recipient == recipient)
            and (reference is None or reference in {submission.reference, submission.message})
        ]

    def inbox(self, *, recipient: str | None, now: datetime, limit: int) -> list[Submission]:
        """Give what handsets have received by `now`, the newest first."""
        arrived = [(at, submission) for at, submission in self._arrivals(recipient) if at <= now]
        arrived.sort(key=lambda arrival: arrival[0], reverse=True)
        return [submission for _, submission in arrived[:limit]]

    def duplicates(self) -> dict[str, int]:
        """Give the messages with a reference that were taken more than once, with how often."""
        taken = Counter(kept.message for kept in self._kept.values() if kept.taken and kept.reference is not None)
        return {message: times for message, times in taken.items() if times > 1}

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._refusals.clear()

    def _arrivals(self, recipient: str | None) -> Iterator[tuple[datetime, Submission]]:
        for submission in self._kept.values():
            if submission.arrives_at is not None and recipient in {None, submission.recipient}:
                yield submission.arrives_at, submission
