"""A plan's turns: drawn by several claims, until they are over or have nothing more."""

from __future__ import annotations

from uuid import UUID

from app.domain.allotment import Share, Turns
from app.domain.lane_plan import LanePlan
from tests.domain.test_allotment import TWO, candidate


def plan(*lanes: int, turns: int = 3, most: int = 4, rank: int = 1) -> LanePlan:
    """Make a plan in which these lanes have turns one after the other."""
    waiting = [candidate(lane, rank=rank) for lane in lanes]
    return LanePlan(waiting, [Share(candidate=each, most=most) for _ in range(turns) for each in waiting])


def lane(number: int, rank: int = 1) -> tuple[UUID, int]:
    return UUID(int=100 + number), rank


def told(shares: list[Share]) -> list[tuple[int, int]]:
    """Give the lanes by number, each with how much is drawn of it."""
    return [(share.candidate.lane.int - 100, share.most) for share in shares]


def test_turns_of_one_lane_are_drawn_together_until_the_room_is_full() -> None:
    left = plan(1, 2)
    assert told(left.draw(room=12, others=12)) == [(1, 8), (2, 4)]
    assert told(left.draw(room=12, others=12)) == [(2, 8), (1, 4)]
    assert left.draw(room=12, others=12) == []


def test_what_the_room_did_not_reach_comes_back_in_its_order() -> None:
    left = plan(1, 2, 3, turns=1)
    drawn = left.draw(room=4, others=4)
    assert told(drawn) == [(1, 4), (2, 4), (3, 4)]
    left.settle(drawn, {lane(1): 3, lane(2): 1}, is_full=True)
    assert told(left.draw(room=4, others=4)) == [(2, 3), (3, 4)]


def test_a_lane_that_had_less_than_was_asked_for_has_no_further_turns() -> None:
    left = plan(1, 2)
    left.settle(left.draw(room=8, others=8), {lane(1): 2, lane(2): 4}, is_full=False)
    assert told(left.draw(room=8, others=8)) == [(2, 8)]


def test_a_lane_that_keeps_something_back_has_no_further_turns() -> None:
    left = plan(1, 2)
    left.close(lane(1))
    assert told(left.draw(room=100, others=100)) == [(2, 12)]


def test_places_that_are_kept_for_codes_are_drawn_for_nothing_else() -> None:
    waiting = [candidate(1, rank=0, most=3), candidate(2, TWO)]
    left = LanePlan(waiting, Turns().allot(waiting, room=16))
    assert told(left.draw(room=16, others=0)) == [(1, 3)]
    assert told(left.draw(room=16, others=16)) == [(2, 16)]


def test_a_claim_locks_no_more_lanes_than_it_may() -> None:
    left = plan(*range(1, 200), turns=1, most=1)
    assert len(left.draw(room=256, others=256)) == 64
    assert len(left.draw(room=256, others=256)) == 64


def test_what_was_taken_is_kept_for_the_reckoning() -> None:
    left = plan(1, 2)
    left.taken[lane(1)] += 5
    turns = Turns()
    turns.served(left.candidates, left.taken)
    assert told(turns.allot(left.candidates, room=1)) == [(2, 1)]
