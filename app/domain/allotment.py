"""Whose turn it is: what there is room for is dealt out over accounts and their lanes, the most urgent first.

Pure, but for the virtual times that each worker keeps in `Turns`; it claims nothing.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

_TURNS: Final = 128
"""Into about so many turns the room is cut: to lock and charge a lane costs as much as a message."""

_MOST_REMEMBERED: Final = 10_000
"""Accounts or lanes whose virtual time is kept; beyond that, those are forgotten that have no lead."""


@dataclass(kw_only=True, slots=True)
class Candidate:
    """What is due of one priority in one lane; not frozen, for speed alone."""

    lane: UUID
    account: UUID
    provider: str
    rank: int
    """Of its priority: 0 goes first."""

    most: int
    """Messages that its meter lets go at most."""

    weight: float
    """Its share beside the other lanes of its account."""

    account_weight: float
    """Its account's share beside the others."""

    is_limited: bool = False
    """Whether its provider has limits of its own."""


@dataclass(kw_only=True, slots=True)
class Share:
    """How many messages may be claimed of one candidate."""

    candidate: Candidate
    most: int


@dataclass(slots=True)
class _Queue:
    """Start-time fair queueing: whoever is served advances by what it took over its weight, and the least is next.

    Who comes back begins at the present virtual time: to have been idle earns nothing.
    """

    now: float = 0.0
    finished: dict[UUID, float] = field(default_factory=dict)

    def start(self, key: UUID) -> float:
        return max(self.now, self.finished.get(key, 0.0))

    def serve(self, key: UUID, cost: float) -> None:
        self.finished[key] = self.start(key) + cost

    def advance(self, waiting: Iterable[UUID]) -> None:
        """Let virtual time pass up to whoever of those that wait is behind the most."""
        self.now = max(self.now, min(map(self.start, waiting), default=self.now))
        if len(self.finished) > _MOST_REMEMBERED:
            self.finished = {key: at for key, at in self.finished.items() if at > self.now}


@dataclass(slots=True)
class _Waiting:
    """One account of a plan, with its lanes by whose turn it is."""

    account: UUID
    weight: float
    start: float
    lanes: list[tuple[float, int, Share]]

    def next(self) -> Share:
        return self.lanes[0][2]

    def drop(self) -> None:
        heapq.heappop(self.lanes)

    def advance(self, given: int) -> None:
        start, order, share = self.lanes[0]
        heapq.heapreplace(self.lanes, (start + given / share.candidate.weight, order, share))
        self.start += given / self.weight


class Turns:
    """The turns of accounts, and of lanes within each account, by weight; one worker's, for each priority by itself."""

    def __init__(self) -> None:
        """Begin with all alike."""
        self._accounts: defaultdict[int, _Queue] = defaultdict(_Queue)
        self._lanes: defaultdict[tuple[int, UUID], _Queue] = defaultdict(_Queue)

    def allot(self, candidates: Sequence[Candidate], *, room: int) -> list[Share]:
        """Deal out room for so many messages of each priority, turn by turn, the urgent first."""
        turns: list[Share] = []
        for rank in sorted({candidate.rank for candidate in candidates}):
            waiting = self._waiting([each for each in candidates if each.rank == rank], rank)
            turns += _deal(waiting, room)
        return turns

    def served(self, candidates: Iterable[Candidate], taken: Mapping[tuple[UUID, int], int]) -> None:
        """Count what was claimed, in segments by lane and rank, of all that could have been."""
        accounts: defaultdict[int, set[UUID]] = defaultdict(set)
        lanes: defaultdict[tuple[int, UUID], list[UUID]] = defaultdict(list)
        for each in candidates:
            accounts[each.rank].add(each.account)
            lanes[each.rank, each.account].append(each.lane)
            if segments := taken.get((each.lane, each.rank)):
                self._accounts[each.rank].serve(each.account, segments / each.account_weight)
                self._lanes[each.rank, each.account].serve(each.lane, segments / each.weight)
        for rank, waiting in accounts.items():
            self._accounts[rank].advance(waiting)
        for key, those in lanes.items():
            self._lanes[key].advance(those)

    def _waiting(self, candidates: Sequence[Candidate], rank: int) -> list[tuple[float, int, _Waiting]]:
        """Group candidates of one priority by account, each with its virtual time; who stands first wins a tie."""
        accounts: dict[UUID, _Waiting] = {}
        for order, each in enumerate(candidates):
            if each.account not in accounts:
                start = self._accounts[rank].start(each.account)
                accounts[each.account] = _Waiting(each.account, each.account_weight, start, [])
            start = self._lanes[rank, each.account].start(each.lane)
            accounts[each.account].lanes.append((start, order, Share(candidate=each, most=0)))
        for waiting in accounts.values():
            heapq.heapify(waiting.lanes)
        return [(each.start, order, each) for order, each in enumerate(accounts.values())]


def _deal(waiting: list[tuple[float, int, _Waiting]], room: int) -> list[Share]:
    """Go from turn to turn until the room is full."""
    turn = math.ceil(room / _TURNS)
    turns: list[Share] = []
    heapq.heapify(waiting)
    while waiting and room > 0:
        _, order, account = waiting[0]
        share = account.next()
        given = min(turn, share.candidate.most - share.most, room)
        if given <= 0:
            account.drop()
        else:
            share.most += given
            turns.append(Share(candidate=share.candidate, most=given))
            room -= given
            account.advance(given)
        if account.lanes:
            heapq.heapreplace(waiting, (account.start, order, account))
        else:
            heapq.heappop(waiting)
    return turns
