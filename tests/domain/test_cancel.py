"""Waiting messages: released at their time, taken by a claim, withdrawn by their account, or found stale."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.change import EventReason, EventSource, Lease, LeaveQueue
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import report
from app.domain.message import AttemptPhase, DeliveryGuarantee, MessageState
from app.domain.provider import Deferred, ProviderFailure, SendOutcome
from app.domain.resolving import rescue
from app.domain.status import IllegalTransition, MessageStatus
from app.domain.waiting import cancel, claim, release
from tests.domain.lives import (
    ACCEPTED,
    DEFERRED,
    NOW,
    POLICY,
    QUEUED,
    REJECTED,
    UNKNOWN,
    after,
    given_up,
    said,
    sending,
    settled,
)

LEASE = timedelta(seconds=45)
SCHEDULED = replace(QUEUED, status=MessageStatus.SCHEDULED)
STALE = Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED))


def awaiting_a_second_copy() -> MessageState:
    """A queued message whose first copy may have been taken."""
    message, attempt = sending(replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE))
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, _ = after(given_up(message, attempt), message)
    return message


@pytest.mark.parametrize("status", [MessageStatus.SCHEDULED, MessageStatus.HELD, MessageStatus.QUEUED])
def test_a_message_that_waits_is_canceled_by_its_account_and_leaves_the_queue(status: MessageStatus) -> None:
    change = cancel(replace(QUEUED, status=status), leased=False)
    assert change is not None
    assert (change.status, change.error, change.queue) == (MessageStatus.CANCELED, None, LeaveQueue())
    assert (change.event.source, change.event.previous, change.event.status) == (
        EventSource.API,
        status,
        MessageStatus.CANCELED,
    )


@pytest.mark.parametrize(
    "status",
    [
        MessageStatus.SENDING,
        MessageStatus.UNCONFIRMED,
        MessageStatus.SENT,
        MessageStatus.EXPIRED,
        MessageStatus.FAILED,
        MessageStatus.UNDELIVERED,
        MessageStatus.DELIVERED,
        MessageStatus.CANCELED,
        MessageStatus.RECEIVED,
    ],
)
def test_a_message_in_any_other_status_is_not_canceled(status: MessageStatus) -> None:
    assert cancel(replace(QUEUED, status=status), leased=False) is None


def test_a_message_that_a_worker_has_is_not_canceled() -> None:
    assert cancel(QUEUED, leased=True) is None


def test_a_message_that_certainly_did_not_leave_is_canceled_before_its_next_try() -> None:
    message, attempt = sending()
    message, _ = after(settled(message, attempt, DEFERRED), message)
    change = cancel(message, leased=False)
    assert change is not None
    assert (change.status, change.attempts) == (MessageStatus.CANCELED, 1)


def test_withdrawing_a_second_copy_leaves_the_message_unconfirmed_and_no_possible_duplicate() -> None:
    change = cancel(awaiting_a_second_copy(), leased=False)
    assert change is not None
    assert (change.status, change.error) == (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)
    assert (change.possible_duplicate, change.queue) == (False, LeaveQueue())
    assert (change.event.source, change.event.reason) == (EventSource.API, EventReason.WITHDRAWN)


@pytest.mark.parametrize(("evidence", "status"), [(ACCEPTED, MessageStatus.SENT), (REJECTED, MessageStatus.FAILED)])
def test_evidence_about_the_first_copy_still_counts_once_the_second_is_withdrawn(
    evidence: SendOutcome, status: MessageStatus
) -> None:
    message, attempt = sending(replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE))
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, attempt = after(given_up(message, attempt), message)
    withdrawn = cancel(message, leased=False)
    assert withdrawn is not None
    assert settled(withdrawn.apply_to(message), attempt, evidence).status is status


def test_a_held_message_is_not_withdrawn_into_a_lie_either() -> None:
    change = cancel(replace(awaiting_a_second_copy(), status=MessageStatus.HELD), leased=False)
    assert change is not None
    assert change.status is MessageStatus.UNCONFIRMED


def test_a_scheduled_message_is_queued_and_then_begun_by_its_claim() -> None:
    released, begun = claim(SCHEDULED, provider="acme", fence=7, now=NOW, lease=LEASE)
    assert (released.event.previous, released.status) == (MessageStatus.SCHEDULED, MessageStatus.QUEUED)
    assert (released.queue, released.attempt) == (None, None)
    assert (begun.event.previous, begun.status) == (MessageStatus.QUEUED, MessageStatus.SENDING)
    assert [released.event.sequence, begun.event.sequence] == [2, 3]
    assert (begun.expected_sequence, begun.queue) == (2, Lease(until=NOW + LEASE))


def test_a_queued_message_is_begun_by_its_claim_at_once() -> None:
    [begun] = claim(QUEUED, provider="acme", fence=7, now=NOW, lease=LEASE)
    assert begun.status is MessageStatus.SENDING


def test_a_scheduled_message_that_is_stale_at_its_claim_expires_without_being_queued() -> None:
    [change] = claim(replace(SCHEDULED, expires_at=NOW), provider="acme", fence=7, now=NOW, lease=LEASE)
    assert (change.event.previous, change.status) == (MessageStatus.SCHEDULED, MessageStatus.EXPIRED)
    assert (change.error, change.queue) == (DeliveryError.EXPIRED, LeaveQueue())


def test_a_message_that_is_queued_already_is_not_released() -> None:
    with pytest.raises(IllegalTransition):
        release(QUEUED)


@pytest.mark.parametrize("tries", [0, 5])
def test_a_message_found_stale_right_before_its_send_expires_and_is_not_tried_again(tries: int) -> None:
    change = settled(*sending(), STALE, tries=tries)
    assert (change.status, change.error) == (MessageStatus.EXPIRED, DeliveryError.EXPIRED)
    assert change.queue == LeaveQueue()
    assert change.attempt is not None
    assert change.attempt.phase is AttemptPhase.NOT_SENT


def test_a_second_copy_found_stale_right_before_its_send_leaves_the_message_unconfirmed() -> None:
    change = settled(*sending(awaiting_a_second_copy()), STALE)
    assert (change.status, change.error) == (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)


def test_a_worker_that_comes_back_late_and_found_the_message_stale_makes_an_unconfirmed_one_expired() -> None:
    message, attempt = sending()
    message, attempt = after(rescue(message, attempt, fence=8, now=NOW, policy=POLICY, crashes=0), message)
    message, attempt = after(given_up(message, attempt), message)
    assert message.status is MessageStatus.UNCONFIRMED
    change = settled(message, attempt, STALE, fence=7)
    assert (change.status, change.error) == (MessageStatus.EXPIRED, DeliveryError.EXPIRED)


def test_a_report_on_a_message_that_was_canceled_is_stored_as_an_alarm() -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, DEFERRED), message)
    canceled = cancel(message, leased=False)
    assert canceled is not None
    told = report(canceled.apply_to(message), attempt, said(MessageStatus.SENT))
    assert (told.status, told.event.applied) == (MessageStatus.CANCELED, False)
    assert told.event.reason is EventReason.CANCELED
