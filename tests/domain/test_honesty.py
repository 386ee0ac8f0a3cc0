"""What a message is never said to be: not sent, where only its second copy was not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.delivery_errors import DeliveryError
from app.domain.inquiry import Inquiry
from app.domain.lifecycle import begin
from app.domain.message import AttemptState, DeliveryGuarantee, MessageState
from app.domain.provider import ProviderFailure, Rejected, SendOutcome
from app.domain.resolving import ask
from app.domain.status import MessageStatus
from app.domain.waiting import cancel
from tests.domain.lives import DEFERRED, NOW, QUEUED, REJECTED, UNKNOWN, after, given_up, sending, settled


def resent() -> MessageState:
    """A message whose first copy may have been taken and whose second is due."""
    message, attempt = sending(replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE))
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, _ = after(given_up(message, attempt), message)
    assert message.possible_duplicate
    return message


def test_a_second_copy_that_expires_leaves_the_message_unconfirmed() -> None:
    message = resent()
    change = begin(message, provider="acme", fence=9, now=message.expires_at, lease=timedelta(seconds=45))
    assert (change.status, change.error) == (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)


@pytest.mark.parametrize(("outcome", "tries"), [(REJECTED, 0), (DEFERRED, 5)])
def test_a_second_copy_that_is_refused_leaves_the_message_unconfirmed(outcome: SendOutcome, tries: int) -> None:
    message, attempt = sending(resent())
    change = settled(message, attempt, outcome, tries=tries)
    assert (change.status, change.error) == (MessageStatus.UNCONFIRMED, DeliveryError.OUTCOME_UNKNOWN)


@pytest.mark.parametrize("outcome", [REJECTED, DEFERRED])
def test_a_late_word_that_it_was_never_taken_ends_the_doubt(outcome: SendOutcome) -> None:
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, attempt = after(given_up(message, attempt), message)
    assert message.status is MessageStatus.UNCONFIRMED
    assert settled(message, attempt, outcome).status is MessageStatus.FAILED


def asked_again() -> tuple[MessageState, AttemptState]:
    """A message that went out twice under one idempotency key, and no answer came."""
    message, attempt = sending()
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    change = ask(message, attempt, Inquiry.RESEND, fence=9, now=NOW, lease=timedelta(seconds=45), worker=None)
    return after(change, message)


OUT_OF_CREDIT = Rejected(failure=ProviderFailure(error=DeliveryError.PROVIDER_BALANCE))


@pytest.mark.parametrize("outcome", [OUT_OF_CREDIT, DEFERRED])
def test_that_the_first_request_was_not_taken_says_nothing_of_its_resend(outcome: SendOutcome) -> None:
    message, attempt = asked_again()
    change = settled(message, attempt, outcome)
    assert change.status is MessageStatus.SENDING
    assert change.attempt is not None
    assert change.attempt.phase.is_open
    message, attempt = after(given_up(message, attempt), message)
    assert settled(message, attempt, outcome).status is MessageStatus.UNCONFIRMED


def test_a_second_copy_that_was_not_taken_says_nothing_of_the_first_even_when_it_is_withdrawn() -> None:
    message, attempt = sending(resent())
    message, attempt = after(settled(message, attempt, DEFERRED), message)
    withdrawn = cancel(message, leased=False)
    assert withdrawn is not None
    # The worker did not hear that its result was written, and writes it once more.
    change = settled(withdrawn.apply_to(message), attempt, DEFERRED)
    assert change.status is MessageStatus.UNCONFIRMED
