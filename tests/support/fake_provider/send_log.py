"""What the fake provider has seen and said: append-only, and written by nobody else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tests.support.fake_provider.conduct import Conduct


class Verdict(StrEnum):
    """What a request came to."""

    TAKEN = "taken"
    FOLDED = "folded"
    """Its key had been taken before: nothing was taken twice."""

    NOT_TAKEN = "not-taken"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request to send."""

    at: datetime
    reference: str | None
    """The attempt that it is for."""

    message: str
    key: str | None
    verdict: Verdict
    conduct: Conduct
    """How it was answered."""

    id: str | None
    """The provider's own id; None where nothing was taken."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """One webhook that was answered with 2xx."""

    at: datetime
    url: str = field(repr=False)
    message: str | None
    """None for one that speaks of no message of ours."""

    status: str
    body: bytes = field(repr=False)


@dataclass(kw_only=True)
class SendLog:
    """Grows while the provider runs, and may be read meanwhile."""

    sent: list[Sent] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    """Acknowledged webhooks, repeats of the same one included."""

    unposted: int = 0
    """Webhooks that were never acknowledged, though tried for as long as the provider does."""

    asked: int = 0
    """Fetches and searches."""

    def taken(self) -> Counter[str]:
        """How often each message was taken."""
        return Counter(entry.message for entry in self.sent if entry.verdict is Verdict.TAKEN)

    def conducts(self) -> Counter[Conduct]:
        """How often each conduct met a request."""
        return Counter(entry.conduct for entry in self.sent)
