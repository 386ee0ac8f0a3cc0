"""What has just come back is used gently at first, and twice as fast from second to second."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.slow_start import is_slow, slow_rate


@pytest.mark.parametrize(
    ("seconds", "rate"), [(-3600, 1), (-0.5, 1), (0, 1), (0.5, math.sqrt(2)), (1, 2), (5, 32), (9, 512)]
)
def test_it_begins_at_one_a_second_and_doubles_each_second(seconds: float, rate: float) -> None:
    assert slow_rate(seconds) == pytest.approx(rate)


def test_past_512_a_second_it_is_over() -> None:
    assert slow_rate(9.001) == math.inf


def test_a_start_that_is_over_or_never_was_holds_nothing_back() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    begun = {seconds: now - timedelta(seconds=seconds) for seconds in (-60, 0, 9, 10)}
    assert {seconds: is_slow(since, now) for seconds, since in begun.items()} == {
        -60: True,
        0: True,
        9: True,
        10: False,
    }
    assert not is_slow(None, now)
