"""What has just come back is used gently at first, and twice as fast from second to second."""

from __future__ import annotations

import math

import pytest

from app.domain.slow_start import slow_rate


@pytest.mark.parametrize(
    ("seconds", "rate"), [(-3600, 1), (-0.5, 1), (0, 1), (0.5, math.sqrt(2)), (1, 2), (5, 32), (9, 512)]
)
def test_it_begins_at_one_a_second_and_doubles_each_second(seconds: float, rate: float) -> None:
    assert slow_rate(seconds) == pytest.approx(rate)


def test_past_512_a_second_it_is_over() -> None:
    assert slow_rate(9.001) == math.inf
