"""What certainly was not sent goes out from another member of its pool, once from each, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.change import EventReason, Requeue, Route, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.failover import (
    RULES,
    Choice,
    Departure,
    RulesOut,
    Standing,
    elsewhere,
    failed_over,
    may_move,
    moved,
    moves_at_once,
    seeks_another,
)
from app.domain.lifecycle import report
from app.domain.message import AttemptPhase, MessageState
from app.domain.pools import Member
from app.domain.provider import Deferred, ProviderFailure, Rejected, SendOutcome
from app.domain.sender import SenderType
from app.domain.status import MessageStatus
from tests.domain.lives import ACCEPTED, DEFERRED, NOW, QUEUED, REJECTED, UNKNOWN, after, said, sending, settled

US, UK = "+12025550143", "+447700900123"


def member(number: int, provider: str, **given: Any) -> Member:
    known: dict[str, Any] = {
        "sender_id": UUID(int=number),
        "address": f"+1202555010{number}",
        "number_type": SenderType.TEN_DLC,
        "provider": provider,
        "weight": 1.0,
        "countries": None,
        "place": None,
    }
    return Member(**{**known, **given})


A1, A2, B1 = member(1, "a"), member(2, "a"), member(3, "b")
POOL = Choice(pool_id=UUID(int=9), members=(A1, A2, B1), match_area=False)
LEFT_A1 = Departure(sender=A1.address)
REFUSED_A1 = Departure(sender=A1.address, provider="a", error=DeliveryError.PROVIDER_BALANCE)
BARRED_A1 = Departure(sender=A1.address, provider="a", error=DeliveryError.SENDER_NOT_ALLOWED)


def refusal(error: DeliveryError) -> Rejected:
    return Rejected(failure=ProviderFailure(error=error))


@pytest.mark.parametrize(
    ("departures", "standing", "able"),
    [
        ([], Standing(), {A1, A2, B1}),
        ([LEFT_A1], Standing(), {A2, B1}),
        ([LEFT_A1], Standing(shut=frozenset("a")), {B1}),
        ([LEFT_A1], Standing(shut=frozenset("b")), {A2}),
        ([LEFT_A1], Standing(shut=frozenset("ab")), {None}),
        ([BARRED_A1], Standing(), {A2, B1}),
        ([REFUSED_A1], Standing(), {B1}),
        ([REFUSED_A1, Departure(sender=B1.address)], Standing(), {None}),
    ],
)
def test_a_message_goes_to_a_member_that_it_has_not_left_and_whose_provider_is_well(
    departures: list[Departure], standing: Standing, able: set[Member | None]
) -> None:
    chosen = {
        elsewhere(POOL, f"+1202555{number:04}", departures=departures, standing=standing) for number in range(100, 200)
    }
    assert chosen == able


def test_a_message_goes_only_to_a_member_that_may_send_to_its_recipient() -> None:
    assert elsewhere(POOL, UK, departures=[LEFT_A1], standing=Standing()) is None
    drained = replace(POOL, members=(A1, replace(B1, weight=0)))
    assert elsewhere(drained, US, departures=[LEFT_A1], standing=Standing()) is None
    paused = replace(POOL, members=(A1, B1), paused={B1.sender_id})
    assert elsewhere(paused, US, departures=[LEFT_A1], standing=Standing()) is None


@pytest.mark.parametrize(
    ("change", "newest", "may"),
    [
        ({}, None, True),
        ({}, AttemptPhase.NOT_SENT, True),
        ({}, AttemptPhase.REJECTED, True),
        ({"possible_duplicate": True}, AttemptPhase.ABANDONED, True),
        ({}, AttemptPhase.STARTED, False),
        ({}, AttemptPhase.UNKNOWN, False),
        ({}, AttemptPhase.ACCEPTED, False),
        ({"status": MessageStatus.SCHEDULED}, None, True),
        ({"status": MessageStatus.SENDING}, AttemptPhase.NOT_SENT, False),
        ({"status": MessageStatus.CANCELED}, None, False),
        ({"expires_at": NOW}, None, False),
    ],
)
def test_only_what_waits_and_certainly_was_not_sent_may_move(
    change: dict[str, Any], newest: AttemptPhase | None, may: bool
) -> None:
    assert may_move(replace(QUEUED, **change), newest, now=NOW) is may


@pytest.mark.parametrize(("waits_seconds", "due_seconds"), [(60, 0), (0, 0), (-30, -30)])
def test_what_moved_is_due_at_once_or_keeps_its_place_among_what_is_due(waits_seconds: int, due_seconds: int) -> None:
    due_at = NOW + timedelta(seconds=waits_seconds)
    change = moved(QUEUED, B1, from_sender=A1.address, due_at=due_at, now=NOW)
    assert change.route == Route(sender_id=B1.sender_id, sender=B1.address, provider="b")
    assert change.queue == Requeue(work=Work.SEND, due_at=NOW + timedelta(seconds=due_seconds))
    event = change.event
    assert (event.reason, event.applied, event.status) == (EventReason.FAILED_OVER, False, MessageStatus.QUEUED)
    assert (event.from_sender, event.to_sender, event.attempt) == (A1.address, B1.address, None)
    assert replace(change.apply_to(QUEUED), sequence=QUEUED.sequence) == QUEUED


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (ACCEPTED, None),
        (UNKNOWN, None),
        (REJECTED, None),
        (DEFERRED, DeliveryError.PROVIDER_UNAVAILABLE),
        (Deferred(failure=ProviderFailure(error=DeliveryError.RATE_LIMITED)), None),
        (Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED)), None),
        (Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_MISSING)), DeliveryError.PROVIDER_MISSING),
        (refusal(DeliveryError.PROVIDER_BALANCE), DeliveryError.PROVIDER_BALANCE),
        (refusal(DeliveryError.PROVIDER_CREDENTIALS), DeliveryError.PROVIDER_CREDENTIALS),
        (refusal(DeliveryError.SENDER_NOT_ALLOWED), DeliveryError.SENDER_NOT_ALLOWED),
        (refusal(DeliveryError.CONTENT_FILTERED), None),
    ],
)
def test_a_failure_that_is_not_the_messages_own_seeks_another_member(
    outcome: SendOutcome, error: DeliveryError | None
) -> None:
    message, attempt = sending()
    assert seeks_another(message, outcome, settled(message, attempt, outcome)) is error


def test_a_result_that_comes_too_late_to_decide_anything_seeks_nobody() -> None:
    message, attempt = sending()
    canceled = replace(message, status=MessageStatus.CANCELED)
    for outcome in (DEFERRED, refusal(DeliveryError.PROVIDER_BALANCE)):
        assert seeks_another(canceled, outcome, settled(canceled, attempt, outcome)) is None
        asked = replace(attempt, phase=AttemptPhase.UNKNOWN, inquiries=1)
        assert seeks_another(message, outcome, settled(message, asked, outcome, fence=6)) is None


@pytest.mark.parametrize("error", RULES)
def test_only_an_unreachable_provider_is_tried_again_before_its_circuit_opens(error: DeliveryError) -> None:
    assert moves_at_once(error, "a", Standing(failing=frozenset("a")))
    assert moves_at_once(error, "a", Standing()) is (RULES[error] is not RulesOut.CIRCUIT)


def sent_on(message: MessageState, outcome: Rejected | Deferred, *, tries: int) -> MessageState:
    state, attempt = sending(message)
    usual = settled(state, attempt, outcome, tries=tries)
    change = failed_over(state, outcome, usual, B1, from_sender=A1.address, tries=tries, crashes=0, now=NOW)
    assert change.route is not None
    assert change.attempt is not None
    assert not change.attempt.phase.is_open
    assert change.event.error is outcome.failure.error
    assert change.queue == Requeue(work=Work.SEND, due_at=NOW, tries=tries + isinstance(outcome, Deferred), crashes=0)
    return after(change, state)[0]


def test_a_refusal_by_the_account_is_not_the_end_where_another_member_is_left() -> None:
    message = sent_on(QUEUED, refusal(DeliveryError.PROVIDER_BALANCE), tries=2)
    assert (message.status, message.error, message.attempts) == (MessageStatus.QUEUED, None, 1)


def test_a_send_that_found_no_connection_goes_on_at_once_and_has_used_up_a_try() -> None:
    message = sent_on(QUEUED, DEFERRED, tries=0)
    assert (message.status, message.error) == (MessageStatus.QUEUED, None)


def test_a_second_copy_stays_flagged_where_it_goes_another_way() -> None:
    assert sent_on(replace(QUEUED, possible_duplicate=True), DEFERRED, tries=0).possible_duplicate


@pytest.mark.parametrize(
    ("status", "reached", "reason"),
    [
        (MessageStatus.DELIVERED, MessageStatus.DELIVERED, None),
        (MessageStatus.SENT, MessageStatus.SENT, None),
        (MessageStatus.FAILED, MessageStatus.QUEUED, EventReason.SUPERSEDED_ATTEMPT),
        (MessageStatus.UNDELIVERED, MessageStatus.QUEUED, EventReason.SUPERSEDED_ATTEMPT),
    ],
)
def test_a_bad_report_on_what_goes_another_way_changes_nothing_though_that_has_not_begun(
    status: MessageStatus, reached: MessageStatus, reason: EventReason | None
) -> None:
    outcome = refusal(DeliveryError.PROVIDER_BALANCE)
    state, attempt = sending()
    usual = settled(state, attempt, outcome)
    change = failed_over(state, outcome, usual, B1, from_sender=A1.address, tries=0, crashes=0, now=NOW)
    waiting, attempt = after(change, state)
    for _ in range(2):
        change = report(waiting, attempt, said(status))
        waiting, attempt = after(change, waiting)
        assert waiting.status is reached
        assert change.event.reason in {reason, EventReason.DUPLICATE}
