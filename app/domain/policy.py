"""The times and numbers that the decisions over a message keep; settings become one value of this."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from app.domain.inquiry import InquiryPolicy
from app.domain.routing import RetryPolicy


@dataclass(frozen=True, kw_only=True)
class LifecyclePolicy:
    """The times that the decisions keep."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    inquiry: InquiryPolicy = field(default_factory=InquiryPolicy)
    evidence_wait: timedelta = timedelta(seconds=120)
    """How long an unknown outcome waits for a status report."""

    reconcile_delays: tuple[timedelta, ...] = (
        timedelta(hours=1),
        timedelta(hours=5),
        timedelta(hours=18),
        timedelta(hours=48),
    )
    """The wait before each look at a message that stays `sent` or has no price, where its provider can be asked."""

    poison_crashes: int = 3
    """After so many workers that died over it a message is not sent by itself any more."""
