"""Which moments a caller may name: when a message is to be sent, and until when it is worth sending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MAX_AHEAD: Final = timedelta(days=35)
"""How far ahead a message may be scheduled."""

MAX_VALIDITY: Final = timedelta(days=3)
"""How long a message may stay worth sending, from its `send_at` or from now."""

LENIENCE: Final = timedelta(seconds=60)
"""A `send_at` that has only just passed means now: clocks differ, and requests take their time."""


@dataclass(frozen=True, kw_only=True)
class Untimely:
    """Why a moment is refused, and what to send instead."""

    code: str
    detail: str


def check_send_at(send_at: datetime, *, now: datetime) -> Untimely | None:
    """Say what is wrong with the moment at which a message is to be sent; None if nothing is."""
    if send_at < now - LENIENCE:
        return Untimely(
            code="in-the-past", detail="`send_at` has passed. Name a later moment, or leave it out to send at once."
        )
    if send_at > now + MAX_AHEAD:
        return Untimely(code="too-far-ahead", detail="`send_at` may be at most 35 days ahead. Name an earlier moment.")
    return None


def check_expires_at(expires_at: datetime, *, send_at: datetime | None, now: datetime) -> Untimely | None:
    """Say what is wrong with the moment until which a message is worth sending; None if nothing is."""
    if expires_at <= now:
        return Untimely(code="in-the-past", detail="`expires_at` has passed: nothing would be sent. Name a later one.")
    if send_at is not None and expires_at <= send_at:
        return Untimely(code="before-send-at", detail="`expires_at` must be later than `send_at`.")
    if expires_at > max(send_at or now, now) + MAX_VALIDITY:
        return Untimely(
            code="too-far-ahead",
            detail="`expires_at` may be at most 3 days after `send_at`, or after now without one. Name an earlier one.",
        )
    return None
