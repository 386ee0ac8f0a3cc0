"""What must be true of every run, however it went: its records in, findings out, a sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from app.domain.change import EventReason, StatusEvent
from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.status import FINAL, RANKS, MessageStatus
from tests.simulation.database import Database, Meaning
from tests.simulation.deaths import deaths_at_each, sent_in_spite_of
from tests.simulation.provider import Provider
from tests.simulation.scenario import Kind, Scenario, Text
from tests.simulation.store import Line
from tests.simulation.timeline import moment

_AT_REST: Final = FINAL | {MessageStatus.SENT}
_TAKEN: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.UNDELIVERED})
_ON_ITS_WAY: Final = frozenset({MessageStatus.SCHEDULED, MessageStatus.QUEUED, MessageStatus.SENDING})
NOT_DELIVERED: Final = frozenset({MessageStatus.UNDELIVERED, MessageStatus.FAILED, MessageStatus.EXPIRED})
NEVER_TAKEN: Final = frozenset({AttemptPhase.REJECTED, AttemptPhase.NOT_SENT})
_NOT_TAKEN: Final = frozenset({MessageStatus.FAILED, MessageStatus.EXPIRED, MessageStatus.CANCELED})


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that has come to rest."""

    scenario: Scenario
    database: Database
    provider: Provider


def findings(run: Finished) -> list[str]:
    """List what is wrong; an empty list is a clean run."""
    taken = Counter(copy.ref.message_id for copy in run.provider.copies)
    found = list(_twins(run, taken))
    for text in run.scenario.texts:
        message = run.database.store.messages.get(text.state.id)
        if message is None:
            found.append(f"message {text.state.id.int}: lost")
            continue
        sentences = [
            *_rest(run, message),
            *_looked_up(run, message),
            *_bounds(run, message),
            *_stale(run, text),
            *_reported(run, text, message),
        ]
        if not text.twin:
            sentences += [*_copies(run, message, taken[message.id]), *_flagged(run, message)]
            sentences += _honest(run, text, message)
        found += [f"message {message.id.int}: {sentence}" for sentence in sentences]
    return found


def _rest(run: Finished, message: MessageState) -> Iterator[str]:
    """It is final, or with the provider, and nobody has anything left to do."""
    if message.status not in _AT_REST:
        yield f"still {message.status}"
    if message.id in run.database.store.queue:
        yield "still in the queue"


def _looked_up(run: Finished, message: MessageState) -> Iterator[str]:
    """What its provider can be asked for is looked up until its end and its price are known, or often enough."""
    if not run.scenario.capabilities.fetch or message.status not in _TAKEN:
        return
    looks, due = run.database.looks[message.id], len(run.scenario.policy.reconcile_delays)
    is_over = message.status in FINAL and message.priced
    if looks < due and not is_over:
        yield f"{message.status}, priced {message.priced}, after {looks} looks"


def _copies(run: Finished, message: MessageState, taken: int) -> Iterator[str]:
    """The provider took it as often as its guarantee and its status allow."""
    if taken > 1:
        yield from _excess(run, message, taken)
    if message.status in _TAKEN and not taken:
        yield f"{message.status}, but not taken"
    heard = any(run.database.heard[message.id, number] for number in range(1, message.attempts + 1))
    unheard = message.status is MessageStatus.CANCELED or not heard
    if message.status in _NOT_TAKEN and taken and unheard and not message.possible_duplicate:
        yield f"{message.status}, but taken"


def _excess(run: Finished, message: MessageState, taken: int) -> Iterator[str]:
    if message.delivery_guarantee is DeliveryGuarantee.AT_MOST_ONCE:
        yield f"taken {taken} times under at_most_once"
    elif taken > 2:
        yield f"taken {taken} times"
    elif not message.possible_duplicate:
        yield "taken twice, and not flagged"
    if run.scenario.kind.can_be_asked:
        yield f"taken {taken} times, although its provider could be asked"


def _flagged(run: Finished, message: MessageState) -> Iterator[str]:
    """It is a possible duplicate exactly where more than one of its attempts may have been taken."""
    attempts = run.database.store.attempts[message.id]
    copies = may_have_been_taken(message, attempts)
    if not is_flagged_rightly(message, attempts):
        yield f"possible_duplicate is {message.possible_duplicate}, and {copies} copies may have been taken"


def is_flagged_rightly(message: MessageState, attempts: Mapping[int, AttemptState]) -> bool:
    """Whether it is a possible duplicate where more than one copy may have left or is to leave, and only there."""
    return message.possible_duplicate == (may_have_been_taken(message, attempts) > 1)


def may_have_been_taken(message: MessageState, attempts: Mapping[int, AttemptState]) -> int:
    """Count the copies that may have left, and the one that is still to leave."""
    ended = message.status not in _ON_ITS_WAY
    open_ended = sum(each.phase not in NEVER_TAKEN for each in attempts.values())
    newest = attempts.get(message.attempts)
    is_to_leave = newest is None or newest.phase in NEVER_TAKEN | {AttemptPhase.ABANDONED}
    return open_ended + (not ended and is_to_leave)


def _honest(run: Finished, text: Text, message: MessageState) -> Iterator[str]:
    """It is said to be unconfirmed only where nobody could tell, and nobody gives up too soon."""
    given_up = [line for line in _lines(run, message.id) if _gave_up(line)]
    for line in given_up:
        attempt = run.database.store.attempts[message.id][line.event.attempt or 0]
        if line.at < (attempt.resent_at or attempt.started_at or line.at) + run.scenario.policy.evidence_wait:
            yield f"gave up attempt {attempt.number} before reports of it were waited for"
    if message.status is not MessageStatus.UNCONFIRMED:
        return
    for number, attempt in run.database.store.attempts[message.id].items():
        if attempt.phase is AttemptPhase.ACCEPTED and NOT_DELIVERED.isdisjoint(run.database.heard[message.id, number]):
            yield f"unconfirmed, although attempt {number} was taken"
    if not run.scenario.kind.can_be_asked:
        return
    if not given_up or given_up[0].event.attempt is None:
        yield "unconfirmed without ever having been in doubt"
    else:
        number = given_up[0].event.attempt
        yield from (f"unconfirmed, although {why}" for why in _not_excused(run, text, message, number))


def _gave_up(line: Line) -> bool:
    return line.event.reason is EventReason.NO_EVIDENCE


def _not_excused(run: Finished, text: Text, message: MessageState, number: int) -> Iterator[str]:
    """Say why an attempt should have been cleared up: it was told, or it was asked about too little."""
    given_up = [line.at for line in _lines(run, message.id) if _gave_up(line) and line.event.attempt == number]
    asked = run.database.asked[message.id, number]
    in_time = [each.meant for each in asked if each.meant_at is not None and each.meant_at <= given_up[0]]
    if Meaning.TOLD in in_time:
        yield f"the provider told about attempt {number}"
        return
    if _cannot_be_resent(run, text, message.id, number, given_up[0]):
        return
    if message.delivery_guarantee is DeliveryGuarantee.AT_LEAST_ONCE and given_up[0] < text.state.expires_at:
        yield f"attempt {number} was given up {text.state.expires_at - given_up[0]} before it expired"
    if len(asked) < len(run.scenario.policy.inquiry.delays_seconds):
        yield f"only {len(asked)} questions were asked about attempt {number}"
    elif in_time.count(Meaning.ABSENT) == len(asked):
        yield f"every question about attempt {number} was answered"


def _cannot_be_resent(run: Finished, text: Text, message_id: UUID, number: int, at: datetime) -> bool:
    """Whether the one way to ask was closed: a resend beyond its key, its validity or its crashes."""
    if run.scenario.kind is not Kind.KEY:
        return False
    started_at = run.database.store.attempts[message_id][number].started_at
    window = run.scenario.capabilities.idempotency_window
    assert started_at is not None
    assert window is not None
    is_spent = at >= started_at + window - run.scenario.spent_early
    most = run.scenario.policy.poison_crashes
    deaths = [count for _, count in deaths_at_each(line.event for line in _lines(run, message_id))][-1]
    return is_spent or at >= moment(text.expires_at) or deaths >= most


def _bounds(run: Finished, message: MessageState) -> Iterator[str]:
    """Attempts and questions have an end, and each attempt is begun once."""
    lines = _lines(run, message.id)
    events = [line.event for line in lines]
    begun = [event.attempt for event in events if event.applied and event.status is MessageStatus.SENDING]
    if begun != list(range(1, message.attempts + 1)):
        yield f"has {message.attempts} attempts, but begins {begun}"
    yield from sent_in_spite_of(events, most=run.scenario.policy.poison_crashes)
    most = most_attempts(events, run.scenario.policy)
    if message.attempts > most:
        yield f"{message.attempts} attempts, and at most {most} are due"
    asked = max((attempt.inquiries for attempt in run.database.store.attempts[message.id].values()), default=0)
    if asked > _most_questions(run, message):
        yield f"asked about {asked} times"


def most_attempts(events: Iterable[StatusEvent], policy: LifecyclePolicy) -> int:
    """As many as there may be tries, once more if it was redriven, and those that cost none."""
    told = list(events)
    free = sum(
        event.reason in {EventReason.GIVEN_BACK, EventReason.NO_EVIDENCE, EventReason.FAILED_OVER}
        or (event.reason is EventReason.RETRY and event.error in {None, DeliveryError.RATE_LIMITED})
        for event in told
    )
    lives = 1 + sum(event.reason is EventReason.REDRIVEN for event in told)
    return lives * policy.retry.max_tries + free


def _most_questions(run: Finished, message: MessageState) -> int:
    """As many as the policy names, and a second look; what is to be sent at least once, while it is worth sending."""
    named = len(run.scenario.policy.inquiry.delays_seconds)
    if message.delivery_guarantee is DeliveryGuarantee.AT_MOST_ONCE:
        return named + 1
    begun = [each.started_at for each in run.database.store.attempts[message.id].values() if each.started_at]
    worth = (message.expires_at - min(begun, default=message.expires_at)).total_seconds()
    return named + 4 + int(worth / run.scenario.policy.inquiry.longest_delay_seconds)


def _stale(run: Finished, text: Text) -> Iterator[str]:
    """Nothing leaves, and nothing is begun, once it is not worth sending."""
    for request in run.provider.requests:
        if request.ref.message_id == text.state.id and request.left_at >= text.expires_at:
            yield f"sent at {request.left_at:.3f}, after it expired"
    for line in _lines(run, text.state.id):
        begins = line.event.applied and line.event.status is MessageStatus.SENDING
        if (begins or line.event.reason is EventReason.ASKED_AGAIN) and line.at >= text.state.expires_at:
            yield "begun after it expired"


def _reported(run: Finished, text: Text, message: MessageState) -> Iterator[str]:
    """Where its provider spoke of its live attempt, the highest word counts, in whichever order they came."""
    heard = run.database.heard
    live = heard[message.id, message.attempts]
    older = [said for number in range(1, message.attempts) for said in heard[message.id, number]]
    if message.status is MessageStatus.UNDELIVERED and message.status not in live:
        yield "undelivered, but nobody said so of its live attempt"
    if message.status is MessageStatus.DELIVERED and message.status not in {*live, *older}:
        yield "delivered, but nobody said so"
    counting = [*live, *(said for said in older if said not in NOT_DELIVERED)]
    if not counting or message.status is MessageStatus.CANCELED or text.twin:
        return
    highest = max(counting, key=RANKS.__getitem__)
    if message.status is not highest:
        yield f"{message.status}, but reported as {highest}"


def _twins(run: Finished, taken: Counter[UUID]) -> Iterator[str]:
    """Equal texts to one recipient can be taken for each other; together they are neither too many nor too few."""
    groups: dict[tuple[str, str], list[UUID]] = {}
    for text in run.scenario.texts:
        if text.twin:
            groups.setdefault((text.recipient, text.body), []).append(text.state.id)
    for members in groups.values():
        messages = [run.database.store.messages[member] for member in members]
        most = sum(2 if each.possible_duplicate else 1 for each in messages)
        copies = sum(taken[member] for member in members)
        if copies > most:
            yield f"twins: {copies} copies of {most}"
        said = sum(each.status in _TAKEN for each in messages)
        if said > copies:
            yield f"twins: {said} are said to have been taken, and {copies} were"


def _lines(run: Finished, message_id: UUID) -> list[Line]:
    return run.database.store.history[message_id]
