"""Retries are kept to a share of the first sends, and wait their turn instead of being refused."""

from __future__ import annotations

from app.domain.retry_budget import RetryBudget


def test_few_retries_do_not_wait() -> None:
    budget = RetryBudget()
    assert budget.reserve(now=100.0) == 0.0


def test_retries_come_at_a_fifth_of_the_first_sends_of_the_last_minute() -> None:
    budget = RetryBudget()
    budget.sent(60_000, now=100.0)
    waits = [budget.reserve(now=100.0) for _ in range(201)]
    assert round(waits[-1], 3) == 1.0


def test_without_first_sends_ten_retries_a_second_are_allowed() -> None:
    budget = RetryBudget()
    waits = [budget.reserve(now=100.0) for _ in range(11)]
    assert round(waits[-1], 3) == 1.0


def test_first_sends_count_for_a_minute() -> None:
    budget = RetryBudget()
    budget.sent(60_000, now=100.0)
    budget.sent(60_000, now=100.5)
    waits = [budget.reserve(now=161.0) for _ in range(11)]
    assert round(waits[-1], 3) == 1.0


def test_a_retry_whose_place_would_come_too_late_goes_out_of_turn_and_takes_no_place() -> None:
    budget = RetryBudget()
    for _ in range(20):
        budget.reserve(now=100.0)
    assert [budget.reserve(now=100.0, within=1.0, jitter=jitter) for jitter in (0.0, 0.25, 0.9)] == [0.0, 0.25, 0.9]
    assert round(budget.reserve(now=100.0), 3) == 2.0


def test_places_that_were_not_taken_are_not_saved_up() -> None:
    budget = RetryBudget()
    budget.reserve(now=100.0)
    assert budget.reserve(now=500.0) == 0.0
    assert round(budget.reserve(now=500.0), 3) == 0.1
