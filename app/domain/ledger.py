"""An audit while it is being made: the sums of both sides, the differences, and what has not shown up yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.domain.auditing import (
    AROUND,
    MOST_LISTED,
    AuditResult,
    Difference,
    DifferenceKind,
    OurAttempt,
    Sums,
    missing,
)
from app.domain.evidence import Price
from app.domain.references import AttemptRef


@dataclass(kw_only=True)
class Tally:
    """One side's sums while they are being made."""

    messages: int = 0
    segments: int = 0
    prices: dict[str, Decimal] = field(default_factory=dict)

    def add(self, *, segments: int | None, price: Price | None) -> None:
        """Count one message."""
        self.messages += 1
        self.segments += segments or 0
        if price is not None:
            self.prices[price.currency] = self.prices.get(price.currency, Decimal(0)) + price.amount

    @property
    def sums(self) -> Sums:
        """What it adds up to."""
        return Sums(messages=self.messages, segments=self.segments, prices=dict(sorted(self.prices.items())))


class Ledger:
    """The audit of one day while it is being made, in memory that does not grow with the day's messages."""

    def __init__(self, *, until: datetime | None = None) -> None:
        """Begin with nothing on either side; take where the part of the day ends that is audited, if anywhere."""
        self._until = until
        self.ours = Tally()
        self.theirs = Tally()
        self.matched = 0
        self._counts: Counter[DifferenceKind] = Counter()
        self._listed: list[Difference] = []
        self._unseen: dict[AttemptRef, OurAttempt] = {}
        self._seen_early: dict[AttemptRef, datetime] = {}

    def note(self, difference: Difference) -> None:
        """Count a difference, and name it while there is room."""
        self._counts[difference.kind] += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append(difference)

    def see(self, ref: AttemptRef, started_at: datetime) -> None:
        """Remember that the provider lists an attempt whose turn to be looked for may have been, or may come."""
        if self._unseen.pop(ref, None) is None:
            self._seen_early[ref] = started_at

    def look_for(self, ours: OurAttempt) -> None:
        """Miss an attempt of ours, unless the provider has listed it or does so near its time.

        One whose request went out once more after the end is not missed: it may have been taken only then.
        """
        seen = self._seen_early.pop(ours.ref, None) is not None
        if not seen and (self._until is None or ours.last_sent_at < self._until):
            self._unseen[ours.ref] = ours

    def pass_by(self, moment: datetime | None = None) -> None:
        """Give up on what lies so far before a moment that nothing after it can belong to it; None ends the day."""
        limit = None if moment is None else moment - AROUND
        for ref in [r for r, ours in self._unseen.items() if limit is None or ours.last_sent_at < limit]:
            self.note(missing(self._unseen.pop(ref)))
        for ref in [r for r, started_at in self._seen_early.items() if limit is None or started_at < limit]:
            del self._seen_early[ref]

    @property
    def result(self) -> AuditResult:
        """What the day adds up to."""
        return AuditResult(
            ours=self.ours.sums,
            theirs=self.theirs.sums,
            matched=self.matched,
            differences=dict(self._counts),
            listed=tuple(self._listed),
        )
