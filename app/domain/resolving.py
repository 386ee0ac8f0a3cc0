"""The decisions over an attempt whose outcome is unknown: taken over, asked about, answered, or left to the guarantee.

While an attempt is open its message is neither tried again nor sent by another way. It closes by evidence (a report,
the provider's records, the answer to a resend under the same idempotency key), or by the message's guarantee.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from app.domain.change import Change, EventReason, Lease, LeaveQueue, Requeue, Work
from app.domain.conclusions import (
    NOTHING_OFFERED,
    NotSent,
    accepted,
    after_acceptance,
    await_evidence,
    not_sent,
    refuses_each,
    rejected,
    sending_work,
)
from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import NoAnswer, ProviderMessage
from app.domain.inquiry import Inquiry, Sighting, can_be_asked, counts_from, next_look, waits_until
from app.domain.lifecycle import report
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
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
from app.domain.status import MessageStatus
from app.domain.transitions import command, noted, with_failure

_ABSENT: Final = Deferred(
    failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="not-in-its-records")
)


def rescue(
    message: MessageState,
    attempt: AttemptState,
    *,
    fence: int,
    now: datetime,
    policy: LifecyclePolicy,
    crashes: int,
    capabilities: Capabilities = NOTHING_OFFERED,
) -> Change:
    """Take over from a worker that did not come back: its send may or may not have happened.

    `crashes` counts the workers that died over this message before, in a row. A resend
    counts as a send: it has the adapter write the message once more.
    """
    fenced = replace(attempt, fence=fence)
    if attempt.phase is AttemptPhase.UNKNOWN:
        # It died while it asked; what it asked counts as asked.
        due_at = next_look(message, fenced, now=now, evidence_wait=policy.evidence_wait, policy=policy.inquiry)
        counted = crashes + 1 if attempt.resending else None
        return _look_again(message, fenced, EventReason.WORKER_LOST, due_at, crashes=counted)
    return await_evidence(
        message,
        fenced,
        EventReason.WORKER_LOST,
        now=now,
        capabilities=capabilities,
        policy=policy,
        crashes=crashes + 1,
    )


def ask(
    message: MessageState,
    attempt: AttemptState,
    inquiry: Inquiry,
    *,
    fence: int,
    now: datetime,
    lease: timedelta,
    worker: int | None,
) -> Change:
    """Write that the provider is going to be asked, before it is, and under which fence."""
    reason = EventReason.ASKED_AGAIN if inquiry is Inquiry.RESEND else EventReason.SEARCHED
    asked = replace(
        attempt,
        phase=AttemptPhase.UNKNOWN,
        fence=fence,
        inquiries=attempt.inquiries + 1,
        resent_at=now if inquiry is Inquiry.RESEND else attempt.resent_at,
        resending=inquiry is Inquiry.RESEND,
    )
    change = noted(message, message.status, reason, attempt=asked)
    return replace(change, queue=Lease(until=now + lease, worker=worker))


def resent(
    message: MessageState,
    attempt: AttemptState,
    outcome: SendOutcome,
    *,
    fence: int,
    now: datetime,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
) -> Change:
    """Draw the conclusion from the answer to a resend under the same idempotency key.

    Only an acceptance, or a refusal of the message itself, tells of both requests; whatever else comes back
    speaks of the resend alone. Crashes of workers before it are forgotten, for its own has outlived it; but not where
    it was not taken, for then nothing came back that could have killed it.
    """
    match outcome:
        case Accepted():
            return accepted(message, attempt, outcome, now=now, capabilities=capabilities, policy=policy)
        case Rejected(failure=failure) if refuses_each(outcome) and attempt.phase.is_open:
            return rejected(message, attempt, failure)
        case Rejected(failure=failure) | Deferred(failure=failure) | Unknown(failure=failure):
            deferred = outcome if isinstance(outcome, Deferred) else None
            asked_to_wait = deferred.retry_after_seconds if deferred else None
            return unanswered(
                message,
                attempt,
                NoAnswer(reason=failure.provider_status or failure.error, retry_after_seconds=asked_to_wait),
                fence=fence,
                now=now,
                policy=policy,
                crashes=None if deferred else 0,
            )
        case _:
            assert_never(outcome)


def found(
    message: MessageState,
    attempt: AttemptState,
    seen: ProviderMessage,
    *,
    now: datetime,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
) -> Change:
    """Adopt the message that the provider's records show; they count as a report of it."""
    follow_up = after_acceptance(capabilities, now=now, policy=policy)
    return replace_reason(report(message, attempt, report_of(seen), follow_up=follow_up), EventReason.FOUND)


def not_found(
    message: MessageState,
    attempt: AttemptState,
    sighting: Sighting,
    *,
    fence: int,
    tries: int,
    crashes: int,
    now: datetime,
    jitter: float,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
) -> Change:
    """Draw the conclusion from records that did not show an attempt.

    That counts only from when its request can no longer be on its way and the records must show it, and only when
    seen twice, some time apart: then it certainly was not taken, and may be tried again.
    """
    inquiry = policy.inquiry
    conclusive_at = counts_from(attempt, capabilities, inquiry)
    if fence != attempt.fence or not attempt.phase.is_open or message.status is not MessageStatus.SENDING:
        return noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=attempt)
    if sighting is Sighting.UNCLEAR or conclusive_at is None:
        return unanswered(message, attempt, NoAnswer(reason="unclear"), fence=fence, now=now, policy=policy)
    if now < conclusive_at:
        next_at = next_look(message, attempt, now=now, evidence_wait=policy.evidence_wait, policy=inquiry)
        due_at = min(next_at, conclusive_at)
        last_chance = attempt.inquiries >= len(inquiry.delays_seconds) - 2
        return _look_again(message, attempt, EventReason.NOT_FOUND, conclusive_at if last_chance else due_at)
    if attempt.absent_since is None:
        seen = replace(attempt, absent_since=now)
        return _look_again(message, seen, EventReason.NOT_FOUND, now + inquiry.sightings_apart)
    if now < attempt.absent_since + inquiry.sightings_apart:
        return _look_again(message, attempt, EventReason.NOT_FOUND, attempt.absent_since + inquiry.sightings_apart)
    known = NotSent(outcome=_ABSENT, tries=tries, crashes=crashes, reason=EventReason.PROVEN_NOT_SENT)
    return not_sent(message, attempt, known, now=now, jitter=jitter, policy=policy)


def unanswered(
    message: MessageState,
    attempt: AttemptState,
    answer: NoAnswer,
    *,
    fence: int,
    now: datetime,
    policy: LifecyclePolicy,
    crashes: int | None = None,
) -> Change:
    """Note that the provider did not tell; it is asked again, or the guarantee decides once it was asked enough.

    `crashes` is how many are counted against the message from now on; None leaves the count.
    """
    if fence != attempt.fence or not attempt.phase.is_open or message.status is not MessageStatus.SENDING:
        return noted(message, message.status, EventReason.ALREADY_SETTLED, attempt=attempt)
    due_at = next_look(message, attempt, now=now, evidence_wait=policy.evidence_wait, policy=policy.inquiry)
    if answer.retry_after_seconds is not None:
        ceiling = policy.retry.retry_after_ceiling_seconds
        due_at = max(due_at, now + timedelta(seconds=min(answer.retry_after_seconds, ceiling)))
    change = _look_again(message, attempt, EventReason.NO_ANSWER, due_at, crashes=crashes)
    failure = ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_status=answer.reason)
    return with_failure(change, failure)


def resolve(
    message: MessageState,
    attempt: AttemptState,
    *,
    now: datetime,
    capabilities: Capabilities,
    policy: LifecyclePolicy,
    crashes: int,
) -> Change:
    """End the wait for evidence as the message's guarantee says, or go on with it while a report may still come.

    A provider that can be asked is never given a second copy because it did not answer: what it declares is what
    keeps its messages from being doubled, so what it cannot tell in time stays unconfirmed.
    """
    until = waits_until(attempt, policy.evidence_wait)
    if until is not None and now < until:
        return _look_again(message, attempt, EventReason.OUTCOME_UNKNOWN, until)
    closed = replace(attempt, phase=AttemptPhase.ABANDONED)
    may_resend = (
        message.delivery_guarantee is DeliveryGuarantee.AT_LEAST_ONCE
        and not can_be_asked(capabilities)
        and not message.possible_duplicate
        and now < message.expires_at
    )
    if may_resend:
        again = Requeue(work=sending_work(crashes), due_at=now)
        change = command(message, MessageStatus.QUEUED, reason=EventReason.NO_EVIDENCE, attempt=closed, queue=again)
        return replace(change, possible_duplicate=True)
    change = command(
        message, MessageStatus.UNCONFIRMED, reason=EventReason.NO_EVIDENCE, attempt=closed, queue=LeaveQueue()
    )
    error = DeliveryError.OUTCOME_UNKNOWN
    return replace(change, error=error, event=replace(change.event, error=error))


def report_of(seen: ProviderMessage) -> StatusReport:
    """Read a provider's record of a message as a status report."""
    return StatusReport(
        status=seen.status or MessageStatus.SENT,
        provider_status=seen.provider_status,
        provider_message_id=seen.provider_message_id,
        error=seen.error,
        provider_code=seen.provider_code,
        price=seen.price,
        segments=seen.segments,
    )


def replace_reason(change: Change, reason: EventReason) -> Change:
    """Tell by which way an event came that applies; one that does not keeps its reason."""
    return replace(change, event=replace(change.event, reason=reason)) if change.event.applied else change


def _look_again(
    message: MessageState, attempt: AttemptState, reason: EventReason, due_at: datetime, *, crashes: int | None = None
) -> Change:
    change = noted(message, message.status, reason, attempt=attempt)
    return replace(change, queue=Requeue(work=Work.RESOLVE, due_at=due_at, crashes=crashes))
