"""The decisions over a message's life. Each takes values and returns one `Change`; `store` applies it.

`begin` writes the intent to send, `settle` draws the conclusion from a send's outcome, `report` from
a provider's status report, `rescue` from a worker's death, and `resolve` ends the wait for evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from app.domain.change import Change, EventReason, EventSource, Lease, LeaveQueue, QueueStep, Requeue, StatusEvent, Work
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
from app.domain.status import RANKS, MessageStatus, outranks, require_command


@dataclass(frozen=True, kw_only=True)
class LifecyclePolicy:
    """The times that the decisions keep."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    evidence_wait: timedelta = timedelta(seconds=120)
    """How long an unknown outcome waits for a status report."""


def begin(message: MessageState, *, provider: str, fence: int, now: datetime, lease: timedelta) -> Change:
    """Write the intent to send, before the first byte leaves; a stale message expires instead."""
    if message.expires_at <= now:
        return _command(message, MessageStatus.EXPIRED, error=DeliveryError.EXPIRED, queue=LeaveQueue())
    number = message.attempts + 1
    attempt = AttemptState(number=number, phase=AttemptPhase.STARTED, provider=provider, fence=fence)
    change = _command(message, MessageStatus.SENDING, attempt=attempt, queue=Lease(until=now + lease))
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
            change = _raise_to(message, MessageStatus.SENT, attempt=closed)
            return _with_words(change, provider_status=outcome.provider_status)
        case Rejected(failure=failure):
            closed = replace(attempt, phase=AttemptPhase.REJECTED)
            return _with_failure(_raise_to(message, MessageStatus.FAILED, attempt=closed), failure)
        case Deferred():
            return _deferred(
                message, attempt, outcome, fenced=fenced, tries=tries, now=now, jitter=jitter, policy=policy
            )
        case Unknown(failure=failure):
            change = _await_evidence(message, attempt, EventReason.OUTCOME_UNKNOWN, now=now, policy=policy)
            return _with_failure(change, failure)
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
    against = _objection(message, attempt, status)
    if against is None:
        change = _raise_to(message, status, attempt=known)
    else:
        change = _noted(message, said.status, against, attempt=known)
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
        return _noted_command(
            message, MessageStatus.QUEUED, EventReason.RETRY, attempt, Requeue(work=Work.SEND, due_at=now)
        )
    closed = replace(attempt, phase=AttemptPhase.ABANDONED)
    may_resend = (
        message.delivery_guarantee is DeliveryGuarantee.AT_LEAST_ONCE
        and not message.possible_duplicate
        and now < message.expires_at
    )
    if may_resend:
        again = Requeue(work=Work.SEND, due_at=now)
        change = _noted_command(message, MessageStatus.QUEUED, EventReason.NO_EVIDENCE, closed, again)
        return replace(change, possible_duplicate=True)
    change = _noted_command(message, MessageStatus.UNCONFIRMED, EventReason.NO_EVIDENCE, closed, LeaveQueue())
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
        change = _noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=closed)
        hand_over = message.status is MessageStatus.SENDING
        queue = Requeue(work=Work.RESOLVE, due_at=now) if hand_over else None
        return _with_failure(replace(change, queue=queue), outcome.failure)
    step = next_step(outcome, tries=tries, expires_at=message.expires_at, now=now, jitter=jitter, policy=policy.retry)
    match step:
        case RetryAt():
            again = Requeue(work=Work.SEND, due_at=step.due_at, tries=step.tries)
            change = _noted_command(message, MessageStatus.QUEUED, EventReason.RETRY, closed, again)
            return replace(_with_failure(change, outcome.failure), error=None)
        case GiveUp():
            change = _noted_command(message, step.status, EventReason.GAVE_UP, closed, LeaveQueue())
            return replace(_with_failure(change, outcome.failure), error=step.error)
        case _:
            assert_never(step)


def _late_outcome(message: MessageState, attempt: AttemptState, outcome: SendOutcome) -> Change:
    """Keep what an outcome says of an attempt that is already closed; it decides nothing any more."""
    if not isinstance(outcome, Accepted):
        change = _noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=attempt)
        return _with_failure(change, outcome.failure)
    known = replace(
        attempt,
        phase=AttemptPhase.ACCEPTED,
        provider_message_id=attempt.provider_message_id or outcome.provider_message_id,
    )
    against = _objection(message, attempt, MessageStatus.SENT)
    if against is None:
        change = _raise_to(message, MessageStatus.SENT, attempt=known)
    else:
        change = _noted(message, MessageStatus.SENT, against, attempt=known)
    return _with_words(change, provider_status=outcome.provider_status)


def _objection(message: MessageState, attempt: AttemptState, status: MessageStatus) -> EventReason | None:
    """Why evidence of this status must not apply; None if it must."""
    if message.status is MessageStatus.CANCELED:
        return EventReason.CANCELED
    if status is message.status:
        return EventReason.DUPLICATE
    if attempt.number < message.attempts and status is not MessageStatus.DELIVERED:
        return EventReason.SUPERSEDED_ATTEMPT
    return None if outranks(status, message.status) else EventReason.OUTRANKED


def _await_evidence(
    message: MessageState, attempt: AttemptState, reason: EventReason, *, now: datetime, policy: LifecyclePolicy
) -> Change:
    waiting = Requeue(work=Work.RESOLVE, due_at=now + policy.evidence_wait)
    unknown = replace(attempt, phase=AttemptPhase.UNKNOWN)
    queue = waiting if message.status is MessageStatus.SENDING else None
    return replace(_noted(message, message.status, reason, attempt=unknown), queue=queue)


def _command(
    message: MessageState,
    status: MessageStatus,
    *,
    attempt: AttemptState | None = None,
    error: DeliveryError | None = None,
    queue: QueueStep = None,
) -> Change:
    require_command(message.status, status)
    change = _change(message, status, applied=True, reason=None, attempt=attempt)
    return replace(change, queue=queue, error=error, event=replace(change.event, error=error))


def _noted_command(
    message: MessageState, status: MessageStatus, reason: EventReason, attempt: AttemptState, queue: QueueStep
) -> Change:
    change = _command(message, status, attempt=attempt, queue=queue)
    return replace(change, event=replace(change.event, reason=reason))


def _raise_to(message: MessageState, status: MessageStatus, *, attempt: AttemptState) -> Change:
    """Apply evidence by rank; what does not outrank the message is noted."""
    against = _objection(message, attempt, status)
    if against is not None:
        return _noted(message, status, against, attempt=attempt)
    change = _change(message, status, applied=True, reason=None, attempt=attempt)
    return replace(change, queue=LeaveQueue())


def _noted(message: MessageState, status: MessageStatus, reason: EventReason, *, attempt: AttemptState) -> Change:
    return _change(message, message.status, applied=False, reason=reason, attempt=attempt, said=status)


def _change(
    message: MessageState,
    status: MessageStatus,
    *,
    applied: bool,
    reason: EventReason | None,
    attempt: AttemptState | None,
    said: MessageStatus | None = None,
) -> Change:
    event = StatusEvent(
        sequence=message.sequence + 1,
        source=EventSource.WORKER,
        status=said or status,
        previous=message.status,
        applied=applied,
        attempt=attempt.number if attempt else None,
        reason=reason,
    )
    return Change(
        message_id=message.id,
        expected_status=message.status,
        expected_sequence=message.sequence,
        status=status,
        attempts=message.attempts,
        possible_duplicate=message.possible_duplicate,
        error=message.error,
        event=event,
        attempt=attempt,
    )


def _with_failure(change: Change, failure: ProviderFailure) -> Change:
    event = replace(
        change.event,
        error=failure.error,
        provider_status=failure.provider_status,
        provider_code=failure.provider_code,
    )
    return replace(change, event=event, error=failure.error if change.event.applied else change.error)


def _with_words(change: Change, *, provider_status: str | None) -> Change:
    error = None if change.event.applied else change.error
    return replace(change, error=error, event=replace(change.event, provider_status=provider_status))
