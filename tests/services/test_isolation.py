"""The turns of messages over which a worker died: called, begun, ended, and never more than half of the time."""

from __future__ import annotations

import random

import pytest

from app.services.isolation import TURN_SECONDS, LoneKind, LoneTurns


def called(*, at: float) -> LoneTurns:
    turns = LoneTurns(send_seconds=20)
    turns.hear(due=True, now=at)
    return turns


def test_nothing_is_called_while_no_lone_message_is_due() -> None:
    turns = LoneTurns(send_seconds=20)
    turns.hear(due=False, now=100)
    assert (turns.is_called, turns.goes_on(now=100), turns.listens(now=100)) == (False, False, True)


def test_a_turn_lasts_a_moment_from_its_beginning_and_not_from_its_call() -> None:
    turns = called(at=100)
    assert turns.is_called
    assert [turns.goes_on(now=now) for now in (107, 107.9, 108)] == [True, True, False]


def test_what_is_heard_while_a_turn_goes_on_neither_ends_nor_lengthens_it() -> None:
    turns = called(at=100)
    assert turns.goes_on(now=101)
    for due in (False, True):
        turns.hear(due=due, now=101.5)
    assert (turns.is_called, turns.goes_on(now=101.9), turns.goes_on(now=102)) == (True, True, False)


def test_a_turn_that_has_not_begun_is_given_up_where_another_worker_took_the_message() -> None:
    turns = called(at=100)
    turns.hear(due=False, now=103)
    assert not turns.is_called
    assert (turns.listens(now=105.9), turns.listens(now=106)) == (False, True)


@pytest.mark.parametrize("begins", [False, True])
def test_a_turn_that_something_else_than_sends_holds_up_is_given_up(begins: bool) -> None:
    turns = called(at=100)
    if begins:
        assert turns.goes_on(now=120)
    turns.hear(due=True, now=141)
    assert turns.is_called, "a wait for the slowest send, a moment, and a slow send take as long"
    turns.hear(due=True, now=141.5)
    assert not turns.is_called
    assert (turns.listens(now=182.9), turns.listens(now=183)) == (False, True)


@pytest.mark.parametrize(
    ("ended_at", "not_before"),
    [(100.2, 101.2), (101, 102), (121.5, 143)],
    ids=["a short one", "one of a moment", "one that waited for a slow send"],
)
def test_the_others_have_as_long_as_a_turn_cost_them_and_a_moment_at_least(ended_at: float, not_before: float) -> None:
    turns = called(at=100)
    turns.goes_on(now=ended_at)
    turns.end(now=ended_at)
    turns.hear(due=True, now=not_before - 0.01)
    assert not turns.is_called
    turns.hear(due=True, now=not_before)
    assert turns.is_called


def test_lone_messages_without_end_and_sends_of_any_length_leave_the_others_half_of_the_time() -> None:
    chance, now, lone, longest = random.Random(7), 0.0, 0.0, 20.0  # noqa: S311 - a seed that repeats
    turns = LoneTurns(send_seconds=longest)
    while now < 10_000:
        turns.hear(due=True, now=now)
        if not turns.is_called:
            now += 0.5
            continue
        called_at = now
        now += chance.uniform(0, longest)
        while turns.goes_on(now=now):
            now += chance.uniform(0, longest)
        turns.end(now=now)
        lone += now - called_at
    # The last turn has not been made up for yet.
    assert lone <= now / 2 + 2 * longest + TURN_SECONDS
    assert lone > now / 3


def test_the_kinds_alternate_while_there_are_messages_of_both() -> None:
    turns, gone = LoneTurns(send_seconds=20), []
    for _ in range(4):
        gone.append(turns.order[0])
        turns.went_out(gone[-1])
    assert gone == [LoneKind.RESEND, LoneKind.SEND, LoneKind.RESEND, LoneKind.SEND]


@pytest.mark.parametrize(("endless", "other"), [tuple(LoneKind), tuple(reversed(LoneKind))])
def test_where_each_message_of_one_kind_fills_a_turn_the_next_turn_begins_with_the_other(
    endless: LoneKind, other: LoneKind
) -> None:
    now, turns = 0.0, LoneTurns(send_seconds=20)
    for _ in range(3):
        turns.hear(due=True, now=now)
        assert turns.goes_on(now=now)
        turns.went_out(endless)
        now += 20
        assert not turns.goes_on(now=now)
        turns.end(now=now)
        assert turns.order == (other, endless)
        now += 20
