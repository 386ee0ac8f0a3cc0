"""What a message is never said to be: not sent, where only its second copy was not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import begin
from app.domain.message import DeliveryGuarantee, MessageState
from app.domain.provider import SendOutcome
from app.domain.resolving import resolve
from app.domain.status import MessageStatus
from tests.domain.lives import DEFERRED, NOW, QUEUED, REJECTED, UNKNOWN, after, sending, settled


def resent() -> MessageState:
    """A message whose first copy may have been taken and whose second is due."""
    message, attempt = sending(replace(QUEUED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE))
    message, attempt = after(settled(message, attempt, UNKNOWN), message)
    message, _ = after(resolve(message, attempt, now=NOW), message)
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
    message, attempt = after(resolve(message, attempt, now=NOW), message)
    assert message.status is MessageStatus.UNCONFIRMED
    assert settled(message, attempt, outcome).status is MessageStatus.FAILED
