"""What may go wrong, how often in one run, and how often it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """One way to go wrong. Each has to occur in a long run, or the run shows nothing about it."""

    NOT_CONNECTED = "no connection"
    CUT_BEFORE = "cut before it was taken"
    ERROR_BEFORE = "500 and not taken"
    ERROR_AFTER = "500 and taken"
    NO_ANSWER = "taken and no answer"
    SLOW = "taken late"
    THROTTLED = "429"
    BUSY = "503, not taken"
    REFUSED = "refused"
    ACCOUNT_REFUSED = "refused for the account"
    KEY_RAN_OUT = "idempotency key ran out"

    INDEXED_LATE = "searched before it was indexed"
    SEARCH_FAILED = "search failed"
    TEXT_CHANGED = "text changed by the provider"
    SAME_RECIPIENT = "another text to the same recipient"
    TWIN = "the same text twice to one recipient"
    CLOCK_APART = "provider's clock is off"

    FETCH_FAILED = "fetch failed"
    RECORD_GONE = "record gone when fetched"
    PRICED_LATE = "priced late or never"

    REPORT_DROPPED = "report dropped"
    REPORT_DOUBLED = "report doubled"
    REPORT_DELAYED = "report delayed"
    REPORTS_SHUFFLED = "reports shuffled"
    REPORT_EARLY = "report before the answer"
    REPORT_CONTRADICTED = "report contradicted"
    REPORT_ORPHANED = "report before its attempt was known"

    DIED_CLAIMED = "worker died before the send"
    DIED_IN_FLIGHT = "worker died before it settled"
    DIED_SETTLED = "worker died after it settled"
    DIED_ASKED = "worker died before it asked"
    DIED_ASKING = "worker died before it concluded"
    DIED_LOOKING = "worker died before it had looked it up"
    BUSY_WORKER = "worker came to it late"
    FROZEN = "worker frozen"
    LOCK_LOST = "worker taken for dead"
    ZOMBIE = "late result under an old fence"

    TRANSACTION_FAILED = "transaction failed"
    COMMIT_UNANSWERED = "commit not answered"

    SENT_ON = "sent on from another sender"
    MOVED = "moved to another sender while it waited"

    CANCELED = "canceled"
    STALE = "expired"
    POISONED = "set aside as poison"
    REDRIVEN = "redriven"


class Chances:
    """The dice of one run: whether a fault strikes now, counted if it does."""

    def __init__(self, random: Random, rates: Mapping[Fault, float]) -> None:
        self.random = random
        self.counts: Counter[Fault] = Counter()
        self._rates = rates

    def strikes(self, fault: Fault) -> bool:
        """Throw the dice; no dice are thrown for what cannot happen in this run."""
        rate = self._rates.get(fault)
        if rate is None or self.random.random() >= rate:
            return False
        self.counts[fault] += 1
        return True

    def between(self, least: float, most: float) -> float:
        """Give a number from a span."""
        return least + (most - least) * self.random.random()

    def queueing(self) -> float:
        """How long a worker takes to come to what it has claimed, for it has claimed other things too."""
        return self.between(0, 120 if self.strikes(Fault.BUSY_WORKER) else 0.1)
