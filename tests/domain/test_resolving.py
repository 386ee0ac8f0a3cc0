"""What becomes of an attempt whose outcome is unknown, by what its provider answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest

from app.domain.change import Change, EventReason, Lease, LeaveQueue, Requeue, Work
from app.domain.conclusions import NOTHING_OFFERED
from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import NoAnswer, Price, ProviderMessage
from app.domain.inquiry import Inquiry, Sighting
from app.domain.lifecycle import begin, report, settle
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
from app.domain.provider import Capabilities, Deferred, ProviderFailure, Rejected, SendOutcome
from app.domain.resolving import ask, found, not_found, rescue, resent, unanswered
from app.domain.status import MessageStatus
from app.domain.waiting import redrive
from tests.domain.lives import (
    ACCEPTED,
    DEFERRED,
    LATER,
    NOW,
    POLICY,
    QUEUED,
    REJECTED,
    UNKNOWN,
    after,
    given_up,
    said,
    sending,
)

SEARCHED: Final = Capabilities(reference_search=True)
FETCHED: Final = Capabilities(reference_search=True, fetch=True)
CONCLUSIVE: Final = NOW + timedelta(seconds=105)


def unknown() -> tuple[MessageState, AttemptState]:
    """A message that its provider is asked about, under fence 9."""
    message, attempt = sending()
    change = settle(
        message,
        attempt,
        UNKNOWN,
        fence=7,
        tries=0,
        now=NOW,
        jitter=0.5,
        policy=POLICY,
        crashes=0,
        capabilities=SEARCHED,
    )
    message, attempt = after(change, message)
    change = ask(message, attempt, Inquiry.REFERENCE, fence=9, now=NOW, lease=timedelta(seconds=45), worker=3)
    return after(change, message)


def answered(message: MessageState, attempt: AttemptState, outcome: SendOutcome) -> Change:
    return resent(message, attempt, outcome, fence=9, now=NOW, capabilities=SEARCHED, policy=POLICY)


def looked(
    message: MessageState,
    attempt: AttemptState,
    *,
    seconds: float,
    sighting: Sighting = Sighting.NOTHING,
    fence: int = 9,
    crashes: int = 0,
) -> Change:
    return not_found(
        message,
        attempt,
        sighting,
        fence=fence,
        tries=0,
        crashes=crashes,
        now=NOW + timedelta(seconds=seconds),
        jitter=0.5,
        capabilities=SEARCHED,
        policy=POLICY,
    )


def test_a_provider_that_can_be_asked_is_asked_soon_and_another_is_waited_for() -> None:
    message, attempt = sending()
    for capabilities, seconds in ((SEARCHED, 2), (NOTHING_OFFERED, 120)):
        change = rescue(message, attempt, fence=8, now=NOW, policy=POLICY, crashes=0, capabilities=capabilities)
        assert change.queue == Requeue(work=Work.RESOLVE, due_at=NOW + timedelta(seconds=seconds), crashes=1)


def test_that_a_provider_is_asked_is_written_before_it_is() -> None:
    message, attempt = sending()
    change = ask(message, attempt, Inquiry.RESEND, fence=9, now=NOW, lease=timedelta(seconds=45), worker=3)
    assert change.queue == Lease(until=NOW + timedelta(seconds=45), worker=3)
    assert change.attempt == replace(
        attempt, phase=AttemptPhase.UNKNOWN, fence=9, inquiries=1, resent_at=NOW, resending=True
    )
    assert (change.status, change.event.reason) == (MessageStatus.SENDING, EventReason.ASKED_AGAIN)


def test_an_accepted_resend_is_the_acceptance_of_both() -> None:
    change = answered(*unknown(), ACCEPTED)
    assert (change.status, change.attempt and change.attempt.phase) == (MessageStatus.SENT, AttemptPhase.ACCEPTED)


def test_an_accepted_resend_takes_nothing_from_what_a_report_has_told_meanwhile() -> None:
    message, attempt = unknown()
    message, attempt = after(report(message, attempt, said(MessageStatus.DELIVERED)), message)
    change = answered(message, attempt, replace(ACCEPTED, provider_message_id=None))
    assert (change.status, change.event.reason) == (MessageStatus.DELIVERED, EventReason.OUTRANKED)
    assert change.attempt is not None
    assert change.attempt.provider_message_id == "p-1"


def test_a_refused_resend_is_the_refusal_of_both() -> None:
    change = answered(*unknown(), REJECTED)
    assert (change.status, change.error) == (MessageStatus.FAILED, DeliveryError.LANDLINE)


@pytest.mark.parametrize(
    "outcome",
    [
        DEFERRED,
        UNKNOWN,
        Rejected(failure=ProviderFailure(error=DeliveryError.PROVIDER_CREDENTIALS)),
        Rejected(failure=ProviderFailure(error=DeliveryError.PROVIDER_BALANCE)),
    ],
)
def test_an_answer_that_speaks_of_the_resend_alone_tells_nothing_of_the_first(outcome: SendOutcome) -> None:
    change = answered(*unknown(), outcome)
    assert (change.status, change.event.reason) == (MessageStatus.SENDING, EventReason.NO_ANSWER)
    assert change.attempt is not None
    assert change.attempt.phase is AttemptPhase.UNKNOWN
    assert isinstance(change.queue, Requeue)
    assert change.queue.work is Work.RESOLVE


def test_a_provider_that_asks_for_patience_is_asked_later() -> None:
    change = answered(
        *unknown(), Deferred(failure=ProviderFailure(error=DeliveryError.RATE_LIMITED), retry_after_seconds=600)
    )
    assert change.queue == Requeue(work=Work.RESOLVE, due_at=NOW + timedelta(seconds=600))


def test_a_record_that_is_found_is_adopted_with_what_it_says() -> None:
    seen = ProviderMessage(
        provider_message_id="p-9",
        provider_status="delivered",
        status=MessageStatus.DELIVERED,
        price=Price(amount=Decimal("0.01"), currency="USD"),
        segments=2,
    )
    change = found(*unknown(), seen, now=NOW, capabilities=SEARCHED, policy=POLICY)
    assert (change.status, change.event.reason, change.queue) == (
        MessageStatus.DELIVERED,
        EventReason.FOUND,
        LeaveQueue(),
    )
    assert change.attempt is not None
    assert (change.attempt.phase, change.attempt.provider_message_id) == (AttemptPhase.ACCEPTED, "p-9")
    assert change.billing is not None
    assert change.billing.segments == 2


def test_what_is_sent_stays_in_the_queue_where_its_provider_can_be_asked_later() -> None:
    seen = ProviderMessage(provider_message_id="p-9", provider_status="sent")
    change = found(*unknown(), seen, now=NOW, capabilities=FETCHED, policy=POLICY)
    assert change.queue == Requeue(work=Work.RECONCILE, due_at=NOW + timedelta(hours=1), tries=0)


def test_absence_proves_nothing_while_the_request_may_be_on_its_way_or_the_records_lag() -> None:
    change = looked(*unknown(), seconds=104)
    assert (change.status, change.event.reason) == (MessageStatus.SENDING, EventReason.NOT_FOUND)
    assert change.attempt is not None
    assert change.attempt.absent_since is None


def test_absence_counts_when_it_is_seen_twice_some_time_apart() -> None:
    message, attempt = unknown()
    first = looked(message, attempt, seconds=105)
    assert first.queue == Requeue(work=Work.RESOLVE, due_at=CONCLUSIVE + timedelta(seconds=30))
    message, attempt = after(first, message)
    assert attempt.absent_since == CONCLUSIVE
    early = looked(message, attempt, seconds=134)
    assert (early.status, early.queue) == (MessageStatus.SENDING, first.queue)
    second = looked(message, attempt, seconds=135)
    assert (second.status, second.event.reason) == (MessageStatus.QUEUED, EventReason.PROVEN_NOT_SENT)
    assert second.attempt is not None
    assert second.attempt.phase is AttemptPhase.NOT_SENT


def test_a_resend_begins_the_wait_for_absence_anew() -> None:
    message, attempt = unknown()
    change = looked(message, replace(attempt, resent_at=NOW + timedelta(seconds=60)), seconds=164)
    assert change.attempt is not None
    assert change.attempt.absent_since is None


def test_an_unclear_record_never_counts_as_absence() -> None:
    message, attempt = unknown()
    change = looked(message, replace(attempt, absent_since=NOW), seconds=500, sighting=Sighting.UNCLEAR)
    assert (change.status, change.event.reason) == (MessageStatus.SENDING, EventReason.NO_ANSWER)


def test_absence_that_was_looked_for_under_an_older_fence_decides_nothing() -> None:
    message, attempt = unknown()
    change = looked(message, replace(attempt, absent_since=NOW), seconds=500, fence=8)
    assert (change.event.reason, change.queue) == (EventReason.ALREADY_SETTLED, None)


def test_after_the_last_question_the_guarantee_decides_once_the_wait_for_reports_is_over() -> None:
    message, attempt = unknown()
    spent = replace(attempt, inquiries=6)
    change = unanswered(message, spent, NoAnswer(reason="HTTP 500"), fence=9, now=NOW, policy=POLICY)
    assert change.queue == Requeue(work=Work.RESOLVE, due_at=NOW + timedelta(seconds=120))
    message, attempt = after(change, message)
    assert given_up(message, attempt).status is MessageStatus.UNCONFIRMED


def test_a_fenced_workers_deferral_does_not_end_a_question_that_went_out_meanwhile() -> None:
    message, attempt = unknown()
    change = settle(message, attempt, DEFERRED, fence=7, tries=0, now=NOW, jitter=0.5, policy=POLICY, crashes=1)
    assert change.attempt == attempt
    assert change.queue is None


def test_a_message_that_three_workers_died_over_is_set_aside_and_can_be_redriven() -> None:
    change = begin(QUEUED, provider="acme", fence=7, now=NOW, lease=timedelta(seconds=45), poisoned=True)
    assert (change.status, change.error, change.queue) == (MessageStatus.FAILED, DeliveryError.POISON, LeaveQueue())
    again = redrive(change.apply_to(QUEUED), now=NOW)
    assert again is not None
    assert (again.status, again.event.reason) == (MessageStatus.QUEUED, EventReason.REDRIVEN)
    assert redrive(change.apply_to(QUEUED), now=QUEUED.expires_at) is None
    assert redrive(QUEUED, now=NOW) is None


def test_a_message_whose_worker_died_goes_out_alone() -> None:
    message, attempt = sending(replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE))
    message, attempt = after(rescue(message, attempt, fence=8, now=NOW, policy=POLICY, crashes=0), message)
    change = given_up(message, attempt, crashes=1)
    assert change.queue == Requeue(work=Work.SEND_ALONE, due_at=LATER)


def test_records_that_do_not_show_it_clear_the_message_of_nothing() -> None:
    message, attempt = unknown()
    change = looked(message, replace(attempt, absent_since=NOW), seconds=1_000, crashes=1)
    assert isinstance(change.queue, Requeue)
    assert (change.queue.work, change.queue.crashes) == (Work.SEND_ALONE, 1)
