"""A provider account whose circuit opened is given its traffic back over minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.provider_health import LOWEST, halved, health_now

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_each_opening_halves_the_health_down_to_a_floor() -> None:
    health, seen = 1.0, []
    for _ in range(8):
        health = halved(health)
        seen.append(health)
    assert seen == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, LOWEST, LOWEST, LOWEST]


@pytest.mark.parametrize(
    ("health", "seconds", "expected"),
    [
        (0.25, 0, 0.25),
        (0.25, 60, 0.5),
        (0.25, 120, 1.0),
        (0.25, 121, 1.0),
        (1 / 64, 360, 1.0),
        (0.5, -5, 0.5),
        (0.5, 1e9, 1.0),
    ],
)
def test_health_doubles_every_minute_until_it_is_whole(health: float, seconds: float, expected: float) -> None:
    assert health_now(health, NOW, NOW + timedelta(seconds=seconds)) == pytest.approx(expected)


@pytest.mark.parametrize(("trial_due", "expected"), [(False, 0.0), (True, 0.25)])
def test_a_provider_whose_circuit_is_not_closed_has_no_health_until_a_trial_is_due(
    trial_due: bool, expected: float
) -> None:
    later = NOW + timedelta(hours=1)
    assert health_now(0.25, NOW, later, closed=False, trial_due=trial_due) == expected
