"""The daily audit: a provider's own records of a day against ours, pair by pair, and what it all adds up to.

A provider's clock and the time that a request takes put a message on either side of midnight, or of any other moment.
So a message of theirs is matched with whatever attempt of ours it belongs to, whenever that began; and one of ours is
missing only when it shows up nowhere near its time. The request of one whose outcome was unknown may have gone out
again hours later, and either time may be the one at which it was taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.evidence import Price, ProviderMessage
from app.domain.message import AttemptPhase
from app.domain.references import AttemptRef
from app.domain.status import FINAL, MessageStatus

AROUND: Final = timedelta(minutes=15)
"""How far the moment at which a provider took a message may be from the one at which its request went out: as long as
a worker may take over it, and the clocks may differ."""

MOST_LISTED: Final = 200
"""Differences that an audit names; the others are counted."""

UNRESOLVED: Final = frozenset({AttemptPhase.STARTED, AttemptPhase.UNKNOWN, AttemptPhase.ABANDONED})
"""Attempts of which nobody here knows whether they were taken; a provider's listing is evidence of it."""

_NOT_TAKEN: Final = frozenset({AttemptPhase.REJECTED, AttemptPhase.NOT_SENT})
_ENDS: Final = FINAL - {MessageStatus.UNCONFIRMED}


class DifferenceKind(StrEnum):
    """How two records of one message differ, or which of the two there is."""

    UNKNOWN_TO_US = "unknown-to-us"
    """The provider lists a message that is none of ours, or a second one under our reference."""

    UNKNOWN_TO_THEM = "unknown-to-them"
    """The provider took a message, by its own word, and does not list it."""

    STATUS = "status"
    """The two ends contradict each other, or the provider lists what counts as not taken here."""

    LAG = "lag"
    """One of the two does not know the end yet."""

    PRICE = "price"
    """Both name a price, and not the same."""

    SEGMENTS = "segments"
    """Both name the parts that are billed, and not as many."""

    FOUND = "found"
    """Its outcome was not known here until the provider listed it; now it is."""


TOLERATED: Final = frozenset({DifferenceKind.LAG, DifferenceKind.FOUND})
"""What passes by itself, or has been mended."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One message about which the two sides differ. It holds no number and no text."""

    kind: DifferenceKind
    message_id: UUID | None = None
    """None where the message is none of ours."""

    attempt: int | None = None
    provider_message_id: str | None = None
    ours: str | None = None
    """What is known here: a status, a price or a count, as `kind` says."""

    theirs: str | None = None


@dataclass(frozen=True, kw_only=True)
class OurAttempt:
    """One attempt as the audit compares it, with what is known of its message."""

    ref: AttemptRef
    phase: AttemptPhase
    started_at: datetime
    last_sent_at: datetime
    """When its request last went out: when it began, or at its last resend under the same idempotency key."""

    status: MessageStatus
    """The message's."""

    is_newest: bool
    """Whether no other attempt followed; only then the message's status and price are those of this attempt."""

    provider_message_id: str | None
    segments: int
    billed_segments: int | None
    price: Price | None


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What one side counts and bills in a day."""

    messages: int = 0
    segments: int = 0
    prices: dict[str, Decimal] = field(default_factory=dict)
    """By currency, of those messages whose price is known."""


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """What an audit of one day showed."""

    ours: Sums
    theirs: Sums
    matched: int
    """How many of theirs are ours."""

    differences: dict[DifferenceKind, int]
    """How often each kind was met; those that were not are left out."""

    listed: tuple[Difference, ...]
    """The first ones, up to `MOST_LISTED`."""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs but what passes by itself."""
        return not self.differences.keys() - TOLERATED


def span_of(day: date) -> tuple[datetime, datetime]:
    """Give the first moment of a day, in UTC, and the first one after it."""
    first = datetime.combine(day, time(), UTC)
    return first, first + timedelta(days=1)


def compare(theirs: ProviderMessage, ours: OurAttempt | None) -> tuple[Difference, ...]:
    """Say how a message that the provider lists differs from the attempt that it belongs to."""
    if ours is None or ours.provider_message_id not in {None, theirs.provider_message_id}:
        return (_difference(DifferenceKind.UNKNOWN_TO_US, theirs, ours, their_word=theirs.provider_status),)
    if ours.phase in UNRESOLVED:
        return (_difference(DifferenceKind.FOUND, theirs, ours, ours.status, _word(theirs)),)
    return tuple(_of_a_pair(theirs, ours))


def missing(ours: OurAttempt) -> Difference:
    """Say that the provider does not list what it took."""
    return Difference(
        kind=DifferenceKind.UNKNOWN_TO_THEM,
        message_id=ours.ref.message_id,
        attempt=ours.ref.number,
        provider_message_id=ours.provider_message_id,
        ours=ours.status,
    )


def _of_a_pair(theirs: ProviderMessage, ours: OurAttempt) -> Iterator[Difference]:
    word = _word(theirs)
    if ours.phase in _NOT_TAKEN:
        yield _difference(DifferenceKind.STATUS, theirs, ours, ours.phase, word)
        return
    if not ours.is_newest:
        return
    if theirs.status is not None and word != ours.status:
        both_ended = ours.status in _ENDS and theirs.status in _ENDS
        kind = DifferenceKind.STATUS if both_ended else DifferenceKind.LAG
        yield _difference(kind, theirs, ours, ours.status, word)
    if ours.price is not None and theirs.price is not None and ours.price != theirs.price:
        yield _difference(DifferenceKind.PRICE, theirs, ours, _money(ours.price), _money(theirs.price))
    if ours.billed_segments is not None and theirs.segments not in {None, ours.billed_segments}:
        yield _difference(DifferenceKind.SEGMENTS, theirs, ours, str(ours.billed_segments), str(theirs.segments))


def _word(theirs: ProviderMessage) -> str:
    """Give their status in our words; whatever comes before the end is `sent` to us."""
    if theirs.status is None:
        return theirs.provider_status
    return theirs.status if theirs.status in _ENDS else MessageStatus.SENT


def _money(price: Price) -> str:
    return f"{price.amount.normalize():f} {price.currency}"


def _difference(
    kind: DifferenceKind,
    theirs: ProviderMessage,
    ours: OurAttempt | None,
    our_word: str | None = None,
    their_word: str | None = None,
) -> Difference:
    return Difference(
        kind=kind,
        message_id=ours.ref.message_id if ours else None,
        attempt=ours.ref.number if ours else None,
        provider_message_id=theirs.provider_message_id,
        ours=our_word,
        theirs=their_word,
    )
