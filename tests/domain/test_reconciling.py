"""What looking up a message means that its provider has had for long, and when it is looked up again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest

from app.domain.change import Billing, Change, EventReason, EventSource, LeaveQueue, QueueStep, Requeue, Work
from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import Absent, FetchAnswer, NoAnswer, Price, ProviderMessage
from app.domain.lifecycle import report
from app.domain.message import AttemptState, MessageState
from app.domain.reconciling import looked_up
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.domain.lives import ACCEPTED, NOW, POLICY, QUEUED, after, said, sending, settled

PRICE: Final = Price(amount=Decimal("0.0075"), currency="USD")
SHOWN: Final = ProviderMessage(provider_message_id="p-1", provider_status="ok", status=MessageStatus.DELIVERED)
BILLED: Final = replace(SHOWN, price=PRICE, segments=1)
NEXT: Final = Requeue(work=Work.RECONCILE, due_at=NOW + timedelta(hours=5))
"""The second look, after the first."""

FIRST: Final = Requeue(work=Work.RECONCILE, due_at=NOW + timedelta(hours=1), tries=0)


def sent() -> tuple[MessageState, AttemptState]:
    message, attempt = sending()
    return after(settled(message, attempt, ACCEPTED), message)


def delivered(*, price: Price | None = None) -> tuple[MessageState, AttemptState]:
    message, attempt = sent()
    return after(report(message, attempt, replace(said(MessageStatus.DELIVERED), price=price)), message)


def look(message: MessageState, attempt: AttemptState, answer: FetchAnswer, *, looks: int = 1) -> Change:
    return looked_up(message, attempt, answer, looks=looks, now=NOW, policy=POLICY)


def test_a_record_counts_as_a_report_that_was_asked_for() -> None:
    change = look(*sent(), BILLED)
    assert (change.status, change.queue) == (MessageStatus.DELIVERED, LeaveQueue())
    assert (change.event.source, change.event.reason) == (EventSource.PROVIDER, EventReason.FETCHED)
    assert change.event.provider_status == "ok"
    assert change.billing == Billing(price=PRICE, segments=1)


def test_a_record_of_a_failure_says_why() -> None:
    lost = replace(BILLED, status=MessageStatus.UNDELIVERED, error=DeliveryError.LANDLINE, provider_code="3001")
    change = look(*sent(), lost)
    assert (change.status, change.error) == (MessageStatus.UNDELIVERED, DeliveryError.LANDLINE)
    assert change.event.provider_code == "3001"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (replace(BILLED, status=MessageStatus.SENT), EventReason.FETCHED),
        (replace(BILLED, status=None), EventReason.FETCHED),
        (Absent(), EventReason.NOT_FOUND),
        (NoAnswer(reason="HTTP 500"), EventReason.NO_ANSWER),
        (replace(BILLED, provider_message_id="p-2"), EventReason.NO_ANSWER),
        (replace(BILLED, attempt=AttemptRef(message_id=QUEUED.id, number=2)), EventReason.NO_ANSWER),
    ],
    ids=["nothing new", "a word without meaning", "absent", "no answer", "another message", "another attempt"],
)
@pytest.mark.parametrize(("looks", "queue"), [(1, NEXT), (4, LeaveQueue()), (9, LeaveQueue())])
def test_what_tells_nothing_new_is_written_down_and_asked_again_but_not_for_ever(
    answer: FetchAnswer, reason: EventReason, looks: int, queue: QueueStep
) -> None:
    change = look(*sent(), answer, looks=looks)
    assert (change.status, change.event.applied, change.event.reason) == (MessageStatus.SENT, False, reason)
    assert change.queue == queue


def test_a_final_message_without_a_price_is_looked_up_for_it() -> None:
    message, attempt = delivered()
    unpriced = look(message, attempt, SHOWN)
    assert (unpriced.event.applied, unpriced.event.reason, unpriced.queue) == (False, EventReason.FETCHED, NEXT)
    priced = look(message, attempt, BILLED)
    assert (priced.billing, priced.queue) == (Billing(price=PRICE, segments=1), LeaveQueue())


def test_a_record_that_has_fallen_behind_changes_no_status_and_fills_in_the_price() -> None:
    change = look(*delivered(), replace(BILLED, status=MessageStatus.SENT))
    assert (change.status, change.event.reason) == (MessageStatus.DELIVERED, EventReason.OUTRANKED)
    assert (change.billing, change.queue) == (Billing(price=PRICE, segments=1), LeaveQueue())


def test_a_provider_that_asks_for_patience_is_asked_later_within_reason() -> None:
    soon = replace(POLICY, reconcile_delays=(timedelta(seconds=1),) * 3)
    for asked_for, waited in ((60, 60), (1_000_000, 900)):
        answer = NoAnswer(reason="HTTP 429", retry_after_seconds=asked_for)
        change = looked_up(*sent(), answer, looks=1, now=NOW, policy=soon)
        assert change.queue == Requeue(work=Work.RECONCILE, due_at=NOW + timedelta(seconds=waited))


def test_a_webhook_that_delivers_leaves_the_price_to_be_asked_for() -> None:
    message, attempt = sent()
    change = report(message, attempt, said(MessageStatus.DELIVERED), follow_up=FIRST)
    assert change.queue == FIRST
    change = report(message, attempt, replace(said(MessageStatus.DELIVERED), price=PRICE), follow_up=FIRST)
    assert change.queue == LeaveQueue()


def test_a_price_that_was_told_before_or_comes_after_the_end_ends_the_questions() -> None:
    message, attempt = sent()
    told = report(message, attempt, replace(said(MessageStatus.SENT), price=PRICE), follow_up=FIRST)
    message, attempt = after(told, message)
    assert report(message, attempt, said(MessageStatus.DELIVERED), follow_up=FIRST).queue == LeaveQueue()
    late = report(*delivered(), replace(said(MessageStatus.DELIVERED), price=PRICE), follow_up=FIRST)
    assert (late.event.applied, late.queue) == (False, LeaveQueue())
