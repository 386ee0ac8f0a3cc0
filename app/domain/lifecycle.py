"""The decisions over a message's life. Each takes values and returns one `Change`; `store` applies it.

`begin` writes the intent to send, `settle` draws the conclusion from a send's outcome, `report` from
a provider's status report, `rescue` from a worker's death, and `resolve` ends the wait for evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from app.domain.change import Change, EventReason, EventSource, Lease, LeaveQueue, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
from app.domain.provider import (
    Accepted,
    Deferred,
    ProviderFailure,
    Rejected,
    SendOutcome,
    StatusReport,
    Unknown,
)
from app.domain.routing import GiveUp, RetryAt, RetryPolicy, next_step
from app.domain.status import RANKS, MessageStatus
from app.domain.transitions import command, noted, objection, raise_to, with_failure, with_words


@dataclass(frozen=True, kw_only=True)
class LifecyclePolicy:
    """The times that the decisions keep."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    evidence_wait: timedelta = timedelta(seconds=120)
    """How long an unknown outcome waits for a status report."""


def begin(message: MessageState, *, provider: str, fence: int, now: datetime, lease: timedelta) -> Change:
    """Write the intent to send, before the first byte leaves; a stale message expires instead."""
    if message.expires_at <= now:
        status, error = _honest(message, MessageStatus.EXPIRED, DeliveryError.EXPIRED)
        return command(message, status, error=error, queue=LeaveQueue())
    number = message.attempts + 1
    attempt = AttemptState(number=number, phase=AttemptPhase.STARTED, provider=provider, fence=fence)
    change = command(message, MessageStatus.SENDING, attempt=attempt, queue=Lease(until=now + lease))
    return replace(change, attempts=number)


def settle(
    message: MessageState,
    attempt: AttemptState,
    outcome: SendOutcome,
    *,
    fence: int,
    tries: int,
    now: datetime,
    jitter: float,
    policy: LifecyclePolicy,
) -> Change:
    """Draw the conclusion from one send's outcome.

    With another fence than the attempt's, a rescue has been here: the outcome is evidence about its
    own attempt, but decides no retry.
    """
    fenced = fence != attempt.fence
    if not attempt.phase.is_open:
        return _late_outcome(message, attempt, outcome)
    match outcome:
        case Accepted():
            closed = replace(attempt, phase=AttemptPhase.ACCEPTED, provider_message_id=outcome.provider_message_id)
            change = raise_to(message, MessageStatus.SENT, attempt=closed)
            return with_words(change, provider_status=outcome.provider_status)
        case Rejected(failure=failure):
            return _rejected(message, attempt, failure)
        case Deferred():
            return _deferred(
                message, attempt, outcome, fenced=fenced, tries=tries, now=now, jitter=jitter, policy=policy
            )
        case Unknown(failure=failure):
            change = _await_evidence(message, attempt, EventReason.OUTCOME_UNKNOWN, now=now, policy=policy)
            return with_failure(change, failure)
        case _:
            assert_never(outcome)


def report(message: MessageState, attempt: AttemptState, said: StatusReport) -> Change:
    """Draw the conclusion from a provider's status report; never raises.

    Any report proves that the provider has the message, so one that speaks of an earlier stage than
    `sent` counts as `sent`. Its final effect depends on ranks alone, not on the order of arrival.
    """
    status = said.status if RANKS[said.status] >= RANKS[MessageStatus.SENT] else MessageStatus.SENT
    known = replace(
        attempt,
        phase=AttemptPhase.ACCEPTED,
        provider_message_id=attempt.provider_message_id or said.provider_message_id,
    )
    against = objection(message, attempt, status)
    if against is None:
        change = raise_to(message, status, attempt=known)
    else:
        change = noted(message, said.status, against, attempt=known)
    event = replace(
        change.event,
        source=EventSource.PROVIDER,
        error=said.error,
        provider_status=said.provider_status,
        provider_code=said.provider_code,
        reported_at=said.reported_at,
    )
    if against is not None:
        return replace(change, event=event)
    good = status in {MessageStatus.SENT, MessageStatus.DELIVERED}
    resend_pending = message.status is MessageStatus.QUEUED
    return replace(
        change,
        event=event,
        error=None if good else said.error or message.error,
        possible_duplicate=message.possible_duplicate and not resend_pending,
    )


def rescue(
    message: MessageState, attempt: AttemptState, *, fence: int, now: datetime, policy: LifecyclePolicy
) -> Change:
    """Take over from a worker that did not come back: its send may or may not have happened."""
    fenced = replace(attempt, fence=fence)
    return _await_evidence(message, fenced, EventReason.WORKER_LOST, now=now, policy=policy)


def resolve(message: MessageState, attempt: AttemptState, *, now: datetime) -> Change:
    """End the wait for evidence as the message's guarantee says."""
    if attempt.phase is AttemptPhase.NOT_SENT:
        return command(
            message,
            MessageStatus.QUEUED,
            reason=EventReason.RETRY,
            attempt=attempt,
            queue=Requeue(work=Work.SEND, due_at=now),
        )
    closed = replace(attempt, phase=AttemptPhase.ABANDONED)
    may_resend = (
        message.delivery_guarantee is DeliveryGuarantee.AT_LEAST_ONCE
        and not message.possible_duplicate
        and now < message.expires_at
    )
    if may_resend:
        again = Requeue(work=Work.SEND, due_at=now)
        change = command(message, MessageStatus.QUEUED, reason=EventReason.NO_EVIDENCE, attempt=closed, queue=again)
        return replace(change, possible_duplicate=True)
    change = command(
        message, MessageStatus.UNCONFIRMED, reason=EventReason.NO_EVIDENCE, attempt=closed, queue=LeaveQueue()
    )
    error = DeliveryError.OUTCOME_UNKNOWN
    return replace(change, error=error, event=replace(change.event, error=error))


def _deferred(
    message: MessageState,
    attempt: AttemptState,
    outcome: Deferred,
    *,
    fenced: bool,
    tries: int,
    now: datetime,
    jitter: float,
    policy: LifecyclePolicy,
) -> Change:
    closed = replace(attempt, phase=AttemptPhase.NOT_SENT)
    if fenced or message.status is not MessageStatus.SENDING:
        change = noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=closed)
        hand_over = message.status is MessageStatus.SENDING
        queue = Requeue(work=Work.RESOLVE, due_at=now) if hand_over else None
        return with_failure(replace(change, queue=queue), outcome.failure)
    step = next_step(
        outcome,
        tries=tries,
        attempts=message.attempts,
        expires_at=message.expires_at,
        now=now,
        jitter=jitter,
        policy=policy.retry,
    )
    match step:
        case RetryAt():
            again = Requeue(work=Work.SEND, due_at=step.due_at, tries=step.tries)
            change = command(message, MessageStatus.QUEUED, reason=EventReason.RETRY, attempt=closed, queue=again)
            return replace(with_failure(change, outcome.failure), error=None)
        case GiveUp():
            status, error = _honest(message, step.status, step.error)
            change = command(message, status, reason=EventReason.GAVE_UP, attempt=closed, queue=LeaveQueue())
            return replace(with_failure(change, outcome.failure), error=error)
        case _:
            assert_never(step)


def give_back(message: MessageState, attempt: AttemptState, *, now: datetime) -> Change:
    """Return a message that was claimed and certainly not begun; it costs no try."""
    closed = replace(attempt, phase=AttemptPhase.NOT_SENT)
    return command(
        message,
        MessageStatus.QUEUED,
        reason=EventReason.GIVEN_BACK,
        attempt=closed,
        queue=Requeue(work=Work.SEND, due_at=now),
    )


def _rejected(message: MessageState, attempt: AttemptState, failure: ProviderFailure) -> Change:
    end = MessageStatus.EXPIRED if failure.error is DeliveryError.EXPIRED else MessageStatus.FAILED
    status, error = _honest(message, end, failure.error)
    closed = replace(attempt, phase=AttemptPhase.REJECTED)
    return replace(with_failure(raise_to(message, status, attempt=closed), failure), error=error)


def _honest(message: MessageState, status: MessageStatus, error: DeliveryError) -> tuple[MessageStatus, DeliveryError]:
    """Never say that a message was not sent where only its second copy was not."""
    if message.possible_duplicate:
        return MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN
    return status, error


def _late_outcome(message: MessageState, attempt: AttemptState, outcome: SendOutcome) -> Change:
    """Keep what an outcome says of an attempt that is already closed; it decides nothing any more."""
    given_up = message.status is MessageStatus.UNCONFIRMED and not message.possible_duplicate
    if given_up and isinstance(outcome, Rejected | Deferred):
        # Nobody could tell; now somebody can.
        return _rejected(message, attempt, outcome.failure)
    if not isinstance(outcome, Accepted):
        change = noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=attempt)
        return with_failure(change, outcome.failure)
    known = replace(
        attempt,
        phase=AttemptPhase.ACCEPTED,
        provider_message_id=attempt.provider_message_id or outcome.provider_message_id,
    )
    against = objection(message, attempt, MessageStatus.SENT)
    if against is None:
        change = raise_to(message, MessageStatus.SENT, attempt=known)
    else:
        change = noted(message, MessageStatus.SENT, against, attempt=known)
    return with_words(change, provider_status=outcome.provider_status)


def _await_evidence(
    message: MessageState, attempt: AttemptState, reason: EventReason, *, now: datetime, policy: LifecyclePolicy
) -> Change:
    waiting = Requeue(work=Work.RESOLVE, due_at=now + policy.evidence_wait)
    unknown = replace(attempt, phase=AttemptPhase.UNKNOWN)
    queue = waiting if message.status is MessageStatus.SENDING else None
    return replace(noted(message, message.status, reason, attempt=unknown), queue=queue)
