"""How fast senders may go: by their own limits, else by what is usual for their campaign class or number type.

Rates are in segments per second, bursts in segments that may go at once after a pause, daily caps in segments of a day
in UTC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from app.domain.message import MAX_SEGMENTS_LIMIT

MIN_RATE: Final = Decimal("0.001")
"""A segment in a quarter of an hour; whoever wants less pauses the sender."""

MAX_RATE: Final = Decimal(100_000)
MAX_BURST: Final = 100_000
MIN_SEGMENTS_A_DAY: Final = MAX_SEGMENTS_LIMIT
"""As many as the longest message has, or one could be accepted that may never go and holds up all behind it."""

MAX_SEGMENTS_A_DAY: Final = 10**9
MIN_WEIGHT: Final = 0.01
MAX_WEIGHT: Final = 1_000.0
MAX_WAITING: Final = 10**9
"""Messages of an account that may be let wait."""

MAX_IN_FLIGHT: Final = 100_000
"""Calls of a provider account at one time."""

TEST_MESSAGES: Final = "test"
"""What stands in place of a number type for messages of test keys, which go from any sender to the sandbox."""


class LimitSource(StrEnum):
    """Where a limit in force comes from."""

    SENDER = "sender"
    CAMPAIGN_CLASS = "campaign_class"
    NUMBER_TYPE = "number_type"


@dataclass(frozen=True, kw_only=True)
class UsualLimits:
    """What holds where a sender has no limit of its own."""

    rate: Decimal
    burst: int
    daily_cap: int | None
    """None where a day has no end of segments."""

    source: LimitSource


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits in force for a sender, and where each comes from."""

    rate: Decimal
    burst: int
    daily_cap: int | None
    rate_source: LimitSource
    burst_source: LimitSource
    daily_cap_source: LimitSource


def usual_burst(rate: Decimal) -> int:
    """Give the burst that goes with a rate where none is set: what a second brings, and never less than a segment."""
    return max(1, math.ceil(rate))


def limits_in_force(*, rate: Decimal | None, burst: int | None, daily_cap: int | None, usual: UsualLimits) -> Limits:
    """Put a sender's own limits before what is usual; a rate of its own brings its burst with it."""
    if burst is not None:
        given_burst, burst_source = burst, LimitSource.SENDER
    elif rate is not None:
        given_burst, burst_source = usual_burst(rate), LimitSource.SENDER
    else:
        given_burst, burst_source = usual.burst, usual.source
    return Limits(
        rate=usual.rate if rate is None else rate,
        burst=given_burst,
        daily_cap=usual.daily_cap if daily_cap is None else daily_cap,
        rate_source=usual.source if rate is None else LimitSource.SENDER,
        burst_source=burst_source,
        daily_cap_source=usual.source if daily_cap is None else LimitSource.SENDER,
    )
