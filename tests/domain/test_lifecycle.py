"""The decisions over a message's life: each outcome of a send, each rescue, each report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.change import EventReason, EventSource, Lease, LeaveQueue, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import begin, report, settle
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee
from app.domain.provider import Deferred, SendOutcome
from app.domain.resolving import rescue
from app.domain.status import IllegalTransition, MessageStatus
from tests.domain.lives import (
    ACCEPTED,
    DEFERRED,
    NOW,
    POLICY,
    QUEUED,
    REJECTED,
    THROTTLED,
    UNKNOWN,
    after,
    given_up,
    said,
    sending,
    settled,
)


def test_the_intent_is_written_with_a_lease_before_anything_is_sent() -> None:
    change = begin(QUEUED, provider="acme", fence=7, now=NOW, lease=timedelta(seconds=45))
    assert change.status is MessageStatus.SENDING
    assert change.attempts == 1
    assert change.attempt == AttemptState(
        number=1, phase=AttemptPhase.STARTED, provider="acme", fence=7, started_at=NOW
    )
    assert change.queue == Lease(until=NOW + timedelta(seconds=45))
    assert (change.event.sequence, change.event.previous) == (2, MessageStatus.QUEUED)


def test_a_stale_message_expires_instead_of_being_sent() -> None:
    change = begin(replace(QUEUED, expires_at=NOW), provider="acme", fence=7, now=NOW, lease=timedelta(seconds=45))
    assert (change.status, change.error) == (MessageStatus.EXPIRED, DeliveryError.EXPIRED)
    assert (change.attempt, change.queue) == (None, LeaveQueue())


def test_only_a_queued_message_can_be_begun() -> None:
    message, _ = sending()
    with pytest.raises(IllegalTransition):
        begin(message, provider="acme", fence=8, now=NOW, lease=timedelta(seconds=45))


@pytest.mark.parametrize(
    ("outcome", "status", "phase", "error", "queue"),
    [
        (ACCEPTED, MessageStatus.SENT, AttemptPhase.ACCEPTED, None, LeaveQueue()),
        (REJECTED, MessageStatus.FAILED, AttemptPhase.REJECTED, DeliveryError.LANDLINE, LeaveQueue()),
        (
            DEFERRED,
            MessageStatus.QUEUED,
            AttemptPhase.NOT_SENT,
            None,
            Requeue(work=Work.SEND, due_at=NOW + timedelta(seconds=0.5), tries=1, crashes=0),
        ),
        (
            UNKNOWN,
            MessageStatus.SENDING,
            AttemptPhase.UNKNOWN,
            None,
            Requeue(work=Work.RESOLVE, due_at=NOW + timedelta(seconds=120), crashes=0),
        ),
    ],
)
def test_each_outcome_settles_its_attempt(
    outcome: SendOutcome, status: MessageStatus, phase: AttemptPhase, error: DeliveryError | None, queue: object
) -> None:
    change = settled(*sending(), outcome)
    assert change.attempt is not None
    assert (change.status, change.attempt.phase, change.error, change.queue) == (status, phase, error, queue)


def test_an_unknown_outcome_is_noted_without_changing_the_status() -> None:
    event = settled(*sending(), UNKNOWN).event
    assert (event.status, event.applied, event.reason) == (
        MessageStatus.SENDING,
        False,
        EventReason.OUTCOME_UNKNOWN,
    )
    assert event.error is DeliveryError.OUTCOME_UNKNOWN


def test_the_last_try_that_is_deferred_fails_with_the_providers_error() -> None:
    change = settled(*sending(), DEFERRED, tries=5)
    assert (change.status, change.error) == (MessageStatus.FAILED, DeliveryError.PROVIDER_UNAVAILABLE)
    assert change.queue == LeaveQueue()


def test_a_throttled_send_costs_no_try() -> None:
    change = settled(*sending(), Deferred(failure=THROTTLED, retry_after_seconds=2), tries=5)
    assert change.queue == Requeue(work=Work.SEND, due_at=NOW + timedelta(seconds=2), tries=5, crashes=0)


def test_a_wait_beyond_the_validity_ends_the_message_now() -> None:
    message, attempt = sending(replace(QUEUED, expires_at=NOW + timedelta(seconds=30)))
    change = settled(message, attempt, Deferred(failure=THROTTLED, retry_after_seconds=60))
    assert (change.status, change.error) == (MessageStatus.EXPIRED, DeliveryError.EXPIRED)


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 1.0), (-5.0, 1.0), (7.5, 7.5), (1e9, 900.0)])
def test_a_retry_after_is_kept_within_one_second_and_a_quarter_of_an_hour(asked: float, waited: float) -> None:
    change = settled(*sending(), Deferred(failure=THROTTLED, retry_after_seconds=asked))
    assert change.queue == Requeue(work=Work.SEND, due_at=NOW + timedelta(seconds=waited), tries=0, crashes=0)


def test_a_rescue_fences_the_old_worker_and_awaits_evidence() -> None:
    message, attempt = sending()
    change = rescue(message, attempt, fence=8, now=NOW, policy=POLICY, crashes=0)
    assert change.attempt == replace(attempt, phase=AttemptPhase.UNKNOWN, fence=8)
    assert (change.status, change.event.reason) == (MessageStatus.SENDING, EventReason.WORKER_LOST)
    assert change.queue == Requeue(work=Work.RESOLVE, due_at=NOW + timedelta(seconds=120), crashes=1)


def test_without_evidence_at_most_once_ends_unconfirmed_and_is_never_sent_again() -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    change = given_up(message, attempt)
    assert (change.status, change.error) == (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)
    assert change.queue == LeaveQueue()
    assert change.attempt == replace(attempt, phase=AttemptPhase.ABANDONED)


def test_without_evidence_at_least_once_is_sent_once_more_and_flagged() -> None:
    start = replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    message, attempt = sending(start)
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, attempt = after(given_up(message, attempt), message)
    assert (message.status, message.possible_duplicate) == (MessageStatus.QUEUED, True)
    message, attempt = sending(message)
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    assert given_up(message, attempt).status is MessageStatus.UNCONFIRMED


def test_an_expired_message_is_not_sent_a_second_time() -> None:
    start = replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    message, attempt = sending(start)
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    assert given_up(message, attempt, now=message.expires_at).status is MessageStatus.UNCONFIRMED


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.SENT])
def test_any_report_on_an_unknown_attempt_proves_that_it_was_taken(status: MessageStatus) -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    change = report(message, attempt, said(status))
    assert (change.status, change.queue) == (MessageStatus.SENT, LeaveQueue())
    assert change.attempt is not None
    assert change.attempt.phase is AttemptPhase.ACCEPTED
    assert (change.event.source, change.event.provider_status) == (EventSource.PROVIDER, f"word for {status}")


def test_late_evidence_raises_an_unconfirmed_message() -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, attempt = after(given_up(message, attempt), message)
    change = report(message, attempt, said(MessageStatus.DELIVERED))
    assert (change.status, change.error) == (MessageStatus.DELIVERED, None)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (MessageStatus.DELIVERED, EventReason.DUPLICATE),
        (MessageStatus.SENT, EventReason.OUTRANKED),
        (MessageStatus.UNDELIVERED, EventReason.OUTRANKED),
    ],
)
def test_a_report_that_changes_nothing_is_stored_with_the_reason(status: MessageStatus, reason: EventReason) -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, ACCEPTED), message)
    message, attempt = after(report(message, attempt, said(MessageStatus.DELIVERED)), message)
    change = report(message, attempt, said(status))
    assert (change.status, change.event.applied, change.event.reason) == (MessageStatus.DELIVERED, False, reason)
    assert change.event.status is status


def test_of_a_superseded_attempt_only_what_was_taken_counts() -> None:
    first_message, first = sending()
    message, first = after(settled(first_message, first, DEFERRED), first_message)
    message, _ = sending(message)
    refused = report(message, first, said(MessageStatus.UNDELIVERED))
    assert (refused.status, refused.event.reason) == (MessageStatus.SENDING, EventReason.SUPERSEDED_ATTEMPT)
    assert report(message, first, said(MessageStatus.SENT)).status is MessageStatus.SENT
    assert report(message, first, said(MessageStatus.DELIVERED)).status is MessageStatus.DELIVERED


def test_a_report_that_contradicts_a_deferral_stops_the_retry() -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, DEFERRED), message)
    change = report(message, attempt, said(MessageStatus.SENT))
    assert (change.status, change.queue) == (MessageStatus.SENT, LeaveQueue())


def test_a_report_before_a_pending_resend_takes_the_duplicate_flag_back() -> None:
    start = replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    message, attempt = sending(start)
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, attempt = after(given_up(message, attempt), message)
    change = report(message, attempt, said(MessageStatus.DELIVERED))
    assert (change.possible_duplicate, change.queue) == (False, LeaveQueue())


def test_a_report_on_a_canceled_message_is_stored_and_changes_nothing() -> None:
    message, attempt = sending()
    message = replace(message, status=MessageStatus.CANCELED)
    change = report(message, attempt, said(MessageStatus.DELIVERED))
    assert (change.status, change.event.reason) == (MessageStatus.CANCELED, EventReason.CANCELED)


@pytest.mark.parametrize(
    ("attempts", "jitter", "waited"), [(0, 0.0, 1.0), (0, 0.9, 1.0), (2, 0.5, 7.5), (9, 0.5, 150.0)]
)
def test_a_provider_that_throttles_without_a_time_is_asked_less_and_less_often(
    attempts: int, jitter: float, waited: float
) -> None:
    message, attempt = sending(replace(QUEUED, attempts=attempts))
    throttled = Deferred(failure=THROTTLED)
    change = settle(message, attempt, throttled, fence=7, tries=0, now=NOW, jitter=jitter, policy=POLICY, crashes=0)
    assert change.queue == Requeue(work=Work.SEND, due_at=NOW + timedelta(seconds=waited), tries=0, crashes=0)
