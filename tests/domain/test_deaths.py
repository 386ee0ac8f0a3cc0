"""What counts against a message over which workers died, what clears it, and what it takes to be set aside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from app.domain.change import Change, Requeue, Work
from app.domain.conclusions import NOTHING_OFFERED
from app.domain.inquiry import Inquiry
from app.domain.lifecycle import begin, give_back, settle
from app.domain.message import AttemptState, MessageState
from app.domain.provider import Capabilities, Deferred, SendOutcome
from app.domain.resolving import ask, rescue, resent
from app.domain.waiting import redrive
from tests.domain.lives import DEFERRED, NOW, POLICY, QUEUED, THROTTLED, UNKNOWN, after, sending

KEY: Final = Capabilities(idempotency_window=timedelta(hours=24))
NOT_TAKEN: Final = (DEFERRED, Deferred(failure=THROTTLED), Deferred(failure=THROTTLED, retry_after_seconds=40))
LEASE: Final = timedelta(seconds=45)


def sent(outcome: SendOutcome, *, crashes: int, message: MessageState = QUEUED) -> Change:
    """What a send's outcome changes that its worker has outlived, after so many deaths."""
    return settle(*sending(message), outcome, fence=7, tries=0, now=NOW, jitter=0.5, policy=POLICY, crashes=crashes)


def asked(inquiry: Inquiry = Inquiry.RESEND) -> tuple[MessageState, AttemptState]:
    """A message whose worker died, and that another one asks about."""
    message, attempt = sending()
    message, attempt = after(died(message, attempt, crashes=0), message)
    return after(ask(message, attempt, inquiry, fence=9, now=NOW, lease=LEASE, worker=3), message)


def died(message: MessageState, attempt: AttemptState, *, crashes: int, **given: Any) -> Change:
    """What is written when a worker died over it."""
    known = {"fence": attempt.fence + 1, "now": NOW, "policy": POLICY, "capabilities": NOTHING_OFFERED, **given}
    return rescue(message, attempt, crashes=crashes, **known)


def counted(change: Change) -> int | None:
    """How many deaths count from then on; None for as many as before."""
    assert isinstance(change.queue, Requeue)
    return change.queue.crashes


@pytest.mark.parametrize("outcome", NOT_TAKEN)
def test_that_nothing_was_taken_clears_a_message_of_no_death(outcome: Deferred) -> None:
    change = sent(outcome, crashes=2)
    assert isinstance(change.queue, Requeue)
    assert (change.queue.work, change.queue.crashes) == (Work.SEND_ALONE, 2)


@pytest.mark.parametrize("outcome", NOT_TAKEN)
def test_that_a_resend_was_not_taken_clears_a_message_of_no_death(outcome: Deferred) -> None:
    change = resent(*asked(), outcome, fence=9, now=NOW, capabilities=KEY, policy=POLICY)
    assert counted(change) is None


def test_a_worker_that_outlives_what_may_have_been_taken_clears_the_message_of_earlier_deaths() -> None:
    resend = resent(*asked(), UNKNOWN, fence=9, now=NOW, capabilities=KEY, policy=POLICY)
    assert (counted(sent(UNKNOWN, crashes=2)), counted(resend)) == (0, 0)


def test_a_message_that_kills_between_refusals_to_look_at_it_is_counted_up_to_its_end() -> None:
    message, crashes = QUEUED, 0
    for _ in range(POLICY.poison_crashes):
        change = sent(Deferred(failure=THROTTLED), crashes=crashes, message=message)
        message, crashes = change.apply_to(message), counted(change) or 0
        crashes = counted(died(*sending(message), crashes=crashes)) or 0
        message = replace(message, sequence=message.sequence + 1)
    assert crashes == POLICY.poison_crashes


def test_a_redriven_message_stays_alone_when_it_is_given_back_or_deferred_until_a_worker_has_outlived_it() -> None:
    poison = begin(QUEUED, provider="acme", fence=7, now=NOW, lease=LEASE, poisoned=True).apply_to(QUEUED)
    again = redrive(poison, now=NOW)
    assert again is not None
    assert again.queue == Requeue(work=Work.SEND_ALONE, due_at=NOW, crashes=1)
    message = again.apply_to(poison)
    for change in (
        give_back(*sending(message), now=NOW, crashes=1),
        sent(DEFERRED, crashes=1, message=message),
    ):
        assert isinstance(change.queue, Requeue)
        assert change.queue.work is Work.SEND_ALONE


@pytest.mark.parametrize(
    ("inquiries", "count"),
    [
        ((Inquiry.RESEND,), 2),
        ((Inquiry.REFERENCE,), None),
        ((Inquiry.RESEND, Inquiry.REFERENCE), None),
        ((Inquiry.REFERENCE, Inquiry.RESEND), 2),
    ],
)
def test_of_the_questions_only_the_one_that_its_worker_died_over_counts(
    inquiries: tuple[Inquiry, ...], count: int | None
) -> None:
    message, attempt = asked(inquiries[0])
    for inquiry in inquiries[1:]:
        change = ask(message, attempt, inquiry, fence=attempt.fence + 1, now=NOW, lease=LEASE, worker=3)
        message, attempt = after(change, message)
    assert counted(died(message, attempt, crashes=1, capabilities=KEY)) == count
