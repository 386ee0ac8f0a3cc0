"""How much a worker claims ahead: what it sends within a moment, and nothing where sends take long."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.services.pacing import AHEAD_SECONDS, Pace


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def paced(concurrency: int, *, per_second: float, seconds: float = 5) -> Pace:
    """A worker that has been sending at one pace for a while."""
    clock = Clock()
    pace = Pace(concurrency, clock=clock)
    step, owed = 0.05, 0.0
    while clock.now < 100 + seconds:
        clock.now += step
        owed += per_second * step
        while owed >= 1:
            pace.count()
            owed -= 1
        pace.reckon()
    return pace


def test_a_worker_that_has_sent_nothing_claims_as_many_as_it_can_send_at_once() -> None:
    assert Pace(64).room(0) == 64
    assert Pace(64).room(63) == 1
    assert Pace(64).room(64) == 0


@pytest.mark.parametrize(
    ("per_second", "ahead"),
    [(1000, round(1000 * AHEAD_SECONDS)), (100, round(100 * AHEAD_SECONDS)), (2, 0), (100_000, 128)],
    ids=["fast", "slower", "a provider that takes half a minute", "more than twice what is sent at once"],
)
def test_what_is_sent_within_a_moment_is_claimed_ahead(per_second: float, ahead: int) -> None:
    assert paced(64, per_second=per_second).ahead() == pytest.approx(ahead, abs=1)


def test_a_claim_waits_until_half_of_what_is_ahead_is_used_up() -> None:
    pace = paced(64, per_second=1000)
    ahead = pace.ahead()
    assert pace.room(64 + ahead) == 0
    assert pace.room(64 + ahead // 2 + 1) == 0
    assert pace.room(64 + ahead // 2) == ahead - ahead // 2


def test_a_pace_is_forgotten_once_nothing_is_sent() -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)
    clock.now += 0.1
    for _ in range(200):
        pace.count()
    pace.reckon()
    before = pace.ahead()
    for _ in range(10):
        clock.now += 0.5
        pace.reckon()
    assert (before, pace.ahead()) == (60, 0)


def test_moments_too_short_to_tell_a_pace_are_added_up() -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)
    for _ in range(10):
        clock.now += 0.001
        pace.count()
        pace.reckon()
    assert 0 < pace.ahead() <= 60
