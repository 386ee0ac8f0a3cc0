"""Whether two copies may have left: what sets the flag, what takes it back, and what a second copy never comes of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from app.domain.change import EventReason, LeaveQueue, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import begin, report, settle
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
from app.domain.provider import Capabilities, SendOutcome
from app.domain.resolving import rescue
from app.domain.status import MessageStatus
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
    settled,
)

AT_LEAST_ONCE: Final = replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
ASKABLE: Final = (
    Capabilities(idempotency_window=timedelta(hours=24)),
    Capabilities(reference_search=True),
    Capabilities(recipient_search=True),
)


def doubted() -> tuple[MessageState, AttemptState]:
    """A message that waits to be sent a second time, and its first attempt, which was given up."""
    message, attempt = sending(AT_LEAST_ONCE)
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    return after(given_up(message, attempt), message)


def both_doubted() -> tuple[MessageState, AttemptState, AttemptState]:
    """A message of whose two copies nothing is known, and both attempts."""
    message, first = doubted()
    message, second = sending(message)
    message, second = after(settled(message, second, UNKNOWN), message)
    message, second = after(given_up(message, second), message)
    return message, first, second


@pytest.mark.parametrize("capabilities", ASKABLE)
def test_a_provider_that_can_be_asked_gets_no_second_copy_because_it_did_not_answer(
    capabilities: Capabilities,
) -> None:
    message, attempt = sending(AT_LEAST_ONCE)
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    change = given_up(message, attempt, capabilities=capabilities)
    assert (change.status, change.error) == (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)
    assert (change.possible_duplicate, change.queue) == (False, LeaveQueue())


@pytest.mark.parametrize("guarantee", list(DeliveryGuarantee))
def test_reports_are_waited_for_even_where_nothing_can_be_asked_any_more(guarantee: DeliveryGuarantee) -> None:
    message, attempt = sending(replace(QUEUED, delivery_guarantee=guarantee))
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    change = given_up(message, attempt, now=LATER - timedelta(seconds=1), capabilities=ASKABLE[0])
    assert (change.status, change.event.reason) == (MessageStatus.SENDING, EventReason.OUTCOME_UNKNOWN)
    assert change.queue == Requeue(work=Work.RESOLVE, due_at=LATER)
    assert change.attempt == attempt


def test_the_first_copy_being_taken_is_enough_when_nothing_is_known_of_the_second() -> None:
    message, first, _second = both_doubted()
    assert message.status is MessageStatus.UNCONFIRMED
    for change in (report(message, first, said(MessageStatus.SENT)), settled(message, first, ACCEPTED)):
        assert (change.status, change.error, change.possible_duplicate) == (MessageStatus.SENT, None, True)


def test_the_first_copy_being_taken_while_the_second_is_on_its_way_counts_as_much() -> None:
    message, first = doubted()
    message, second = sending(message)
    message, _ = after(report(message, first, said(MessageStatus.QUEUED)), message)
    assert (message.status, message.possible_duplicate) == (MessageStatus.SENT, True)
    change = settled(message, second, UNKNOWN)
    assert (change.status, change.queue, change.possible_duplicate) == (MessageStatus.SENT, None, True)


@pytest.mark.parametrize("outcome", [DEFERRED, REJECTED])
def test_a_second_copy_that_was_not_taken_is_none(outcome: SendOutcome) -> None:
    message, first = doubted()
    message, second = sending(message)
    refused = settled(message, second, outcome, tries=5)
    assert (refused.status, refused.possible_duplicate) == (MessageStatus.UNCONFIRMED, False)
    message, _ = after(report(message, first, said(MessageStatus.SENT)), message)
    change = settled(message, second, outcome, tries=5)
    assert (change.status, change.error, change.possible_duplicate) == (MessageStatus.SENT, None, False)


def test_a_second_copy_that_is_to_be_tried_again_is_still_to_come() -> None:
    message, _ = doubted()
    change = settled(*sending(message), DEFERRED)
    assert (change.status, change.possible_duplicate) == (MessageStatus.QUEUED, True)


@pytest.mark.parametrize("poisoned", [False, True])
def test_a_second_copy_that_never_begins_is_none(poisoned: bool) -> None:
    message, _ = doubted()
    now = NOW if poisoned else message.expires_at
    change = begin(message, provider="acme", fence=9, now=now, lease=timedelta(seconds=45), poisoned=poisoned)
    assert (change.status, change.possible_duplicate) == (MessageStatus.UNCONFIRMED, False)


def test_a_late_acceptance_before_the_second_copy_leaves_stops_it() -> None:
    message, first = doubted()
    change = settled(message, first, ACCEPTED)
    assert (change.status, change.queue, change.possible_duplicate) == (MessageStatus.SENT, LeaveQueue(), False)


@pytest.mark.parametrize("status", [MessageStatus.EXPIRED, MessageStatus.FAILED, MessageStatus.UNDELIVERED])
def test_a_bad_report_on_the_first_copy_before_the_second_leaves_ends_the_doubt_and_stops_it(
    status: MessageStatus,
) -> None:
    message, attempt = doubted()
    change = report(message, attempt, said(status))
    assert (change.status, change.event.applied, change.possible_duplicate) == (status, True, False)


def test_a_report_of_a_second_copy_that_was_deferred_keeps_both_in_doubt() -> None:
    message, _ = doubted()
    message, second = sending(message)
    message, second = after(settled(message, second, DEFERRED), message)
    change = report(message, second, said(MessageStatus.SENT))
    assert (change.status, change.possible_duplicate) == (MessageStatus.SENT, True)


@pytest.mark.parametrize(("outcome", "phase"), [(DEFERRED, AttemptPhase.NOT_SENT), (REJECTED, AttemptPhase.REJECTED)])
def test_a_first_copy_that_turns_out_not_to_have_been_taken_leaves_one(
    outcome: SendOutcome, phase: AttemptPhase
) -> None:
    message, first = doubted()
    waiting = settled(message, first, outcome)
    assert (waiting.status, waiting.possible_duplicate) == (MessageStatus.QUEUED, False)
    assert waiting.attempt is not None
    assert waiting.attempt.phase is phase
    message, first, second = both_doubted()
    message, _ = after(settled(message, first, outcome), message)
    assert (message.status, message.possible_duplicate) == (MessageStatus.UNCONFIRMED, False)
    assert settled(message, second, outcome).status is MessageStatus.FAILED


def test_a_refusal_that_changes_nothing_leaves_the_error_as_it_is() -> None:
    message, first = doubted()
    message, second = sending(message)
    message, _ = after(report(message, first, said(MessageStatus.DELIVERED)), message)
    change = settled(message, second, REJECTED)
    assert (change.status, change.event.error, change.error) == (MessageStatus.DELIVERED, DeliveryError.LANDLINE, None)


def test_a_fenced_worker_that_sent_nothing_leaves_the_flag_to_the_copy_that_is_still_to_come() -> None:
    message, _ = doubted()
    message, second = sending(message)
    message, second = after(rescue(message, second, fence=8, now=NOW, policy=POLICY, crashes=0), message)
    change = settle(message, second, DEFERRED, fence=7, tries=0, now=NOW, jitter=0.5, policy=POLICY, crashes=1)
    assert (change.status, change.possible_duplicate) == (MessageStatus.QUEUED, True)
