"""A provider that fails is left alone, and tried again with one message at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.circuit_breaker import (
    Circuit,
    CircuitState,
    Observation,
    Verdict,
    allowance,
    begin_trial,
    listens,
    observed,
    verdict_of,
)
from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Accepted, Deferred, ProviderFailure, Rejected, SendOutcome, Unknown

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)
WELL, FAILED, OVERDUE = Verdict.WELL, Verdict.FAILED, Verdict.OVERDUE


def seen(verdict: Verdict, count: int = 1, *, at: datetime = NOW, took: timedelta = SECOND) -> Observation:
    """Give calls that ended alike."""
    return Observation(verdict=verdict, count=count, begun_at=at - took, ended_at=at)


def after(circuit: Circuit, *verdicts: Verdict, at: datetime = NOW) -> Circuit:
    """Give a circuit after calls that began after its last change and ended in this order."""
    return observed(circuit, [seen(each, at=at, took=timedelta()) for each in verdicts], now=at, jitter=0)


def opened(*, at: datetime = NOW, circuit: Circuit | None = None) -> Circuit:
    """Give a circuit that has just opened."""
    return after(circuit or Circuit(), *[FAILED] * 5, at=at)


def tried(circuit: Circuit, verdict: Verdict) -> tuple[Circuit, datetime]:
    """Let a trial through as soon as it may be, and give what its end makes of the circuit, and when."""
    assert circuit.open_until is not None
    then = circuit.open_until
    trial = begin_trial(circuit, now=then, lasts=LEASE)
    return after(trial, verdict, at=then + SECOND), then + SECOND


def failure(error: DeliveryError) -> ProviderFailure:
    """Give a failure with nothing from the provider beside it."""
    return ProviderFailure(error=error)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Accepted(provider_message_id="1"), Verdict.WELL),
        (Rejected(failure=failure(DeliveryError.INVALID_RECIPIENT)), Verdict.WELL),
        (Unknown(failure=failure(DeliveryError.OUTCOME_UNKNOWN)), Verdict.FAILED),
        (Deferred(failure=failure(DeliveryError.PROVIDER_UNAVAILABLE)), Verdict.FAILED),
        (Deferred(failure=failure(DeliveryError.RATE_LIMITED)), Verdict.THROTTLED),
        (Deferred(failure=failure(DeliveryError.EXPIRED)), Verdict.NOT_CALLED),
        (Deferred(failure=failure(DeliveryError.PROVIDER_MISSING)), Verdict.NOT_CALLED),
    ],
)
def test_an_outcome_says_of_its_provider(outcome: SendOutcome, verdict: Verdict) -> None:
    assert verdict_of(outcome) is verdict


@pytest.mark.parametrize("verdict", [FAILED, OVERDUE])
def test_five_failures_in_a_row_open_it_and_four_do_not(verdict: Verdict) -> None:
    four = after(Circuit(), *[verdict] * 4)
    assert (four.state, allowance(four, now=NOW)) == (CircuitState.CLOSED, None)
    five = after(four, verdict)
    assert (five.state, allowance(five, now=NOW)) == (CircuitState.OPEN, 0)


def test_a_success_ends_the_row() -> None:
    assert after(Circuit(), *[FAILED] * 4, WELL, *[FAILED] * 4).state is CircuitState.CLOSED


def test_half_of_twenty_calls_in_thirty_seconds_open_it() -> None:
    alternating = [FAILED if number % 2 else WELL for number in range(20)]
    assert after(Circuit(), *alternating[:-1]).state is CircuitState.CLOSED
    assert after(Circuit(), *alternating).state is CircuitState.OPEN


def test_calls_count_for_thirty_seconds() -> None:
    earlier = after(Circuit(), *[FAILED, WELL] * 9)
    later = NOW + timedelta(seconds=31)
    assert after(earlier, WELL, FAILED, at=later).state is CircuitState.CLOSED
    assert not listens(earlier, now=later)


def test_it_stays_open_for_ten_seconds_and_twice_as_long_after_each_trial_that_fails_up_to_five_minutes() -> None:
    circuit, lengths = opened(), []
    for _ in range(7):
        assert circuit.open_until is not None
        assert circuit.changed_at is not None
        lengths.append((circuit.open_until - circuit.changed_at).total_seconds())
        circuit, _ = tried(circuit, FAILED)
    assert lengths == [10, 20, 40, 80, 160, 300, 300]


def test_jitter_makes_an_opening_a_tenth_longer_at_most() -> None:
    circuit = observed(Circuit(), [seen(FAILED, 5)], now=NOW, jitter=0.5)
    assert circuit.open_until == NOW + timedelta(seconds=10.5)


def test_one_message_is_let_through_when_it_was_open_long_enough_and_no_other_beside_it() -> None:
    circuit = opened()
    then = NOW + timedelta(seconds=10)
    assert allowance(circuit, now=then - SECOND) == 0
    assert allowance(circuit, now=then) == 1
    trial = begin_trial(circuit, now=then, lasts=LEASE)
    assert (trial.state, allowance(trial, now=then + SECOND)) == (CircuitState.HALF_OPEN, 0)


def test_a_trial_whose_worker_died_is_over_when_its_time_is() -> None:
    then = NOW + timedelta(seconds=10)
    trial = begin_trial(opened(), now=then, lasts=LEASE)
    assert allowance(trial, now=then + LEASE) == 1


def test_a_trial_that_never_left_is_made_anew() -> None:
    circuit, then = tried(opened(), Verdict.NOT_CALLED)
    assert allowance(circuit, now=then) == 1


@pytest.mark.parametrize("verdict", [WELL, Verdict.THROTTLED])
def test_a_trial_that_is_answered_closes_it_to_a_slow_start(verdict: Verdict) -> None:
    circuit, then = tried(opened(), verdict)
    assert (circuit.state, circuit.slow_since, circuit.failures_in_row) == (CircuitState.CLOSED, then, 0)
    assert allowance(circuit, now=then) is None


def test_it_opens_as_if_for_the_first_time_once_it_was_closed_for_a_minute() -> None:
    circuit, then = tried(opened(), WELL)
    soon, late = then + SECOND, then + timedelta(seconds=60)
    assert opened(at=soon, circuit=circuit).open_until == soon + timedelta(seconds=20)
    assert opened(at=late, circuit=circuit).open_until == late + timedelta(seconds=10)


def test_calls_that_began_before_it_changed_say_nothing_any_more() -> None:
    trial = begin_trial(opened(), now=NOW + timedelta(seconds=10), lasts=LEASE)
    closed, then = tried(opened(), WELL)
    for circuit, at in ((trial, NOW + timedelta(seconds=11)), (closed, then)):
        for verdict in (WELL, FAILED):
            late = seen(verdict, 50, at=at + SECOND, took=timedelta(seconds=20))
            assert observed(circuit, [late], now=at + SECOND, jitter=0) == circuit


def test_an_answer_to_a_call_that_was_overdue_closes_what_was_opened_for_it() -> None:
    late = [seen(WELL, at=NOW + SECOND, took=timedelta(seconds=6))]
    overdue = observed(Circuit(), [seen(OVERDUE, 5)], now=NOW, jitter=0)
    failed = observed(Circuit(), [seen(FAILED, 5)], now=NOW, jitter=0)
    assert observed(overdue, late, now=NOW + SECOND, jitter=0).state is CircuitState.CLOSED
    assert observed(failed, late, now=NOW + SECOND, jitter=0).state is CircuitState.OPEN
    assert (listens(overdue, now=NOW), listens(failed, now=NOW)) == (True, False)


def test_health_is_halved_at_each_opening_and_comes_back_from_the_closing_on() -> None:
    circuit = opened()
    assert circuit.health == 0.5
    again, _ = tried(circuit, FAILED)
    assert again.health == 0.25
    closed, then = tried(again, WELL)
    assert (closed.health, closed.health_at) == (0.25, then)
    assert opened(at=then + timedelta(minutes=1), circuit=closed).health == pytest.approx(0.25)


VERDICTS = st.sampled_from(list(Verdict))
FAILURES = st.sampled_from([FAILED, OVERDUE])


@given(st.lists(VERDICTS), st.lists(FAILURES, min_size=5, max_size=5))
def test_any_five_in_a_row_open_it(before: Sequence[Verdict], row: Sequence[Verdict]) -> None:
    assert after(Circuit(), *before, *row).state is CircuitState.OPEN


@given(st.lists(st.sampled_from([Verdict.THROTTLED, WELL, Verdict.NOT_CALLED])))
def test_throttling_never_opens_it(verdicts: Sequence[Verdict]) -> None:
    assert after(Circuit(), *verdicts).state is CircuitState.CLOSED


@given(st.lists(VERDICTS, max_size=60), st.lists(st.integers(min_value=1, max_value=9), max_size=20))
def test_it_does_not_matter_how_observations_are_cut_into_batches(
    verdicts: Sequence[Verdict], sizes: Sequence[int]
) -> None:
    at_once, by_and_by, rest = after(Circuit(), *verdicts), Circuit(), list(verdicts)
    for size in (*sizes, len(rest)):
        batch, rest = rest[:size], rest[size:]
        by_and_by = after(by_and_by, *batch)
    assert by_and_by == at_once


@given(st.lists(st.booleans(), min_size=5, max_size=30))
def test_failures_that_two_workers_see_open_it_as_soon_as_one_worker_s_would(whose: Sequence[bool]) -> None:
    """Each worker's five are on the row within its flush; others' failures in between only hasten that."""
    circuit, flushed = Circuit(), {True: 0, False: 0}
    for one in whose:
        circuit = after(circuit, FAILED)
        flushed[one] += 1
        assert circuit.state is CircuitState.OPEN or max(flushed.values()) < 5


@given(st.lists(st.tuples(VERDICTS, st.integers(min_value=0, max_value=40)), max_size=60))
def test_there_is_never_more_than_one_trial_at_a_time_and_one_in_each_opening(
    steps: Sequence[tuple[Verdict, int]],
) -> None:
    circuit, now, tried_since = opened(), NOW, False
    for verdict, seconds in steps:
        now += timedelta(seconds=seconds)
        if allowance(circuit, now=now) == 1:
            assert not tried_since or circuit.trial_until is None or circuit.trial_until <= now
            circuit, tried_since = begin_trial(circuit, now=now, lasts=LEASE), True
            assert allowance(circuit, now=now) == 0
        before = circuit
        circuit = after(circuit, verdict, at=now)
        if circuit.state is CircuitState.OPEN and before.state is not CircuitState.OPEN:
            tried_since = False
