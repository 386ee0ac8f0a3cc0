"""When a lane comes to a message: by its rate, its debt, its waits and its days, and never out of order."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.estimates import Outlook, room_after

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


def lane(**given: Any) -> Outlook:
    return Outlook(**{"start": NOW, "full_at": NOW, "rate": 5.0, "burst": 5, **given})


@pytest.mark.parametrize(
    ("outlook", "ahead", "segments", "seconds"),
    [
        (lane(), 0, 1, 0),
        (lane(), 4, 1, 0),
        (lane(), 5, 1, 0.2),
        (lane(), 20, 1, 3.2),
        (lane(), 20, 3, 3.6),
        (lane(full_at=NOW + 1), 0, 1, 0.2),
        (lane(full_at=NOW + 1), 5, 1, 1.2),
        (lane(rate=0.25, burst=1), 3, 1, 12),
        (lane(rate=0.25, burst=1), 0, 3, 0),
        (lane(rate=0.25, burst=1, full_at=NOW + 8), 0, 3, 8),
        (lane(start=NOW + 60, full_at=NOW + 60), 4, 1, 60),
        (lane(start=NOW + 60, full_at=NOW + 60), 10, 1, 61.2),
        (lane(start=NOW + 60, full_at=NOW + 61), 4, 1, 61),
    ],
)
def test_a_message_goes_when_the_bucket_has_come_to_it(
    outlook: Outlook, ahead: int, segments: int, seconds: float
) -> None:
    assert outlook.sends_at(ahead, segments, earliest=NOW) - NOW == pytest.approx(seconds, abs=1e-5)


def test_a_message_never_goes_before_its_time() -> None:
    assert lane().sends_at(20, 1, earliest=NOW + 2) == pytest.approx(NOW + 3.2)
    assert lane().sends_at(20, 1, earliest=NOW + 600) == NOW + 600


@pytest.mark.parametrize(
    ("today", "ahead", "segments", "seconds"),
    [
        (10, 9, 1, None),
        (10, 10, 1, 0),
        (10, 14, 1, 0),
        (10, 15, 1, 0.2),
        (10, 109, 1, 19),
        (10, 110, 1, 86_400),
        (0, 0, 1, 0),
    ],
)
def test_what_passes_the_daily_cap_goes_on_a_later_day(
    today: int, ahead: int, segments: int, seconds: float | None
) -> None:
    at = lane(today=today, daily_cap=100).sends_at(ahead, segments, earliest=NOW)
    assert at == pytest.approx(NOW + 1 if seconds is None else MIDNIGHT + seconds, abs=1e-5)


@given(
    st.lists(st.integers(1, 10), min_size=1, max_size=60),
    st.floats(0.01, 1000),
    st.integers(1, 100),
    st.floats(0, 1000),
    st.floats(0, 1000),
    st.one_of(st.none(), st.integers(10, 200)),
)
def test_messages_of_a_lane_go_in_their_order_and_no_faster_than_its_rate(
    messages: list[int], rate: float, burst: int, wait: float, debt: float, cap: int | None
) -> None:
    start = NOW + wait
    outlook = lane(
        start=start,
        full_at=start + debt,
        rate=rate,
        burst=burst,
        today=math.inf if cap is None else cap,
        daily_cap=cap or 0,
    )
    times = [outlook.sends_at(sum(messages[:place]), messages[place], earliest=NOW) for place in range(len(messages))]
    assert times == sorted(times)
    assert times[0] >= start
    assert (times[-1] - start) * rate >= sum(messages) - burst - max(messages) - 1e-3
    assert outlook.drained_at(sum(messages)) >= times[-1] - 10 / rate - 1e-3


def test_a_lane_with_nothing_to_do_is_drained() -> None:
    assert lane().drained_at(0) == NOW


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, 5), (-3, 5), (5.2, 6), (59.9, 60), (3600, 3600), (1e9, 3600), (math.inf, 3600)]
)
def test_a_refused_caller_is_asked_to_wait_within_bounds(seconds: float, told: int) -> None:
    assert room_after(seconds) == told
