"""What is told from one look at the queue: who goes before whom, how fast, and from when on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.domain.actual_rates import ActualRates
from app.domain.figures import Depth, Figures, LaneLimits

NOW = 1_795_000_000.0
SHOP, LANE, OTHER = uuid4(), uuid4(), uuid4()
NOBODY = uuid4()


def limits(lane: UUID = LANE, **given: Any) -> LaneLimits:
    values = {"provider": "one", "address": "+12025550100", "rate": 5.0, "burst": 5, "daily_cap": None}
    state = {"day_segments": 0, "arrival_at": NOW - 60, "not_before": None}
    return LaneLimits(**{"id": lane, "account_id": SHOP, **values, **state, **given})


def depth(rank: int, segments: int, lane: UUID = LANE, **given: Any) -> Depth:
    values = {"queued": segments, "messages": segments, "segments": segments, "oldest_due_at": NOW - 1}
    return Depth(**{"account_id": SHOP, "lane": lane, "rank": rank, **values, **given})


def figures(*found: Depth | LaneLimits, at: float = NOW) -> Figures:
    depths = [each for each in found if isinstance(each, Depth)]
    lanes = [each for each in found if isinstance(each, LaneLimits)]
    return Figures(
        at=at,
        depths=depths,
        limits={each.id: partial(replace, each) for each in lanes or [limits()]},
        day_segments={each.id: each.day_segments for each in lanes},
    )


def seconds(found: Figures, rank: int, *, lane: UUID = LANE) -> float | None:
    at = found.sends_at(lane, rank, 1, earliest=NOW)
    return None if at is None else round(at - NOW, 4)


def drain(found: Figures) -> float | None:
    lane = found.lane(LANE)
    assert lane is not None
    return lane.drain_seconds(NOW)


def test_what_is_more_urgent_or_came_before_is_ahead() -> None:
    found = figures(depth(0, 10), depth(1, 20), depth(2, 30))
    assert [seconds(found, rank) for rank in (0, 1, 2)] == [1.2, 5.2, 11.2]


def test_what_was_accepted_since_is_ahead_of_what_is_no_more_urgent() -> None:
    found = figures(depth(1, 20))
    for _ in range(10):
        found.accepted(SHOP, LANE, 1, 1)
    assert [seconds(found, rank) for rank in (0, 1, 2)] == [0, 5.2, 5.2]
    assert found.queued[SHOP] == 30


def test_a_message_for_later_is_counted_and_ahead_of_none() -> None:
    found = figures(depth(1, 0, queued=20, later_messages=20, later_segments=20))
    found.accepted(SHOP, LANE, 1, 1, due=False)
    assert (seconds(found, 1), found.queued[SHOP]) == (0, 21)


def test_of_a_lane_that_is_paused_or_not_known_nothing_is_told() -> None:
    assert seconds(figures(limits(paused_by=("account",))), 1) is None
    assert seconds(figures(), 1, lane=NOBODY) is None
    assert drain(figures(limits(paused_by=("sender",)), depth(1, 5))) is None


@pytest.mark.parametrize("wait", [{"not_before": NOW + 30}, {"shut_until": NOW + 30, "circuit": "open"}])
def test_a_lane_begins_where_its_wait_ends(wait: dict[str, Any]) -> None:
    assert seconds(figures(limits(**wait)), 1) == 30


@pytest.mark.parametrize("wait", [{"not_before": NOW - 30}, {"shut_until": NOW - 30}])
def test_a_wait_that_is_over_says_nothing(wait: dict[str, Any]) -> None:
    assert seconds(figures(limits(**wait)), 1) == 0


def test_lanes_in_which_something_waits_share_their_providers_rate() -> None:
    shared: dict[str, Any] = {"provider_rate": 5.0}
    alone = figures(limits(**shared), limits(OTHER, **shared), depth(1, 20))
    assert seconds(alone, 1) == 3.2
    both = figures(limits(**shared), limits(OTHER, **shared), depth(1, 20), depth(1, 1, OTHER))
    assert seconds(both, 1) == 6.4


def test_a_lane_is_drained_when_its_last_message_has_gone() -> None:
    assert drain(figures(depth(1, 20), depth(2, 5))) == pytest.approx(4, abs=1e-5)
    assert drain(figures()) == 0


def test_an_account_goes_as_fast_as_its_lanes_in_which_something_is_due() -> None:
    found = figures(limits(), limits(OTHER, rate=2.0), depth(1, 20, messages=10))
    assert found.rate_of(SHOP) == 2.5
    assert found.rate_of(NOBODY) == 0
    assert figures(limits(paused_by=("sender",)), depth(1, 20)).rate_of(SHOP) == 0


def looks(*counts: tuple[float, int]) -> tuple[ActualRates, Figures]:
    rates = ActualRates()
    for after, count in counts:
        found = figures(limits(day_segments=count), at=NOW + after)
        rates.note(found)
    return rates, found


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ([(0, 7)], None),
        ([(0, 7), (0.5, 9)], None),
        ([(0, 7), (2, 17)], 5),
        ([(0, 0), (10, 100), (20, 200), (30, 200)], 200 / 30),
        ([(each, each) for each in range(0, 300, 5)] + [(300, 295)], 55 / 60),
        ([(0, 90_000), (10, 50)], 5),
    ],
)
def test_the_actual_rate_is_that_of_the_last_minute(counts: list[tuple[float, int]], rate: float | None) -> None:
    rates, newest = looks(*counts)
    assert rates.rate_of(LANE, newest) == (None if rate is None else pytest.approx(rate))
    assert not rates.rate_of(NOBODY, newest)
