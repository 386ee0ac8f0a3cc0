"""The meter of a lane: no window holds more than its bound, whatever comes and whenever it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.lanes import Meter

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATES = st.one_of(st.floats(0.1, 200), st.sampled_from([1.0, 3.0, 100.0]))
STEPS = st.lists(
    st.tuples(st.integers(0, 3_000_000), st.lists(st.integers(1, 10), min_size=1, max_size=20)), min_size=1, max_size=40
)
"""Microseconds that pass, and the messages that wait then, each told by its segments."""


def meter(rate: float = 1, burst: int = 1, **more: Any) -> Meter:
    return Meter(rate=rate, burst=burst, arrival_at=START, **more)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(lane: Meter, steps: Sequence[tuple[int, list[int]]]) -> list[tuple[datetime, int]]:
    """Let a meter grant what it may at each step; give the moments and the segments of what was granted."""
    passed: list[tuple[datetime, int]] = []
    now = START
    for micros, messages in steps:
        now += timedelta(microseconds=micros)
        granted = messages[: lane.grant(messages, now)]
        if granted:
            lane = lane.charge(sum(granted), now)
            passed += [(now, segments) for segments in granted]
    return passed


def worst_excess(passed: Sequence[tuple[datetime, int]], rate: float, bound: float) -> float:
    """Give by how much the fullest window passes its bound; at most 0 where all is well."""
    sums = [0, *accumulate(segments for _, segments in passed)]
    return max(
        (
            sums[last + 1] - sums[first] - rate * (passed[last][0] - passed[first][0]).total_seconds() - bound
            for first in range(len(passed))
            for last in range(first, len(passed))
        ),
        default=0.0,
    )


@given(RATES, st.integers(1, 100), STEPS)
def test_no_window_passes_its_bound(rate: float, burst: int, steps: list[tuple[int, list[int]]]) -> None:
    passed = run(meter(rate, burst), steps)
    dearest = max((segments for _, segments in passed), default=0)
    assert worst_excess(passed, rate, max(burst, dearest)) <= 1e-6


@given(RATES, st.integers(1, 100), STEPS, st.floats(-1, 20))
def test_a_slow_start_never_lets_more_through(
    rate: float, burst: int, steps: list[tuple[int, list[int]]], slow_at: float
) -> None:
    passed = run(meter(rate, burst, slow_since=after(slow_at)), steps)
    dearest = max((segments for _, segments in passed), default=0)
    assert worst_excess(passed, rate, max(burst, dearest)) <= 1e-6


@given(RATES, st.integers(1, 100), STEPS, st.integers(1, 100))
def test_a_day_never_passes_its_cap(rate: float, burst: int, steps: list[tuple[int, list[int]]], cap: int) -> None:
    passed = run(meter(rate, burst, daily_cap=cap), [(micros * 20_000, messages) for micros, messages in steps])
    days = {at.date() for at, _ in passed}
    assert all(sum(segments for at, segments in passed if at.date() == day) <= cap for day in days)


@given(RATES, st.integers(1, 100), STEPS)
def test_what_may_go_is_what_is_granted(rate: float, burst: int, steps: list[tuple[int, list[int]]]) -> None:
    lane, now = meter(rate, burst), START
    for micros, messages in steps:
        now += timedelta(microseconds=micros)
        ones = [1] * (lane.available(now) + 5)
        assert lane.grant(ones, now) == lane.available(now)
        lane = lane.charge(sum(messages[: lane.grant(messages, now)]), now)


@given(RATES, st.integers(1, 100), st.integers(1, 10))
def test_a_lane_is_ready_when_it_says_so_and_not_before(rate: float, burst: int, dear: int) -> None:
    lane = meter(rate, burst).charge(burst - 1 + dear, START)
    ready = lane.ready_at(START)
    assert lane.available(ready) >= 1
    assert ready == START or lane.available(ready - timedelta(microseconds=2)) == 0


def test_a_burst_goes_at_once_and_then_the_rate_counts() -> None:
    lane = meter(rate=3, burst=3)
    assert lane.grant([1, 1, 1, 1], START) == 3
    lane = lane.charge(3, START)
    assert [lane.available(after(seconds)) for seconds in (0, 0.33, 0.34, 0.67, 1, 10)] == [0, 0, 1, 2, 3, 3]


def test_a_message_dearer_than_the_burst_goes_with_a_full_bucket_and_leaves_a_debt() -> None:
    lane = meter(rate=1, burst=2)
    assert lane.grant([4, 1], START) == 1
    lane = lane.charge(4, START)
    assert (lane.available(after(2.9)), lane.available(after(3))) == (0, 1)
    assert (lane.grant([4], after(3.9)), lane.grant([4], after(4))) == (0, 1)


def test_the_dear_message_at_the_head_is_not_overtaken_by_a_cheap_one() -> None:
    lane = meter(rate=1, burst=3).charge(2, START)
    assert lane.grant([3, 1], START) == 0


def test_a_new_day_begins_with_the_whole_cap() -> None:
    lane = meter(rate=1000, burst=1000, daily_cap=5).charge(4, START)
    assert (lane.grant([1, 1], after(1)), lane.grant([2], after(1))) == (1, 0)
    spent = lane.charge(1, after(1))
    assert spent.ready_at(after(1)) == datetime(2026, 3, 2, tzinfo=UTC)
    assert spent.grant([5, 1], datetime(2026, 3, 2, tzinfo=UTC)) == 1


def test_a_lane_that_was_told_to_wait_waits_and_then_begins_gently() -> None:
    lane = meter(rate=100, burst=100, not_before=after(5), slow_since=after(5))
    assert (lane.available(after(4.9)), lane.ready_at(START)) == (0, after(5))
    assert [lane.available(after(seconds)) for seconds in (5, 6, 8, 12)] == [1, 2, 8, 100]


@pytest.mark.parametrize(("rate", "micros"), [(3.0, 333_334), (7.0, 142_858), (100.0, 10_000)])
def test_nothing_is_won_by_rounding(rate: float, micros: int) -> None:
    assert meter(rate=rate).charge(1, START).arrival_at == START + timedelta(microseconds=micros)
