"""A worker counts what becomes of its calls, and does not wait for the deadline of those that hang."""

from __future__ import annotations

from app.domain.call_watch import CallWatch
from app.domain.circuit_breaker import Verdict


def counted(watch: CallWatch) -> list[tuple[Verdict, int]]:
    """Give what it has seen, which it keeps."""
    seen = watch.take()
    watch.put_back(seen)
    return [(each.verdict, each.count) for each in seen]


def look_until(watch: CallWatch, end: float, *, start: float = 0.0) -> None:
    """Look every quarter of a second, as workers do."""
    for step in range(int((end - start) * 4) + 1):
        watch.look(now=start + step / 4)


def test_calls_that_end_alike_within_a_second_are_one_line_and_their_order_is_kept() -> None:
    watch = CallWatch()
    for number, verdict in enumerate([Verdict.WELL, Verdict.WELL, Verdict.FAILED, Verdict.WELL]):
        watch.end(watch.begin(now=0), verdict, now=0.1 * number)
    assert counted(watch) == [(Verdict.WELL, 2), (Verdict.FAILED, 1), (Verdict.WELL, 1)]
    assert watch.has_trouble


def test_while_all_goes_well_thirty_seconds_are_kept() -> None:
    watch = CallWatch()
    for second in range(100):
        watch.end(watch.begin(now=second), Verdict.WELL, now=second)
        watch.look(now=second)
    assert counted(watch) == [(Verdict.WELL, 1)] * 30
    assert not watch.has_trouble


def test_calls_that_are_not_answered_for_five_seconds_are_failures_before_they_end() -> None:
    watch = CallWatch()
    watch.look(now=0)
    calls = [watch.begin(now=0) for _ in range(7)]
    look_until(watch, 4.75)
    assert counted(watch) == []
    look_until(watch, 6, start=5)
    assert (counted(watch), watch.overdue) == ([(Verdict.OVERDUE, 7)], 7)
    for call in calls:
        watch.end(call, Verdict.FAILED, now=20)
    assert (counted(watch), watch.overdue) == ([(Verdict.OVERDUE, 7)], 0)


def test_a_late_answer_counts_though_its_call_was_overdue() -> None:
    watch = CallWatch()
    watch.look(now=0)
    call = watch.begin(now=0)
    look_until(watch, 5)
    watch.end(call, Verdict.WELL, now=6)
    assert counted(watch) == [(Verdict.OVERDUE, 1), (Verdict.WELL, 1)]


def test_nothing_is_overdue_while_other_calls_are_answered() -> None:
    watch = CallWatch()
    watch.look(now=0)
    watch.begin(now=0)
    for second in range(1, 12):
        watch.end(watch.begin(now=second), Verdict.WELL, now=second)
        look_until(watch, second + 0.75, start=second)
    assert Verdict.OVERDUE not in {verdict for verdict, _ in counted(watch)}


def test_time_in_which_the_worker_was_stopped_is_no_silence() -> None:
    watch = CallWatch()
    watch.look(now=0)
    watch.begin(now=0)
    watch.look(now=60)
    look_until(watch, 64.75, start=60.25)
    assert counted(watch) == []
    look_until(watch, 65, start=65)
    assert counted(watch) == [(Verdict.OVERDUE, 1)]


def test_a_call_that_was_broken_off_here_says_nothing() -> None:
    watch = CallWatch()
    watch.end(watch.begin(now=0), None, now=1)
    assert not watch.has_seen
