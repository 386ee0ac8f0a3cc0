"""What is asked about an attempt of unknown outcome, and what a provider's records prove."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from app.domain.evidence import ProviderMessage
from app.domain.inquiry import (
    Inquiry,
    InquiryPolicy,
    Sighting,
    judge,
    next_inquiry,
    next_look,
    search_span,
    waits_until,
)
from app.domain.message import AttemptPhase, AttemptState, DeliveryGuarantee, MessageState
from app.domain.provider import Capabilities, SendRequest
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.domain.lives import NOW, QUEUED

POLICY: Final = InquiryPolicy()
ASKED: Final = replace(QUEUED, status=MessageStatus.SENDING, attempts=1, expires_at=NOW + timedelta(hours=48))
STALE: Final = replace(ASKED, expires_at=NOW)
INSISTENT: Final = replace(ASKED, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
ATTEMPT: Final = AttemptState(number=1, phase=AttemptPhase.UNKNOWN, provider="acme", fence=7, started_at=NOW)
REF: Final = AttemptRef(message_id=UUID(int=1), number=1)
SEND: Final = SendRequest(
    sender="+12025550100", recipient="+12025550123", body="Hello", segments=1, validity_seconds=60
)
KEY: Final = Capabilities(idempotency_window=timedelta(hours=24))
REFERENCE: Final = Capabilities(reference_search=True)
RECIPIENT: Final = Capabilities(recipient_search=True)
BOTH: Final = Capabilities(idempotency_window=timedelta(hours=24), reference_search=True)
SEEN: Final = ProviderMessage(
    provider_message_id="p-1",
    provider_status="queued",
    sender="+12025550100",
    recipient="+12025550123",
    body="Hello",
    taken_at=NOW + timedelta(seconds=1),
)


def asked(capabilities: Capabilities, attempt: AttemptState = ATTEMPT, **change: Any) -> Inquiry | None:
    given: dict[str, Any] = {"now": NOW + timedelta(seconds=5), "crashes": 0, "policy": POLICY, **change}
    return next_inquiry(given.pop("message", ASKED), attempt, capabilities, **given)


def asked_next(message: MessageState, inquiries: int, *, now: datetime = NOW) -> timedelta:
    """How long after `now` the next question comes, after so many that did not tell."""
    attempt = replace(ATTEMPT, inquiries=inquiries)
    return next_look(message, attempt, now=now, evidence_wait=timedelta(seconds=120), policy=POLICY) - now


def judged(
    inquiry: Inquiry, *found: ProviderMessage, bound: tuple[str, ...] = (), rivals: tuple[AttemptState, ...] = ()
) -> ProviderMessage | Sighting:
    return judge(found, inquiry, REF, ATTEMPT, SEND, bound=bound, rivals=rivals, policy=POLICY)


@pytest.mark.parametrize(
    ("capabilities", "inquiry"),
    [
        (Capabilities(), None),
        (KEY, Inquiry.RESEND),
        (REFERENCE, Inquiry.REFERENCE),
        (RECIPIENT, Inquiry.RECIPIENT),
        (BOTH, Inquiry.RESEND),
        (Capabilities(reference_search=True, recipient_search=True), Inquiry.REFERENCE),
    ],
)
def test_the_cheapest_question_that_a_provider_offers_comes_first(
    capabilities: Capabilities, inquiry: Inquiry | None
) -> None:
    assert asked(capabilities) is inquiry


def test_nothing_is_resent_once_it_is_stale_or_its_key_has_run_out_or_it_kills_workers() -> None:
    late: datetime = NOW + timedelta(hours=24)
    assert (asked(KEY, message=STALE), asked(KEY, now=late), asked(KEY, crashes=3)) == (None, None, None)
    assert asked(BOTH, message=STALE) is Inquiry.REFERENCE


@pytest.mark.parametrize(("lease_seconds", "last_seconds"), [(45, 60), (120, 135)])
def test_a_resend_that_leaves_as_its_lease_ends_still_finds_its_key(lease_seconds: int, last_seconds: int) -> None:
    policy = InquiryPolicy(on_its_way=timedelta(seconds=lease_seconds))
    ends_at = NOW + timedelta(hours=24) - timedelta(seconds=last_seconds)
    assert asked(KEY, policy=policy, now=ends_at - timedelta(seconds=1)) is Inquiry.RESEND
    assert asked(KEY, policy=policy, now=ends_at) is None


def test_a_provider_that_answers_no_resend_is_searched_where_it_can_be() -> None:
    assert asked(BOTH, replace(ATTEMPT, inquiries=4)) is Inquiry.REFERENCE


def test_after_the_last_question_the_guarantee_decides() -> None:
    assert asked(KEY, replace(ATTEMPT, inquiries=len(POLICY.delays_seconds))) is None
    assert asked_next(ASKED, 6) == timedelta(seconds=120)


def test_an_absence_that_the_last_question_was_the_first_to_see_gets_its_second_look() -> None:
    seen_once = replace(ATTEMPT, inquiries=6, absent_since=NOW)
    assert asked(REFERENCE, seen_once) is Inquiry.REFERENCE
    assert asked(REFERENCE, replace(seen_once, inquiries=7)) is None


@pytest.mark.parametrize("capabilities", [KEY, REFERENCE, RECIPIENT])
def test_what_is_to_be_sent_at_least_once_is_asked_about_until_it_is_stale(capabilities: Capabilities) -> None:
    often = replace(ATTEMPT, inquiries=50)
    last_moment = INSISTENT.expires_at - timedelta(seconds=1)
    assert asked(capabilities, often, message=INSISTENT) is not None
    assert asked(capabilities, often, message=INSISTENT, now=INSISTENT.expires_at) is None
    assert asked(REFERENCE, often, message=INSISTENT, now=last_moment) is Inquiry.REFERENCE
    assert asked(KEY, often, message=INSISTENT, now=NOW + timedelta(hours=24)) is None


def test_whoever_is_asked_again_and_again_is_asked_less_and_less_often() -> None:
    waits = [asked_next(INSISTENT, inquiries).total_seconds() for inquiries in (0, 5, 6, 7, 8, 500)]
    assert waits == [2, 300, 600, 900, 900, 900]
    assert asked_next(INSISTENT, 8, now=INSISTENT.expires_at - timedelta(seconds=7)) == timedelta(seconds=7)


def test_nobody_is_asked_where_asking_is_turned_off() -> None:
    policy = InquiryPolicy(delays_seconds=())
    assert asked(KEY, message=INSISTENT, policy=policy) is None


def test_the_wait_for_reports_begins_when_a_request_may_last_have_left() -> None:
    wait = timedelta(seconds=120)
    assert waits_until(ATTEMPT, wait) == NOW + wait
    assert waits_until(replace(ATTEMPT, resent_at=NOW + wait), wait) == NOW + wait + wait
    assert waits_until(replace(ATTEMPT, started_at=None), wait) is None


def test_our_reference_proves_it_whatever_else_the_record_says() -> None:
    ours = replace(SEEN, attempt=REF, body="changed", sender=None)
    assert judged(Inquiry.REFERENCE, replace(SEEN, provider_message_id="p-2"), ours) == ours


def test_of_two_records_with_our_reference_the_one_that_got_further_counts() -> None:
    first, second = replace(SEEN, attempt=REF), replace(SEEN, attempt=REF, status=MessageStatus.DELIVERED)
    assert judged(Inquiry.REFERENCE, first, second) == second


def test_one_equal_text_at_that_time_is_it() -> None:
    assert judged(Inquiry.RECIPIENT, SEEN) == SEEN


@pytest.mark.parametrize(
    "others",
    [
        (),
        (replace(SEEN, recipient="+12025550199"),),
        (replace(SEEN, taken_at=NOW - timedelta(minutes=5)),),
        (replace(SEEN, taken_at=NOW + timedelta(minutes=5)),),
        (replace(SEEN, attempt=AttemptRef(message_id=UUID(int=2), number=1)),),
    ],
)
def test_records_that_cannot_be_it_are_nothing(others: tuple[ProviderMessage, ...]) -> None:
    assert judged(Inquiry.RECIPIENT, *others) is Sighting.NOTHING


def test_another_text_to_the_same_recipient_takes_nothing_from_the_one_that_is_equal() -> None:
    other = replace(SEEN, provider_message_id="p-2", body="Goodbye")
    assert judged(Inquiry.RECIPIENT, other, SEEN) == SEEN


def test_a_request_that_left_at_the_end_of_its_lease_is_searched_for_by_a_clock_that_is_a_minute_off() -> None:
    span = search_span(ATTEMPT, POLICY)
    assert span == (NOW - timedelta(seconds=60), NOW + timedelta(seconds=45 + 60))
    assert judged(Inquiry.RECIPIENT, late := replace(SEEN, taken_at=NOW + timedelta(seconds=104))) == late


def test_a_record_that_belongs_to_another_attempt_is_nothing() -> None:
    assert judged(Inquiry.RECIPIENT, SEEN, bound=("p-1",)) is Sighting.NOTHING


@pytest.mark.parametrize(
    ("rival", "seen"),
    [
        (replace(ATTEMPT, phase=AttemptPhase.STARTED, started_at=NOW), Sighting.UNCLEAR),
        (replace(ATTEMPT, phase=AttemptPhase.ABANDONED, started_at=NOW - timedelta(seconds=100)), Sighting.UNCLEAR),
        (replace(ATTEMPT, phase=AttemptPhase.ACCEPTED, started_at=None), Sighting.UNCLEAR),
        (replace(ATTEMPT, started_at=NOW - timedelta(hours=1), resent_at=NOW), Sighting.UNCLEAR),
        (replace(ATTEMPT, started_at=NOW - timedelta(hours=1)), SEEN),
        (replace(ATTEMPT, started_at=NOW + timedelta(hours=1)), SEEN),
    ],
)
def test_what_an_attempt_of_an_equal_text_may_own_is_not_adopted(
    rival: AttemptState, seen: ProviderMessage | Sighting
) -> None:
    assert judged(Inquiry.RECIPIENT, SEEN, rivals=(rival,)) == seen
    assert judged(Inquiry.REFERENCE, ours := replace(SEEN, attempt=REF), rivals=(rival,)) == ours


@pytest.mark.parametrize(
    "found",
    [
        (SEEN, replace(SEEN, provider_message_id="p-2")),
        (replace(SEEN, body="Hello, and reply STOP to opt out"),),
        (replace(SEEN, body=None),),
        (replace(SEEN, taken_at=None),),
        (replace(SEEN, sender="ACME"),),
    ],
)
def test_what_may_be_it_or_not_is_unclear_and_never_taken_for_nothing(found: tuple[ProviderMessage, ...]) -> None:
    assert judged(Inquiry.RECIPIENT, *found) is Sighting.UNCLEAR
