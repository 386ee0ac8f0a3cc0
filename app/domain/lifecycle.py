"""The decisions over a message's life. Each takes values and returns one `Change`; `store` applies it.

`begin` writes the intent to send, `settle` draws the conclusion from a send's outcome, and `report` from a
provider's status report. What nobody knows yet is the affair of `app/domain/resolving.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from app.domain.change import (
    LEAVE_QUEUE,
    Billing,
    Change,
    EventReason,
    EventSource,
    Lease,
    LeaveQueue,
    QueueStep,
    Requeue,
)
from app.domain.conclusions import (
    NOTHING_OFFERED,
    NotSent,
    accepted,
    after_acceptance,
    await_evidence,
    doubled_once_taken,
    honest,
    not_sent,
    refuses_each,
    rejected,
    sending_work,
)
from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, AttemptState, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.provider import (
    Accepted,
    Capabilities,
    Deferred,
    ProviderFailure,
    Rejected,
    SendOutcome,
    StatusReport,
    Unknown,
)
from app.domain.status import FINAL, RANKS, MessageStatus
from app.domain.transitions import command, noted, objection, raise_to, raised, with_failure


def begin(
    message: MessageState,
    *,
    provider: str,
    fence: int,
    now: datetime,
    lease: timedelta,
    worker: int | None = None,
    poisoned: bool = False,
) -> Change:
    """Write the intent to send, before the first byte leaves.

    A stale message expires instead, and one that is `poisoned`, since its workers die, fails until it is redriven.
    """
    if message.expires_at <= now:
        return expire(message)
    if poisoned:
        return _never_begun(message, MessageStatus.FAILED, DeliveryError.POISON, reason=EventReason.POISON)
    number = message.attempts + 1
    attempt = AttemptState(number=number, phase=AttemptPhase.STARTED, provider=provider, fence=fence, started_at=now)
    return command(message, MessageStatus.SENDING, attempt=attempt, queue=Lease(until=now + lease, worker=worker))


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
    crashes: int,
    capabilities: Capabilities = NOTHING_OFFERED,
) -> Change:
    """Draw the conclusion from one send's outcome; `tries` are those before it.

    With another fence than the attempt's, a rescue has been here: the outcome is no more than evidence about its own
    attempt. The `crashes` that are counted by now stay, unless the worker has outlived what may have been taken: that
    nothing was says nothing of what the message does to a worker.
    """
    fenced = fence != attempt.fence
    if not attempt.phase.is_open:
        follow_up = after_acceptance(capabilities, now=now, policy=policy)
        return _late_outcome(message, attempt, outcome, follow_up)
    match outcome:
        case Accepted():
            return accepted(message, attempt, outcome, now=now, capabilities=capabilities, policy=policy)
        case Rejected(failure=failure) if _tells(attempt, outcome):
            return rejected(message, attempt, failure)
        case Deferred() if (fenced and attempt.inquiries) or message.status is not MessageStatus.SENDING:
            return _deferred_in_vain(message, attempt, outcome)
        case Deferred():
            # That a fenced worker sent nothing ends the wait for evidence, as records that do not show it would.
            retry = NotSent(outcome=outcome, tries=tries, crashes=crashes)
            return not_sent(message, attempt, retry, now=now, jitter=jitter, policy=policy)
        case Rejected(failure=failure) | Unknown(failure=failure):
            return _not_known(
                message, attempt, failure, fenced=fenced, now=now, capabilities=capabilities, policy=policy
            )
        case _:
            assert_never(outcome)


def report(
    message: MessageState, attempt: AttemptState, said: StatusReport, *, follow_up: QueueStep = LEAVE_QUEUE
) -> Change:
    """Draw the conclusion from a provider's status report; never raises.

    Any report proves that the provider has the message, so one that speaks of an earlier stage than
    `sent` counts as `sent`. Its final effect depends on ranks alone, not on the order of arrival.
    `follow_up` is what is left to do with one that is `sent` now, or whose price is not known.
    """
    status = said.status if RANKS[said.status] >= RANKS[MessageStatus.SENT] else MessageStatus.SENT
    known = replace(
        attempt,
        phase=AttemptPhase.ACCEPTED,
        provider_message_id=attempt.provider_message_id or said.provider_message_id,
    )
    against = objection(message, attempt, status)
    priced = message.priced or said.price is not None
    if against is None:
        nothing_left = status is not MessageStatus.SENT and priced
        change = raised(message, status, attempt=known, queue=LEAVE_QUEUE if nothing_left else follow_up)
    else:
        nothing_left = message.status in FINAL and priced
        change = noted(message, said.status, against, attempt=known)
        change = replace(change, queue=LEAVE_QUEUE if nothing_left else None)
    if said.price is not None or said.segments is not None:
        change = replace(change, billing=Billing(price=said.price, segments=said.segments))
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
    return replace(
        change,
        event=event,
        error=None if good else said.error or message.error,
        possible_duplicate=doubled_once_taken(message, attempt),
    )


def give_back(message: MessageState, attempt: AttemptState, *, now: datetime, crashes: int) -> Change:
    """Return a message that was claimed and certainly not begun; it costs no try."""
    closed = replace(attempt, phase=AttemptPhase.NOT_SENT)
    return command(
        message,
        MessageStatus.QUEUED,
        reason=EventReason.GIVEN_BACK,
        attempt=closed,
        queue=Requeue(work=sending_work(crashes), due_at=now),
    )


def expire(message: MessageState) -> Change:
    """End a message that waits and is stale; where a second copy waited, `unconfirmed`, as the first may have left."""
    return _never_begun(message, MessageStatus.EXPIRED, DeliveryError.EXPIRED, reason=None)


def _never_begun(
    message: MessageState, status: MessageStatus, error: DeliveryError, *, reason: EventReason | None
) -> Change:
    status, error = honest(message, status, error)
    change = command(message, status, error=error, reason=reason, queue=LeaveQueue())
    return replace(change, possible_duplicate=False)


def _not_known(
    message: MessageState,
    attempt: AttemptState,
    failure: ProviderFailure,
    *,
    fenced: bool,
    now: datetime,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
) -> Change:
    """Wait for evidence. Whoever took over from a fenced worker does so already, and may be asking just now."""
    reason = EventReason.OUTCOME_UNKNOWN
    if fenced:
        change = noted(message, message.status, reason, attempt=attempt)
    else:
        change = await_evidence(message, attempt, reason, now=now, capabilities=capabilities, policy=policy, crashes=0)
    return with_failure(change, failure)


def _deferred_in_vain(message: MessageState, attempt: AttemptState, outcome: Deferred) -> Change:
    """Note that one attempt was not taken, where no other is to follow from it.

    If the provider was asked meanwhile, it may have been by a resend, of which this worker knows nothing: then the
    attempt stays open. Else the message has its end by another copy, and this one never left.
    """
    if attempt.inquiries:
        change = noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=attempt)
        return with_failure(change, outcome.failure)
    closed = replace(attempt, phase=AttemptPhase.NOT_SENT)
    change = noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=closed)
    return with_failure(replace(change, possible_duplicate=False), outcome.failure)


def _tells(attempt: AttemptState, outcome: Rejected | Deferred) -> bool:
    """Whether the first request's outcome tells of the whole attempt: a resend may have been taken where it was not."""
    return attempt.resent_at is None or (isinstance(outcome, Rejected) and refuses_each(outcome))


def _late_outcome(message: MessageState, attempt: AttemptState, outcome: SendOutcome, follow_up: QueueStep) -> Change:
    """Keep what an outcome says of an attempt that is already closed; only what ends a doubt counts any more."""
    match outcome:
        case Accepted():
            return _accepted_late(message, attempt, outcome, follow_up)
        case Rejected() | Deferred() if attempt.phase is AttemptPhase.ABANDONED and _tells(attempt, outcome):
            return _refused_late(message, attempt, outcome)
        case Rejected() | Deferred() | Unknown():
            change = noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=attempt)
            return with_failure(change, outcome.failure)
        case _:
            assert_never(outcome)


def _refused_late(message: MessageState, attempt: AttemptState, outcome: Rejected | Deferred) -> Change:
    """Nobody could tell; now somebody can: of the two copies that there may have been, this one never was."""
    if message.status is MessageStatus.UNCONFIRMED and not message.possible_duplicate:
        return rejected(message, attempt, outcome.failure)
    phase = AttemptPhase.REJECTED if isinstance(outcome, Rejected) else AttemptPhase.NOT_SENT
    change = noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=replace(attempt, phase=phase))
    return with_failure(replace(change, possible_duplicate=False), outcome.failure)


def _accepted_late(message: MessageState, attempt: AttemptState, outcome: Accepted, follow_up: QueueStep) -> Change:
    known = replace(
        attempt,
        phase=AttemptPhase.ACCEPTED,
        provider_message_id=attempt.provider_message_id or outcome.provider_message_id,
    )
    change = raise_to(
        message, MessageStatus.SENT, attempt=known, queue=follow_up, provider_status=outcome.provider_status
    )
    if not change.event.applied:
        return change
    return replace(change, possible_duplicate=doubled_once_taken(message, attempt))
