"""When messages over which a worker died have their turn, to go out while nothing else does, and when the others have.

Pure: it is told the time, in seconds of one monotonic clock, and what is due; it claims and sends nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

TURN_SECONDS: Final = 1.0
"""How long lone messages follow one another, and how long the others have at least."""


class LoneKind(StrEnum):
    """How a lone message goes out."""

    RESEND = "resend"
    """Once more, which asks its provider what became of it."""

    SEND = "send"
    """As one that waits to be sent."""


class LoneTurns:
    """The lone turns of one worker.

    A turn is called when a lone message is due: nothing else is begun from then on. It begins once nothing is under
    way, and lone messages go out one after the other, for a moment. After it the others have as long as it has cost
    them, the wait for its beginning included: isolation never takes more than half of the time. A turn that takes
    longer than its sends can is given up, for then something else holds it up, such as a row that somebody has locked.

    The two kinds alternate, from one turn to the next as well: a provider that is silent makes one message fill a turn,
    and many that are asked of it would otherwise keep those from being sent that are another's, or the other way round.
    """

    def __init__(self, *, send_seconds: float) -> None:
        """Take how long a send may take until its outcome is written; begin with the turn of the others."""
        self._longest = 2 * send_seconds + TURN_SECONDS
        """A wait for the slowest send, and a slow one at the very end of a turn."""

        self._called_at: float | None = None
        self._ends_at: float | None = None
        """When no further lone message goes out; None before the first one may."""

        self._not_before: float | None = None
        """When the next turn may be called; None before the first."""

        self._order = (LoneKind.RESEND, LoneKind.SEND)

    @property
    def order(self) -> tuple[LoneKind, LoneKind]:
        """Which kind is to be looked for first, and which where there is none of it."""
        return self._order

    def went_out(self, kind: LoneKind) -> None:
        """Let the other kind come first."""
        first, second = LoneKind.RESEND, LoneKind.SEND
        self._order = (first, second) if kind is second else (second, first)

    @property
    def is_called(self) -> bool:
        """Whether nothing but lone messages may be begun."""
        return self._called_at is not None

    def listens(self, *, now: float) -> bool:
        """Whether it matters now if a lone message is due: not in the turn of the others, nor in one that has begun."""
        if self._called_at is None:
            return self._not_before is None or now >= self._not_before
        return self._ends_at is None or self._is_held_up(now)

    def hear(self, *, due: bool, now: float) -> None:
        """Call a turn where a lone message is due; give up one that has not begun where none is, or that is held up."""
        if not self.listens(now=now):
            return
        if self._called_at is not None and (not due or self._is_held_up(now)):
            self.end(now=now)
        elif due and self._called_at is None:
            self._called_at = now

    def goes_on(self, *, now: float) -> bool:
        """Whether a lone message may go out, now that nothing is under way; the first time, the turn begins."""
        if self._called_at is None:
            return False
        if self._ends_at is None:
            self._ends_at = now + TURN_SECONDS
        return now < self._ends_at

    def end(self, *, now: float) -> None:
        """End what was called, so that the others have their turn; does nothing where nothing was."""
        if self._called_at is None:
            return
        cost = now - self._called_at
        self._called_at, self._ends_at = None, None
        self._not_before = now + max(cost, TURN_SECONDS)

    def _is_held_up(self, now: float) -> bool:
        return self._called_at is not None and now - self._called_at > self._longest
