"""What must be true of every run, whatever was killed meanwhile: facts in, violations out; it reads nothing itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.change import EventReason, EventSource
from app.domain.message import DeliveryGuarantee
from app.domain.status import FINAL, MessageStatus, is_legal_step


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of a message's history, as it is stored."""

    sequence: int
    source: str
    previous: MessageStatus | None
    status: MessageStatus
    applied: bool
    reason: str | None = None
    attempt: int | None = None
    word: str | None = None
    """The provider's own word for a status."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as it is stored, with its whole history."""

    id: str
    reference: str
    """What its client calls it; no two messages of a run are asked for under the same one."""

    status: MessageStatus
    guarantee: DeliveryGuarantee
    events: tuple[Event, ...]
    error: str | None = None
    attempts: int = 0
    open_attempts: int = 0
    """Attempts whose outcome nobody has written yet, or that is unknown."""

    possible_duplicate: bool = False
    expires_at: datetime | None = None
    """None where it does not matter to the test."""

    provider: str = "sandbox"
    """The provider account that it goes through."""

    def was(self, reason: str) -> bool:
        """Whether its history names this reason."""
        return any(event.reason == reason for event in self.events)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One request that the provider saw."""

    message: str
    taken: bool
    at: datetime | None = None
    """By the provider's clock, which is this machine's; None where it keeps none."""


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One status webhook that was acknowledged, however often it was posted."""

    message: str
    status: str
    """The provider's word."""

    receipts: int
    """How often it is kept."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that is known of a run after it has come to rest."""

    acknowledged: frozenset[str]
    """Ids that were answered with 202."""

    messages: tuple[Message, ...]
    submissions: tuple[Submission, ...]
    """All that the provider has seen of the whole run, so it must not have been restarted."""

    inbox: tuple[str, ...]
    """The message of each text that a handset received."""

    queued: frozenset[str] = frozenset()
    """Messages with a row in the dispatch queue."""

    pending_receipts: int = 0
    orphan_reports: int = 0
    strangers: int = 0
    """Acknowledged reports on messages that nobody here has sent: those stay orphans."""

    webhooks: tuple[Webhook, ...] = ()
    never_twice: frozenset[str] = frozenset()
    """Provider accounts that fold equal keys, or can be searched: no guarantee allows a second sending there."""

    clock_lag_seconds: float = 0
    """How much later than it saw it a provider may have noted a request."""

    contradictions: tuple[str, ...] = ()
    """Idempotency keys under which two different messages were answered."""

    def taken(self) -> Counter[str]:
        """How often the provider took each message."""
        return Counter(submission.message for submission in self.submissions if submission.taken)


def violations(run: Run) -> list[str]:
    """List what is wrong, a sentence each; an empty list is a clean run."""
    histories = (line for message in run.messages for line in _history(message))
    return [
        *_acceptance(run),
        *histories,
        *_sending(run),
        *_evidence(run),
        *_handsets(run),
        *_webhooks(run),
        *_rest(run),
    ]


def _acceptance(run: Run) -> Iterator[str]:
    """What was acknowledged is there, and each thing that was asked for is there once."""
    known = {message.id for message in run.messages}
    yield from (f"{lost}: acknowledged, but lost" for lost in sorted(run.acknowledged - known))
    references = Counter(message.reference for message in run.messages)
    yield from (f"{reference}: accepted {times} times" for reference, times in references.items() if times > 1)
    yield from (f"{key}: answered with different messages" for key in run.contradictions)


_ACCEPTED_AS: Final = frozenset({MessageStatus.QUEUED, MessageStatus.SCHEDULED})


def _history(message: Message) -> Iterator[str]:
    """Each history is gap-free, legal, and leads to where the message stands."""
    if [event.sequence for event in message.events] != list(range(1, len(message.events) + 1)):
        yield f"{message.id}: its history has gaps"
    first = message.events[0] if message.events else None
    if first is None or (first.source, first.applied) != (EventSource.API, True) or first.status not in _ACCEPTED_AS:
        yield f"{message.id}: its history does not begin with its acceptance"
    reached: MessageStatus | None = None
    for event in message.events:
        yield from _step(message, event, reached)
        reached = event.status if event.applied else reached
    if reached is not message.status:
        yield f"{message.id}: its history leads to {reached}, but it is {message.status}"
    begun = [event.attempt for event in message.events if event.applied and event.status is MessageStatus.SENDING]
    if begun != list(range(1, message.attempts + 1)):
        yield f"{message.id}: has {message.attempts} attempts, but its history begins {begun}"


def _step(message: Message, event: Event, reached: MessageStatus | None) -> Iterator[str]:
    where = f"{message.id}: event {event.sequence}"
    if event.previous is not reached:
        yield f"{where} follows {event.previous}, but the message was {reached}"
    if event.applied and reached is not None and not is_legal_step(reached, event.status):
        yield f"{where} goes from {reached} to {event.status}, which is not legal"
    if not event.applied and event.reason is None:
        yield f"{where} changed nothing and does not say why"


def _sending(run: Run) -> Iterator[str]:
    """Nothing is taken twice, unless its account allowed one resend and is told."""
    taken = run.taken()
    known = {message.id: message for message in run.messages}
    yield from (f"{stranger}: taken by the provider, but unknown here" for stranger in sorted(taken.keys() - known))
    for message in run.messages:
        times = taken[message.id]
        most = 1 if message.provider in run.never_twice or message.guarantee is DeliveryGuarantee.AT_MOST_ONCE else 2
        if times > most:
            yield f"{message.id}: taken {times} times under {message.guarantee}"
        if times > 1 and not message.possible_duplicate:
            yield f"{message.id}: taken {times} times, but not flagged possible_duplicate"
        if times and message.status is MessageStatus.CANCELED:
            yield f"{message.id}: canceled, but taken"
        if message.possible_duplicate and message.guarantee is DeliveryGuarantee.AT_MOST_ONCE:
            yield f"{message.id}: flagged possible_duplicate under at_most_once"


_SEEN_BY_THE_PROVIDER: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.UNDELIVERED})


def _evidence(run: Run) -> Iterator[str]:
    """Nothing counts as sent that the provider never saw, is sent when it is stale, or by two attempts at once."""
    taken = run.taken()
    for message in run.messages:
        if message.status in _SEEN_BY_THE_PROVIDER and not taken[message.id]:
            yield f"{message.id}: {message.status}, but never taken"
        if message.open_attempts > 1:
            yield f"{message.id}: has {message.open_attempts} open attempts"
    ends = {message.id: message.expires_at for message in run.messages if message.expires_at is not None}
    for submission in run.submissions:
        end = ends.get(submission.message)
        late = 0 if submission.at is None or end is None else (submission.at - end).total_seconds()
        if late > run.clock_lag_seconds:
            yield f"{submission.message}: sent {late:.3f} s after it expired"


_ASKED_FOR: Final = frozenset({EventReason.FOUND, EventReason.FETCHED})
"""The provider's words, but not in a webhook."""


def _webhooks(run: Run) -> Iterator[str]:
    """Each acknowledged webhook is kept once, and stands in the history of its message, applied or not."""
    told = {
        (message.id, event.word)
        for message in run.messages
        for event in message.events
        if event.source == EventSource.PROVIDER and event.reason not in _ASKED_FOR
    }
    for webhook in run.webhooks:
        name = f"{webhook.message}: its webhook {webhook.status}"
        if webhook.receipts != 1:
            yield f"{name} was acknowledged and is kept {webhook.receipts} times"
        if (webhook.message, webhook.status) not in told:
            yield f"{name} stands in no history"


def _handsets(run: Run) -> Iterator[str]:
    """A handset has each delivered text as often as it was taken, and no text that nobody took."""
    taken, received = run.taken(), Counter(run.inbox)
    for message in run.messages:
        texts, times = received[message.id], taken[message.id]
        if texts > times:
            yield f"{message.id}: received {texts} times, but taken {times} times"
        if message.status is MessageStatus.DELIVERED and (texts == 0 or texts < times):
            yield f"{message.id}: delivered, but received {texts} times"


def _rest(run: Run) -> Iterator[str]:
    """Nothing is left to do."""
    yield from (f"{message}: still in the queue" for message in sorted(run.queued))
    if run.pending_receipts:
        yield f"{run.pending_receipts} webhook receipts are still pending"
    if run.orphan_reports > run.strangers:
        yield f"{run.orphan_reports - run.strangers} reports found no attempt"
    if run.orphan_reports < run.strangers:
        yield f"{run.strangers - run.orphan_reports} reports on strangers are gone"
    at_rest = FINAL | {MessageStatus.SENT}
    yield from (f"{m.id}: still {m.status}" for m in run.messages if m.status not in at_rest)
