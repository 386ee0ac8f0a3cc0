"""Token buckets: never more than the burst and what came back meanwhile, and never less."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.token_bucket import SECOND, TokenBucket

TEN_A_SECOND = TokenBucket.refilled(times=10, per_seconds=1, burst=3)


def granted(kind: TokenBucket, moments: list[int]) -> list[int]:
    """The moments at which a bucket that was full at first had a token."""
    full_at, seen = 0, []
    for now in moments:
        after = kind.take(full_at, now)
        if after is not None:
            full_at = after
            seen.append(now)
    return seen


def test_a_full_bucket_gives_its_burst_at_once_and_then_one_token_each_interval() -> None:
    tenth = SECOND // 10
    assert granted(TEN_A_SECOND, [0, 0, 0, 0, tenth - 1, tenth, tenth, 2 * tenth]) == [0, 0, 0, tenth, 2 * tenth]


def test_a_bucket_is_never_fuller_than_its_burst() -> None:
    assert granted(TEN_A_SECOND, [9 * SECOND] * 5) == [9 * SECOND] * 3


@pytest.mark.parametrize(
    ("taken", "elapsed_tenths", "left", "wait_tenths"),
    [(0, 0, 3, 0), (1, 0, 2, 0), (3, 0, 0, 1), (3, 1, 1, 0), (3, 2, 2, 0), (3, 99, 3, 0)],
)
def test_what_is_left_and_when_more_is_there(taken: int, elapsed_tenths: int, left: int, wait_tenths: int) -> None:
    full_at = 0
    for _ in range(taken):
        after = TEN_A_SECOND.take(full_at, 0)
        assert after is not None
        full_at = after
    now = elapsed_tenths * SECOND // 10
    assert TEN_A_SECOND.left(full_at, now) == left
    assert TEN_A_SECOND.wait(full_at, now) == wait_tenths * SECOND // 10


@pytest.mark.parametrize(
    ("times", "per_seconds", "burst", "interval", "window"),
    [(500, 1, 1000, 2_000_000, 2), (20, 60, 20, 3_000_000_000, 60), (3, 1, 1, 333_333_334, 1), (1, 1, 1, SECOND, 1)],
)
def test_a_kind_is_told_by_its_rate_and_rounds_in_favour_of_the_limit(
    times: int, per_seconds: int, burst: int, interval: int, window: int
) -> None:
    kind = TokenBucket.refilled(times=times, per_seconds=per_seconds, burst=burst)
    assert (kind.interval, kind.window_seconds) == (interval, window)


kinds = st.builds(TokenBucket, interval=st.integers(1, 50), burst=st.integers(1, 8))
steps = st.lists(st.one_of(st.just(0), st.integers(0, 60)), min_size=1, max_size=60)


@given(kind=kinds, steps=steps)
def test_no_window_sees_more_than_the_burst_and_what_came_back_in_it(kind: TokenBucket, steps: list[int]) -> None:
    seen = granted(kind, list(accumulate(steps)))
    for first, begin in enumerate(seen):
        for last, end in enumerate(seen[first:], first):
            assert last - first + 1 <= kind.burst + (end - begin) // kind.interval


@given(kind=kinds, steps=steps)
def test_a_token_is_refused_only_where_none_is_left_and_had_after_the_wait(kind: TokenBucket, steps: list[int]) -> None:
    full_at = 0
    for now in accumulate(steps):
        before = kind.left(full_at, now)
        after = kind.take(full_at, now)
        assert (after is None) == (before == 0)
        if after is not None:
            assert kind.left(after, now) == before - 1
            full_at = after
        else:
            wait = kind.wait(full_at, now)
            assert kind.take(full_at, now + wait - 1) is None
            assert kind.take(full_at, now + wait) is not None
