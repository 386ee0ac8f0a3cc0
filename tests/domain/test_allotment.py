"""Turns: the urgent first, then accounts by weight, then their lanes; who was idle has earned nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.domain.allotment import Candidate, Share, Turns

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def candidate(lane: int, account: UUID = ONE, **more: Any) -> Candidate:
    given_ = {"provider": "one", "rank": 1, "most": 1000, "weight": 1.0, "account_weight": 1.0, **more}
    return Candidate(lane=UUID(int=100 + lane), account=account, **given_)


def claim(turns: Turns, candidates: Sequence[Candidate], *, room: int = 16) -> Counter[UUID]:
    """Deal out once over lanes that hold as much as is asked for; give how much of each account."""
    taken, accounts = Counter[tuple[UUID, int]](), Counter[UUID]()
    for share in turns.allot(candidates, room=room):
        taken[share.candidate.lane, share.candidate.rank] += share.most
        accounts[share.candidate.account] += share.most
    turns.served(candidates, taken)
    return accounts


def claims(turns: Turns, candidates: Sequence[Candidate], times: int, *, room: int = 16) -> Counter[UUID]:
    """Claim so many times."""
    return sum((claim(turns, candidates, room=room) for _ in range(times)), Counter[UUID]())


def by_rank(shares: Sequence[Share]) -> list[tuple[int, int]]:
    """Give the ranks in their order, each with how much there is of it."""
    total = Counter[int]()
    for share in shares:
        total[share.candidate.rank] += share.most
    return list(total.items())


def test_accounts_share_by_weight() -> None:
    both = [candidate(1), candidate(2, TWO, account_weight=3.0)]
    served = claims(Turns(), both, 100)
    assert served.total() == 1600
    assert abs(served[TWO] / served[ONE] - 3) < 0.1


def test_lanes_of_one_account_share_by_weight() -> None:
    turns, both = Turns(), [candidate(1), candidate(2, weight=3.0)]
    lanes = Counter[UUID]()
    for _ in range(100):
        taken = Counter[tuple[UUID, int]]()
        for share in turns.allot(both, room=16):
            taken[share.candidate.lane, 1] += share.most
        turns.served(both, taken)
        lanes.update({lane: count for (lane, _), count in taken.items()})
    assert abs(lanes[both[1].lane] / lanes[both[0].lane] - 3) < 0.1


def test_many_lanes_of_one_account_do_not_beat_the_one_lane_of_another() -> None:
    served = claims(Turns(), [*(candidate(lane) for lane in range(2, 202)), candidate(1, TWO)], 100)
    assert abs(served[ONE] - served[TWO]) <= 32


def test_an_account_that_was_idle_has_earned_nothing() -> None:
    turns = Turns()
    claims(turns, [candidate(1)], 1000)
    served = claims(turns, [candidate(1), candidate(2, TWO)], 10)
    assert abs(served[ONE] - served[TWO]) <= 16


def test_a_lane_that_was_idle_has_earned_nothing() -> None:
    turns, first, second = Turns(), candidate(1), candidate(2)
    claims(turns, [first], 1000)
    shares = turns.allot([first, second], room=16)
    assert Counter(share.candidate.lane for share in shares) == {first.lane: 8, second.lane: 8}


def test_an_account_that_was_behind_catches_up_within_one_priority_alone() -> None:
    turns = Turns()
    claims(turns, [candidate(1, rank=0)], 100)
    served = claims(turns, [candidate(1), candidate(2, TWO)], 10)
    assert abs(served[ONE] - served[TWO]) <= 16


def test_the_urgent_go_first_whatever_waits_beside_them() -> None:
    waiting = [candidate(1, rank=2), candidate(2, TWO, rank=1), candidate(3, THREE, rank=0, most=5)]
    assert by_rank(Turns().allot(waiting, room=16)) == [(0, 5), (1, 16), (2, 16)]


def test_every_lane_has_its_turn_before_any_has_a_second_one() -> None:
    waiting = [candidate(lane) for lane in range(1, 101)]
    turns = Turns().allot(waiting, room=128)
    assert len({share.candidate.lane for share in turns[:100]}) == 100


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(1, 50), st.floats(0.1, 10)), max_size=30),
    st.integers(1, 2048),
)
def test_no_share_passes_what_its_lane_or_the_room_lets_go_and_no_room_is_left_empty(
    lanes: list[tuple[int, int, int, float]], room: int
) -> None:
    waiting = [
        candidate(number, UUID(int=account), rank=rank, most=most, weight=weight)
        for number, (account, rank, most, weight) in enumerate(lanes)
    ]
    shares = Turns().allot(waiting, room=room)
    ranks = [share.candidate.rank for share in shares]
    assert ranks == sorted(ranks)
    assert all(share.most > 0 for share in shares)
    for each in waiting:
        assert sum(share.most for share in shares if share.candidate.lane == each.lane) <= each.most
    for rank in range(3):
        there = sum(each.most for each in waiting if each.rank == rank)
        assert sum(share.most for share in shares if share.candidate.rank == rank) == min(room, there)
