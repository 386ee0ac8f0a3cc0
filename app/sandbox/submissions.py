"""What the sandbox remembers: every submission as it saw it, bounded, in memory. It decides and posts nothing."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.encoding import segment
from app.sandbox.carriers import Carrier
from app.sandbox.script import Word


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What truly becomes of a message, reported or not."""

    handed_over_at: datetime
    ends_at: datetime
    end: Word
    error_code: int | None

    def word(self, now: datetime) -> Word:
        """Give the status at a time."""
        if now >= self.ends_at:
            return self.end
        return Word.SENT if now >= self.handed_over_at else Word.QUEUED


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One `POST /v1/messages` that was well formed, taken or not."""

    id: str
    number: int
    """Its place in the order of arrival, from 1."""

    idempotency_key: str | None
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
    fate: Fate
    """Of no meaning where it was not taken."""

    @property
    def arrives_at(self) -> datetime | None:
        """When the handset has the text; None where it never does."""
        return self.fate.ends_at if self.taken and self.fate.end is Word.DELIVERED else None

    @property
    def segments(self) -> int:
        """How many are billed."""
        return segment(self.body).segments

    @property
    def message(self) -> str:
        """What makes two submissions the same message: the reference up to its dot, else the recipient and text."""
        if self.reference is not None:
            return self.reference.partition(".")[0]
        return f"{self.recipient}\n{self.body}"


class _Index:
    """Submissions by one of their words, each in the order of arrival."""

    def __init__(self) -> None:
        self._by_word: dict[str, deque[Submission]] = {}

    def add(self, word: str | None, submission: Submission) -> None:
        if word is not None:
            self._by_word.setdefault(word, deque()).append(submission)

    def drop_first(self, word: str | None) -> None:
        """Forget the oldest under a word; the oldest of all submissions is the oldest under each of its words."""
        if word is not None:
            self._by_word[word].popleft()
            if not self._by_word[word]:
                del self._by_word[word]

    def under(self, word: str) -> Iterable[Submission]:
        return self._by_word.get(word, ())

    def clear(self) -> None:
        self._by_word.clear()


class Submissions:
    """The newest `limit` submissions, and how often each message was refused; questions scan, and cost accordingly."""

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._kept: OrderedDict[str, Submission] = OrderedDict()
        self._by_reference, self._by_recipient = _Index(), _Index()
        self._by_key: dict[str, Submission] = {}
        self._refusals: OrderedDict[str, int] = OrderedDict()

    def keep(self, submission: Submission) -> None:
        """Remember a submission, and forget the oldest beyond the limit."""
        self._kept[submission.id] = submission
        self._by_reference.add(submission.reference, submission)
        self._by_recipient.add(submission.recipient, submission)
        if not submission.taken:
            self._refusals[submission.message] = self.refusals(submission.message) + 1
        elif submission.idempotency_key is not None:
            self._by_key[submission.idempotency_key] = submission
        while len(self._kept) > self._limit:
            self._forget_oldest()
        while len(self._refusals) > self._limit:
            self._refusals.popitem(last=False)

    def taken_under(self, key: str) -> Submission | None:
        """Give what was taken under an idempotency key."""
        return self._by_key.get(key)

    def taken_as(self, message_id: str) -> Submission | None:
        """Give what was taken and has this id."""
        submission = self._kept.get(message_id)
        return submission if submission is not None and submission.taken else None

    def taken(self, *, reference: str | None, recipient: str | None) -> Iterator[Submission]:
        """Give what was taken of a reference and/or for a recipient, the oldest first."""
        for submission in self._candidates(reference, recipient):
            if (
                submission.taken
                and reference in {None, submission.reference}
                and recipient in {None, submission.recipient}
            ):
                yield submission

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
        self._by_reference.clear()
        self._by_recipient.clear()
        self._by_key.clear()
        self._refusals.clear()

    def _forget_oldest(self) -> None:
        _, oldest = self._kept.popitem(last=False)
        self._by_reference.drop_first(oldest.reference)
        self._by_recipient.drop_first(oldest.recipient)
        if oldest.taken and oldest.idempotency_key is not None:
            self._by_key.pop(oldest.idempotency_key, None)

    def _candidates(self, reference: str | None, recipient: str | None) -> Iterable[Submission]:
        if reference is not None:
            return self._by_reference.under(reference)
        return self._kept.values() if recipient is None else self._by_recipient.under(recipient)

    def _arrivals(self, recipient: str | None) -> Iterator[tuple[datetime, Submission]]:
        for submission in self._kept.values():
            if submission.arrives_at is not None and recipient in {None, submission.recipient}:
                yield submission.arrives_at, submission
