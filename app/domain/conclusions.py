"""What several decisions conclude alike: refused, certainly not sent, not known, and what follows an acceptance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from app.domain.change import Change, EventReason, LeaveQueue, QueueStep, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.inquiry import can_be_asked
from app.domain.message import AttemptPhase, AttemptState, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.provider import Accepted, Capabilities, Deferred, ProviderFailure, Rejected
from app.domain.routing import GiveUp, RetryAt, next_step
from app.domain.status import MessageStatus
from app.domain.transitions import command, noted, raise_to, with_failure

NOTHING_OFFERED: Final = Capabilities()
"""A provider that cannot be asked; reports are all that it says."""

_OF_THE_ACCOUNT: Final = frozenset({DeliveryError.PROVIDER_CREDENTIALS, DeliveryError.PROVIDER_BALANCE})
"""Refusals that may be given before a provider looks at the key, and so say nothing of another request under it."""


def refuses_each(outcome: Rejected) -> bool:
    """Whether a refusal tells of every request under the same idempotency key, and not of one alone."""
    return outcome.failure.error not in _OF_THE_ACCOUNT


def sending_work(crashes: int) -> Work:
    """Say how a message goes out whose workers have died so often: by itself once one has."""
    return Work.SEND_ALONE if crashes else Work.SEND


def after_acceptance(capabilities: Capabilities, *, now: datetime, policy: LifecyclePolicy) -> QueueStep:
    """Say what is left to do once the provider has a message: ask later what became of it, where that can be asked."""
    if not (capabilities.fetch and policy.reconcile_delays):
        return LeaveQueue()
    return Requeue(work=Work.RECONCILE, due_at=now + policy.reconcile_delays[0], tries=0)


def honest(message: MessageState, status: MessageStatus, error: DeliveryError) -> tuple[MessageStatus, DeliveryError]:
    """Never say that a message was not sent where only its second copy was not."""
    if message.possible_duplicate:
        return MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN
    return status, error


def doubled_once_taken(message: MessageState, attempt: AttemptState) -> bool:
    """Whether two copies of a message may have left once one is known to have been taken.

    It is not sent again then, so a second copy that only waited to leave never does.
    """
    waits = message.status is MessageStatus.QUEUED and attempt.phase is AttemptPhase.ABANDONED
    return message.possible_duplicate and not waits


def accepted(
    message: MessageState,
    attempt: AttemptState,
    outcome: Accepted,
    *,
    now: datetime,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
) -> Change:
    """Note that the provider has the message, by its own answer."""
    # A report may have named it while a resend was on its way, whose answer need not name it.
    provider_id = attempt.provider_message_id or outcome.provider_message_id
    closed = replace(attempt, phase=AttemptPhase.ACCEPTED, provider_message_id=provider_id)
    queue = after_acceptance(capabilities, now=now, policy=policy)
    return raise_to(message, MessageStatus.SENT, attempt=closed, queue=queue, provider_status=outcome.provider_status)


def rejected(message: MessageState, attempt: AttemptState, failure: ProviderFailure) -> Change:
    """End a message that its provider has refused. No second copy has left then, if this was to be one."""
    end = MessageStatus.EXPIRED if failure.error is DeliveryError.EXPIRED else MessageStatus.FAILED
    status, error = honest(message, end, failure.error)
    closed = replace(attempt, phase=AttemptPhase.REJECTED)
    change = with_failure(raise_to(message, status, attempt=closed), failure)
    return replace(change, error=error if change.event.applied else message.error, possible_duplicate=False)


@dataclass(frozen=True, kw_only=True)
class NotSent:
    """An attempt that certainly was not taken, and what was before it."""

    outcome: Deferred
    tries: int
    crashes: int
    """How many workers have died over the message in a row, this attempt's included."""

    reason: EventReason = EventReason.RETRY
    """What is told of the retry."""


def not_sent(
    message: MessageState,
    attempt: AttemptState,
    known: NotSent,
    *,
    now: datetime,
    jitter: float,
    policy: LifecyclePolicy,
) -> Change:
    """Try again, or give up, after an attempt that certainly was not taken."""
    closed = replace(attempt, phase=AttemptPhase.NOT_SENT)
    step = next_step(
        known.outcome,
        tries=known.tries,
        attempts=message.attempts,
        expires_at=message.expires_at,
        now=now,
        jitter=jitter,
        policy=policy.retry,
    )
    match step:
        case RetryAt():
            again = Requeue(
                work=sending_work(known.crashes), due_at=step.due_at, tries=step.tries, crashes=known.crashes
            )
            change = command(message, MessageStatus.QUEUED, reason=known.reason, attempt=closed, queue=again)
            return replace(with_failure(change, known.outcome.failure), error=None)
        case GiveUp():
            status, error = honest(message, step.status, step.error)
            change = command(message, status, reason=EventReason.GAVE_UP, attempt=closed, queue=LeaveQueue())
            change = with_failure(change, known.outcome.failure)
            return replace(change, error=error, possible_duplicate=False)
        case _:
            assert_never(step)


def await_evidence(
    message: MessageState,
    attempt: AttemptState,
    reason: EventReason,
    *,
    now: datetime,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
    crashes: int,
) -> Change:
    """Wait for a report, or until the provider is to be asked; an attempt that is open stays open.

    `crashes` counts the workers that died over the message, this attempt's included.
    """
    waiting = Requeue(work=Work.RESOLVE, due_at=now + _first_look(capabilities, policy), crashes=crashes)
    unknown = replace(attempt, phase=AttemptPhase.UNKNOWN)
    queue = waiting if message.status is MessageStatus.SENDING else None
    return replace(noted(message, message.status, reason, attempt=unknown), queue=queue)


def _first_look(capabilities: Capabilities, policy: LifecyclePolicy) -> timedelta:
    delays = policy.inquiry.delays_seconds
    if can_be_asked(capabilities) and delays:
        return timedelta(seconds=delays[0])
    return policy.evidence_wait
