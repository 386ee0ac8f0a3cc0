"""The checker of rates finds what is planted, to the segment, and nothing else."""

from __future__ import annotations

import random
from itertools import combinations_with_replacement

import pytest

from tests.support.rate_checker import Allowed, Seen, Use, days_over_cap, ideal, use, violations, worst_window

MIDNIGHT = 1_764_547_200.0  # 1 December 2025, UTC
TEN = Allowed(rate=10, burst=5)


def every(seconds: float, count: int, *, segments: int = 1, start: float = MIDNIGHT + 3600) -> list[Seen]:
    return [Seen(at=start + seconds * number, segments=segments) for number in range(count)]


def worst_by_hand(seen: list[Seen], allowed: Allowed) -> float:
    free = allowed.rate + max(allowed.burst, *(each.segments for each in seen))
    return max(
        sum(each.segments for each in seen[first : last + 1]) - allowed.rate * (seen[last].at - seen[first].at) - free
        for first, last in combinations_with_replacement(range(len(seen)), 2)
    )


def test_a_sender_at_its_rate_keeps_its_bound() -> None:
    assert violations(every(0.1, 500), TEN) == []


def test_a_burst_and_the_second_that_a_grant_may_take_are_allowed_and_one_segment_more_is_not() -> None:
    assert violations(every(0, 15), TEN) == []
    assert violations(every(0, 16), TEN) == ["16 segments in 0.000 s of 15.00 allowed"]


def test_without_the_slack_the_burst_alone_is_allowed() -> None:
    assert violations(every(0, 5), TEN, slack_seconds=0) == []
    assert violations(every(0, 6), TEN, slack_seconds=0) == ["6 segments in 0.000 s of 5.00 allowed"]


def test_one_percent_above_the_rate_is_found_once_it_exceeds_what_is_free() -> None:
    start = MIDNIGHT + 3600
    assert violations(every(1 / 10.1, 1_000, start=start), TEN) == []
    assert violations(every(1 / 10.1, 1_700, start=start), TEN) != []


def test_two_fixed_windows_that_let_double_the_rate_through_are_found() -> None:
    start = MIDNIGHT + 3600
    minute = Allowed(rate=1, burst=1)
    doubled = every(0.01, 60, start=start + 59) + every(0.01, 60, start=start + 60)
    found = worst_window(doubled, minute)
    assert found is not None
    assert (found.segments, found.began) == (120, start + 59)


def test_a_violation_in_the_middle_of_a_long_calm_run_is_named_with_its_window() -> None:
    calm = every(0.2, 1_000)
    planted = every(0.01, 20, start=calm[500].at + 0.1)
    found = worst_window([*calm, *planted], TEN)
    assert found is not None
    assert found.excess > 0
    assert found.began <= planted[0].at <= found.began + found.seconds
    assert found.seconds < 2


def test_a_message_dearer_than_the_burst_raises_the_bound_to_itself() -> None:
    small = Allowed(rate=1, burst=2)
    assert violations(every(6, 10, segments=6), small) == []
    assert violations(every(0, 2, segments=6), small) == ["12 segments in 0.000 s of 7.00 allowed"]


@pytest.mark.parametrize("seed", range(40))
def test_the_worst_window_is_the_worst_of_all_pairs_of_messages(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    allowed = Allowed(rate=chance.choice([0.3, 2.0, 17.0]), burst=chance.choice([1, 4, 20]))
    at, seen = MIDNIGHT, []
    for _ in range(chance.randrange(1, 60)):
        at += chance.expovariate(allowed.rate) * chance.choice([0, 1, 1, 3])
        seen.append(Seen(at=at, segments=chance.randrange(1, 7)))
    found = worst_window(seen, allowed)
    assert found is not None
    assert found.excess == pytest.approx(worst_by_hand(seen, allowed), abs=1e-4)


def test_nothing_seen_is_no_window_and_no_violation() -> None:
    assert worst_window([], TEN) is None
    assert violations([], TEN) == []


def test_a_day_over_its_cap_is_found_and_what_is_seen_just_after_midnight_may_be_of_the_day_before() -> None:
    capped = Allowed(rate=1_000, burst=1_000, daily_cap=10)
    assert days_over_cap(every(1, 10), capped) == []
    assert days_over_cap(every(1, 11), capped) == ["11 segments on 2025-12-01 of 10 allowed"]
    assert days_over_cap([*every(0.1, 5, start=MIDNIGHT), *every(1, 10)], capped) == []


def test_what_could_have_been_sent_is_the_burst_and_then_the_rate() -> None:
    sent = ideal(every(0, 8), TEN)
    start = MIDNIGHT + 3600
    assert [each.at - start for each in sent] == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3], abs=1e-5)


def test_what_could_have_been_sent_waits_for_a_full_bucket_where_a_message_is_dearer() -> None:
    start = MIDNIGHT + 3600
    sent = ideal(every(0, 3, segments=6), Allowed(rate=2, burst=2))
    assert [each.at - start for each in sent] == [0, 3, 6]


def test_what_could_have_been_sent_goes_on_after_midnight_where_a_day_has_its_cap() -> None:
    sent = ideal(every(0, 3, start=MIDNIGHT - 60), Allowed(rate=10, burst=5, daily_cap=2))
    assert [each.at - MIDNIGHT for each in sent] == [-60, -60, 0]


@pytest.mark.parametrize("seed", range(10))
def test_what_could_have_been_sent_never_exceeds_the_bound_itself(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    asked = [Seen(at=MIDNIGHT + chance.uniform(0, 60), segments=chance.randrange(1, 7)) for _ in range(300)]
    assert violations(ideal(asked, TEN), TEN, slack_seconds=0) == []


def test_a_sender_that_idles_beside_a_backlog_has_not_used_what_it_could() -> None:
    start = MIDNIGHT + 3600
    asked = every(0, 1_000, start=start)
    assert use(every(0.1, 95, start=start), asked, TEN, until=start + 9.51) == Use(sent=95, allowed=100)
    assert Use(sent=95, allowed=100).share == 0.95


def test_a_sender_with_nothing_to_send_has_used_all() -> None:
    assert use([], [], TEN, until=MIDNIGHT).share == 1.0
