"""What one claim grants of what it has locked, where a provider account bounds it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.domain.grants import Grants, ProviderLimits
from app.domain.lanes import Meter

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DEAR, CHEAP, ELSEWHERE = UUID(int=1), UUID(int=2), UUID(int=3)


def plenty() -> Meter:
    return Meter(rate=100, burst=100, arrival_at=NOW)


def with_left(segments: int) -> Grants:
    """Give the grants of a claim whose provider `p` has so many segments left of 10."""
    meter = Meter(rate=10, burst=10, arrival_at=NOW + timedelta(seconds=1 - segments / 10))
    return Grants({"p": ProviderLimits(meter=meter)}, others=64, now=NOW)


def test_a_dear_message_is_not_passed_by_cheap_ones_of_other_lanes_that_use_up_what_it_waits_for() -> None:
    grants = with_left(2)
    assert not grants.take(DEAR, plenty(), "p", rank=1, segments=3)
    assert not grants.take(CHEAP, plenty(), "p", rank=1, segments=1)
    assert grants.take(ELSEWHERE, plenty(), "q", rank=1, segments=1)


def test_what_came_before_a_dear_message_goes() -> None:
    grants = with_left(3)
    assert grants.take(CHEAP, plenty(), "p", rank=0, segments=1)
    assert not grants.take(DEAR, plenty(), "p", rank=1, segments=3)
    assert list(grants.providers()) == ["p"]
