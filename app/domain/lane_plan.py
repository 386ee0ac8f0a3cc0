"""Turns that were dealt out after one look at the lanes, for several claims to draw from."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from app.domain.allotment import Candidate, Share

Key = tuple[UUID, int]
"""A lane and the rank of a priority."""

_MOST_LANES: Final = 64
"""Lanes that one claim locks at most: from what it locks no other worker can claim."""


class LanePlan:
    """The turns that are left of a look, and what was claimed in those that are over."""

    def __init__(self, candidates: Sequence[Candidate], turns: Sequence[Share]) -> None:
        """Take what could be claimed, and its turns."""
        self.candidates = candidates
        self.taken: Counter[Key] = Counter()
        """Segments that were claimed."""

        self._turns = deque(turns)
        self._gone: set[Key] = set()
        """What has nothing more that may go now."""

    def draw(self, *, room: int, others: int) -> list[Share]:
        """Take turns until the room is full, those of one lane together; `others` of it may be no one-time codes.

        More lanes are given after them, for some may have less than their share: what is left comes back by `settle`.
        """
        drawn: dict[Key, Share] = {}
        kept: list[Share] = []
        # Each as if there were nothing of the other kind: nobody knows how much there is.
        left = {True: room, False: min(room, others)}
        while self._turns and len(drawn) < _MOST_LANES:
            turn = self._turns.popleft()
            key, urgent = _key(turn), not turn.candidate.rank
            if key in self._gone:
                continue
            if left[urgent] > 0:
                before = drawn[key].most if key in drawn else 0
                drawn[key] = Share(candidate=turn.candidate, most=before + turn.most)
                left[urgent] -= turn.most
            elif key not in drawn and (urgent or others > 0):
                drawn[key] = turn
            else:
                kept.append(turn)
        self._turns.extendleft(reversed(kept))
        return list(drawn.values())

    def settle(self, drawn: Sequence[Share], found: Mapping[Key, int], *, is_full: bool) -> None:
        """Note how many messages were found of what was drawn, and give back what the room did not reach.

        Whatever had less than it was asked for has nothing more; where the room was full, only what lies before that.
        """
        reached = max((place for place, share in enumerate(drawn) if found.get(_key(share))), default=-1)
        back: list[Share] = []
        for place, share in enumerate(drawn):
            left = share.most - found.get(_key(share), 0)
            if not left:
                continue
            if is_full and place >= reached:
                back.append(Share(candidate=share.candidate, most=left))
            else:
                self._gone.add(_key(share))
        self._turns.extendleft(reversed(back))

    def close(self, key: Key) -> None:
        """Note that a lane keeps back what else it has."""
        self._gone.add(key)

    def close_provider(self, provider: str) -> None:
        """Note that whoever is next at a provider waits for more than it takes now: nobody is to pass."""
        self._gone.update((each.lane, each.rank) for each in self.candidates if each.provider == provider)


def _key(share: Share) -> Key:
    return share.candidate.lane, share.candidate.rank
