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


def claim(
    turns: Turns, candidates: Sequence[Candidate], *, room: int = 16, providers: dict[str, int] | None = None
) -> Counter[UUID]:
    """Claim once from lanes that hold as much as is asked for; give how much of each account."""
    left, taken, accounts = room, Counter[tuple[UUID, int]](), Counter[UUID]()
    for share in turns.allot(candidates, room=room, others=room, providers=providers or {}):
        messages = min(share.most, left)
        left -= messages
        if messages:
            taken[share.candidate.lane, share.candidate.rank] += messages
            accounts[share.candidate.account] += messages
    turns.served(candidates, taken)
    return accounts


def claims(turns: Turns, candidates: Sequence[Candidate], times: int, *, room: int = 16) -> Counter[UUID]:
    """Claim so many times."""
    return sum((claim(turns, candidates, room=room) for _ in range(times)), Counter[UUID]())


def by_rank(shares: Sequence[Share]) -> list[tuple[int, int]]:
    return [(share.candidate.rank, share.most) for share in shares]


def test_accounts_share_by_weight() -> None:
    both = [candidate(1), candidate(2, TWO, account_weight=3.0)]
    served = claims(Turns(), both, 100)
    assert served.total() == 1600
    assert abs(served[TWO] / served[ONE] - 3) < 0.1


def test_lanes_of_one_account_share_by_weight() -> None:
    turns, both = Turns(), [candidate(1), candidate(2, weight=3.0)]
    lanes = Counter[UUID]()
    for _ in range(100):
        shares = turns.allot(both, room=16, others=16, providers={})
        taken = {(share.candidate.lane, 1): share.most for share in shares}
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
    shares = turns.allot([first, second], room=16, others=16, providers={})
    assert {share.candidate.lane: share.most for share in shares} == {first.lane: 8, second.lane: 8}


def test_an_account_that_was_behind_catches_up_within_one_priority_alone() -> None:
    turns = Turns()
    claims(turns, [candidate(1, rank=0)], 100)
    served = claims(turns, [candidate(1), candidate(2, TWO)], 10)
    assert abs(served[ONE] - served[TWO]) <= 16


def test_the_urgent_go_first_whatever_waits_beside_them() -> None:
    waiting = [candidate(1, rank=2), candidate(2, TWO, rank=1), candidate(3, THREE, rank=0, most=5)]
    shares = Turns().allot(waiting, room=16, others=16, providers={})
    assert by_rank(shares) == [(0, 5), (1, 16), (2, 16)]


def test_what_is_kept_for_codes_is_not_given_to_others() -> None:
    waiting = [candidate(1, rank=1), candidate(2, TWO, rank=0)]
    shares = Turns().allot(waiting, room=16, others=4, providers={})
    assert by_rank(shares) == [(0, 16), (1, 4)]
    assert by_rank(Turns().allot(waiting, room=16, others=0, providers={})) == [(0, 16)]


def test_a_provider_bounds_the_sum_of_its_lanes() -> None:
    waiting = [candidate(1, provider="slow"), candidate(2, provider="slow"), candidate(3, TWO, provider="fast")]
    shares = Turns().allot(waiting, room=16, others=16, providers={"slow": 1})
    assert sum(share.most for share in shares if share.candidate.provider == "slow") == 1
    assert sum(share.most for share in shares if share.candidate.provider == "fast") == 15


def test_a_provider_that_takes_nothing_gets_nothing() -> None:
    assert Turns().allot([candidate(1)], room=16, others=16, providers={"one": 0}) == []


def test_a_claim_locks_no_more_lanes_than_it_may() -> None:
    waiting = [candidate(lane, UUID(int=lane)) for lane in range(1, 500)]
    assert len(Turns().allot(waiting, room=256, others=256, providers={})) == 64


def test_every_lane_has_its_turn_before_any_has_a_second_one() -> None:
    turns, waiting = Turns(), [candidate(lane, most=1) for lane in range(1, 101)]
    assert claims(turns, waiting, 10, room=10)[ONE] == 100
    seen = Counter[UUID]()
    for _ in range(10):
        shares = turns.allot(waiting, room=10, others=10, providers={})[:10]
        seen.update(share.candidate.lane for share in shares)
        turns.served(waiting, {(share.candidate.lane, 1): 1 for share in shares})
    assert set(seen.values()) == {1}


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(1, 50), st.floats(0.1, 10), st.sampled_from("ab")),
        max_size=30,
    ),
    st.integers(1, 256),
    st.integers(0, 256),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 40)),
)
def test_no_share_passes_what_its_lane_its_provider_or_the_room_lets_go(
    lanes: list[tuple[int, int, int, float, str]], room: int, others: int, providers: dict[str, int]
) -> None:
    waiting = [
        candidate(number, UUID(int=account), rank=rank, most=most, weight=weight, provider=provider)
        for number, (account, rank, most, weight, provider) in enumerate(lanes)
    ]
    shares = Turns().allot(waiting, room=room, others=others, providers=providers)
    assert [rank for rank, _ in by_rank(shares)] == sorted(rank for rank, _ in by_rank(shares))
    assert all(0 < share.most <= share.candidate.most for share in shares)
    for rank in range(3):
        for provider, most in providers.items():
            of = [s.most for s in shares if (s.candidate.rank, s.candidate.provider) == (rank, provider)]
            assert sum(of) <= most
    if room <= sum(each.most for each in waiting if each.rank == 0 and each.provider not in providers):
        assert sum(share.most for share in shares if share.candidate.rank == 0) >= room
