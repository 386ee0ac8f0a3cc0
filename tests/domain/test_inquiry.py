"""What is asked about an attempt of unknown outcome, and what a provider's records prove."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from app.domain.evidence import ProviderMessage
from app.domain.inquiry import Inquiry, InquiryPolicy, Sighting, judge, next_inquiry, search_span
from app.domain.message import AttemptPhase, AttemptState
from app.domain.provider import Capabilities, SendRequest
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus
from tests.domain.lives import NOW

POLICY: Final = InquiryPolicy()
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
    given: dict[str, Any] = {"now": NOW + timedelta(seconds=5), "worth_sending": True, "crashes": 0, **change}
    return next_inquiry(attempt, capabilities, policy=POLICY, **given)


def judged(inquiry: Inquiry, *found: ProviderMessage, bound: tuple[str, ...] = ()) -> ProviderMessage | Sighting:
    return judge(found, inquiry, REF, ATTEMPT, SEND, bound=bound, policy=POLICY)


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
    assert (asked(KEY, worth_sending=False), asked(KEY, now=late), asked(KEY, crashes=3)) == (None, None, None)
    assert asked(BOTH, worth_sending=False) is Inquiry.REFERENCE


@pytest.mark.parametrize(("lease_seconds", "last_seconds"), [(45, 60), (120, 135)])
def test_a_resend_that_leaves_as_its_lease_ends_still_finds_its_key(lease_seconds: int, last_seconds: int) -> None:
    policy = InquiryPolicy(on_its_way=timedelta(seconds=lease_seconds))
    ends_at = NOW + timedelta(hours=24) - timedelta(seconds=last_seconds)

    def asked_at(now: datetime) -> Inquiry | None:
        return next_inquiry(ATTEMPT, KEY, now=now, worth_sending=True, crashes=0, policy=policy)

    assert asked_at(ends_at - timedelta(seconds=1)) is Inquiry.RESEND
    assert asked_at(ends_at) is None


def test_a_provider_that_answers_no_resend_is_searched_where_it_can_be() -> None:
    assert asked(BOTH, replace(ATTEMPT, inquiries=4)) is Inquiry.REFERENCE


def test_after_the_last_question_the_guarantee_decides() -> None:
    assert asked(KEY, replace(ATTEMPT, inquiries=len(POLICY.delays_seconds))) is None


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
