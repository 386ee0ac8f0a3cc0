"""What is in force for a sender: its own limits before what is usual, each by itself."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.domain.countries import is_country
from app.domain.limits import LimitSource, UsualLimits, limits_in_force, usual_burst

USUAL = UsualLimits(rate=Decimal("1.25"), burst=2, daily_cap=2000, source=LimitSource.CAMPAIGN_CLASS)


def test_a_sender_without_limits_of_its_own_has_the_usual_ones() -> None:
    limits = limits_in_force(rate=None, burst=None, daily_cap=None, usual=USUAL)
    assert (limits.rate, limits.burst, limits.daily_cap) == (Decimal("1.25"), 2, 2000)
    assert {limits.rate_source, limits.burst_source, limits.daily_cap_source} == {LimitSource.CAMPAIGN_CLASS}


def test_each_limit_of_its_own_stands_before_the_usual_one() -> None:
    limits = limits_in_force(rate=None, burst=9, daily_cap=50, usual=USUAL)
    assert (limits.rate, limits.burst, limits.daily_cap) == (Decimal("1.25"), 9, 50)
    assert (limits.rate_source, limits.burst_source, limits.daily_cap_source) == (
        LimitSource.CAMPAIGN_CLASS,
        LimitSource.SENDER,
        LimitSource.SENDER,
    )


@pytest.mark.parametrize(("rate", "burst"), [("0.001", 1), ("1", 1), ("1.25", 2), ("75", 75)])
def test_a_rate_of_its_own_brings_the_burst_of_a_second(rate: str, burst: int) -> None:
    limits = limits_in_force(rate=Decimal(rate), burst=None, daily_cap=None, usual=USUAL)
    assert (limits.burst, limits.burst_source) == (burst, LimitSource.SENDER)
    assert usual_burst(Decimal(rate)) == burst


@pytest.mark.parametrize(("code", "known"), [("US", True), ("GB", True), ("us", False), ("XX", False), ("", False)])
def test_countries_are_told_by_their_codes(code: str, known: bool) -> None:
    assert is_country(code) is known
