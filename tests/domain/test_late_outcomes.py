"""What a worker says that was taken for dead: it is evidence of its own attempt, and clears the message of nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.change import Change, EventReason, LeaveQueue, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.inquiry import Inquiry
from app.domain.lifecycle import settle
from app.domain.message import AttemptPhase, AttemptState, MessageState
from app.domain.provider import Deferred, SendOutcome
from app.domain.resolving import ask, rescue
from app.domain.status import MessageStatus
from tests.domain.lives import (
    ACCEPTED,
    DEFERRED,
    FAILURE,
    NOW,
    POLICY,
    QUEUED,
    THROTTLED,
    UNKNOWN,
    after,
    sending,
    settled,
)


def rescued(message: MessageState = QUEUED) -> tuple[MessageState, AttemptState]:
    """A message that was taken over from the worker with fence 7."""
    message, attempt = sending(message)
    return after(rescue(message, attempt, fence=8, now=NOW, policy=POLICY, crashes=0), message)


def told_late(outcome: SendOutcome, *, tries: int = 0, jitter: float = 0.5) -> Change:
    """What that worker's outcome changes, once a crash is counted for it."""
    return settle(*rescued(), outcome, fence=7, tries=tries, now=NOW, jitter=jitter, policy=POLICY, crashes=1)


def test_an_acceptance_is_evidence() -> None:
    change = told_late(ACCEPTED)
    assert (change.status, change.queue) == (MessageStatus.SENT, LeaveQueue())


@pytest.mark.parametrize(
    ("outcome", "tries", "waited", "used"),
    [
        pytest.param(DEFERRED, 0, 0.5, 1, id="half of the first wait"),
        pytest.param(DEFERRED, 4, 150, 5, id="half of the fifth wait"),
        pytest.param(Deferred(failure=FAILURE, retry_after_seconds=40), 0, 40, 1, id="told when"),
        pytest.param(Deferred(failure=THROTTLED, retry_after_seconds=40), 2, 40, 2, id="throttled and told when"),
        pytest.param(Deferred(failure=THROTTLED), 2, 1, 2, id="throttled"),
        pytest.param(Deferred(failure=THROTTLED, retry_after_seconds=1e9), 0, 900, 0, id="told nonsense"),
    ],
)
def test_that_nothing_was_sent_lets_it_be_tried_again_after_the_wait_of_any_other_try(
    outcome: Deferred, tries: int, waited: float, used: int
) -> None:
    change = told_late(outcome, tries=tries)
    assert (change.status, change.event.reason) == (MessageStatus.QUEUED, EventReason.RETRY)
    due_at = NOW + timedelta(seconds=waited)
    assert change.queue == Requeue(work=Work.SEND_ALONE, due_at=due_at, tries=used, crashes=1)
    assert change.attempt is not None
    assert change.attempt.phase is AttemptPhase.NOT_SENT


def test_that_nothing_was_sent_at_the_last_try_is_the_end() -> None:
    change = told_late(DEFERRED, tries=5)
    assert (change.status, change.error) == (MessageStatus.FAILED, DeliveryError.PROVIDER_UNAVAILABLE)
    assert (change.queue, change.event.reason) == (LeaveQueue(), EventReason.GAVE_UP)


def test_that_nothing_was_sent_counts_no_more_once_the_provider_was_asked() -> None:
    message, attempt = rescued()
    change = ask(message, attempt, Inquiry.RESEND, fence=9, now=NOW, lease=timedelta(seconds=45), worker=None)
    message, attempt = after(change, message)
    change = settled(message, attempt, DEFERRED, fence=7)
    assert (change.status, change.queue, change.attempt) == (MessageStatus.SENDING, None, attempt)
    assert change.event.reason is EventReason.ALREADY_SETTLED


def test_that_nobody_knows_leaves_the_wait_for_evidence_as_it_is() -> None:
    change = told_late(UNKNOWN)
    assert (change.status, change.queue) == (MessageStatus.SENDING, None)
