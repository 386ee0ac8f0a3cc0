"""How a provider's record of a message differs from ours, and what a day adds up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import pytest

from app.domain.auditing import MOST_LISTED, Difference, DifferenceKind, OurAttempt, compare, span_of
from app.domain.evidence import Price, ProviderMessage
from app.domain.ledger import Ledger
from app.domain.message import AttemptPhase
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus

NOON: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
REF: Final = AttemptRef(message_id=UUID(int=1), number=1)
PRICE: Final = Price(amount=Decimal("0.0075"), currency="USD")
OURS: Final = OurAttempt(
    ref=REF,
    phase=AttemptPhase.ACCEPTED,
    started_at=NOON,
    last_sent_at=NOON,
    status=MessageStatus.DELIVERED,
    is_newest=True,
    provider_message_id="p-1",
    segments=1,
    billed_segments=1,
    price=PRICE,
)
THEIRS: Final = ProviderMessage(
    provider_message_id="p-1",
    provider_status="ok",
    status=MessageStatus.DELIVERED,
    attempt=REF,
    taken_at=NOON,
    price=PRICE,
    segments=1,
)
UNKNOWN: Final = replace(OURS, phase=AttemptPhase.ABANDONED, status=MessageStatus.UNCONFIRMED, provider_message_id=None)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (THEIRS, OURS),
        (replace(THEIRS, price=Price(amount=Decimal("0.00750"), currency="USD")), OURS),
        (replace(THEIRS, price=None, segments=None), OURS),
        (THEIRS, replace(OURS, price=None, billed_segments=None)),
        (replace(THEIRS, status=None, provider_status="new word"), OURS),
        (replace(THEIRS, status=MessageStatus.QUEUED), replace(OURS, status=MessageStatus.SENT)),
        (replace(THEIRS, status=MessageStatus.FAILED), replace(OURS, is_newest=False)),
    ],
    ids=[
        "equal",
        "written otherwise",
        "unbilled there",
        "unbilled here",
        "no meaning",
        "both on the way",
        "superseded",
    ],
)
def test_what_does_not_contradict_is_no_difference(theirs: ProviderMessage, ours: OurAttempt) -> None:
    assert compare(theirs, ours) == ()


@pytest.mark.parametrize(
    ("theirs", "ours", "kind", "words"),
    [
        (THEIRS, None, DifferenceKind.UNKNOWN_TO_US, (None, "ok")),
        (replace(THEIRS, provider_message_id="p-2"), OURS, DifferenceKind.UNKNOWN_TO_US, (None, "ok")),
        (THEIRS, replace(OURS, status=MessageStatus.SENT), DifferenceKind.LAG, ("sent", "delivered")),
        (replace(THEIRS, status=MessageStatus.SENDING), OURS, DifferenceKind.LAG, ("delivered", "sent")),
        (replace(THEIRS, status=MessageStatus.FAILED), OURS, DifferenceKind.STATUS, ("delivered", "failed")),
        (THEIRS, replace(OURS, phase=AttemptPhase.REJECTED), DifferenceKind.STATUS, ("rejected", "delivered")),
        (
            THEIRS,
            replace(OURS, phase=AttemptPhase.NOT_SENT, is_newest=False),
            DifferenceKind.STATUS,
            ("not_sent", "delivered"),
        ),
        (
            replace(THEIRS, price=Price(amount=Decimal("0.01"), currency="USD")),
            OURS,
            DifferenceKind.PRICE,
            ("0.0075 USD", "0.01 USD"),
        ),
        (replace(THEIRS, segments=2), OURS, DifferenceKind.SEGMENTS, ("1", "2")),
        (THEIRS, UNKNOWN, DifferenceKind.FOUND, ("unconfirmed", "delivered")),
    ],
    ids=[
        "a stranger",
        "a second copy",
        "we lag",
        "they lag",
        "two ends",
        "refused here",
        "not sent here",
        "price",
        "segments",
        "found",
    ],
)
def test_a_difference_says_what_each_side_knows(
    theirs: ProviderMessage, ours: OurAttempt | None, kind: DifferenceKind, words: tuple[str | None, str]
) -> None:
    [difference] = compare(theirs, ours)
    assert (difference.kind, (difference.ours, difference.theirs)) == (kind, words)
    assert difference.provider_message_id == theirs.provider_message_id
    assert difference.message_id == (ours.ref.message_id if ours else None)


def test_a_day_begins_and_ends_in_utc() -> None:
    assert span_of(date(2026, 11, 22)) == (
        datetime(2026, 11, 22, tzinfo=UTC),
        datetime(2026, 11, 23, tzinfo=UTC),
    )


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_what_is_listed_in_another_span_than_it_began_in_is_not_missed(first: str) -> None:
    ledger = Ledger()
    if first == "theirs":
        ledger.see(REF, NOON)
    else:
        ledger.look_for(OURS)
    ledger.pass_by(NOON + timedelta(minutes=15))
    if first == "theirs":
        ledger.look_for(OURS)
    else:
        ledger.see(REF, NOON)
    ledger.pass_by()
    assert ledger.result.agrees


def test_what_is_listed_nowhere_near_its_time_is_missing() -> None:
    ledger = Ledger()
    ledger.look_for(OURS)
    ledger.pass_by(NOON + timedelta(minutes=16))
    assert ledger.result.differences == {DifferenceKind.UNKNOWN_TO_THEM: 1}
    [difference] = ledger.result.listed
    assert (difference.message_id, difference.attempt, difference.ours) == (REF.message_id, 1, "delivered")


def test_what_was_sent_again_later_is_missed_only_long_after_that() -> None:
    ledger = Ledger()
    ledger.look_for(replace(OURS, last_sent_at=NOON + timedelta(hours=3)))
    ledger.pass_by(NOON + timedelta(hours=3, minutes=15))
    assert ledger.result.agrees
    ledger.pass_by(NOON + timedelta(hours=3, minutes=16))
    assert ledger.result.differences == {DifferenceKind.UNKNOWN_TO_THEM: 1}


def test_what_was_sent_again_on_another_day_is_not_missed() -> None:
    ledger = Ledger(until=NOON + timedelta(hours=12))
    ledger.look_for(replace(OURS, last_sent_at=NOON + timedelta(hours=15)))
    ledger.pass_by()
    assert ledger.result.agrees


def test_differences_are_all_counted_and_the_first_ones_named() -> None:
    ledger = Ledger()
    for number in range(MOST_LISTED + 5):
        ledger.note(Difference(kind=DifferenceKind.LAG, provider_message_id=f"p-{number}"))
    result = ledger.result
    assert (result.differences, len(result.listed)) == ({DifferenceKind.LAG: MOST_LISTED + 5}, MOST_LISTED)
    assert result.agrees
    ledger.note(Difference(kind=DifferenceKind.UNKNOWN_TO_US))
    assert not ledger.result.agrees


def test_prices_are_summed_by_currency_and_exactly() -> None:
    ledger = Ledger()
    for amount, currency in (("0.1", "USD"), ("0.2", "USD"), ("0.3", "EUR")):
        ledger.ours.add(segments=2, price=Price(amount=Decimal(amount), currency=currency))
    ledger.ours.add(segments=None, price=None)
    sums = ledger.result.ours
    assert (sums.messages, sums.segments) == (4, 6)
    assert sums.prices == {"EUR": Decimal("0.3"), "USD": Decimal("0.3")}
