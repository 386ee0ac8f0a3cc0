"""What may wait: so many messages of one account, and in one lane no more than it can send within the horizon.

By figures that are never far behind: other processes may let an account or a lane pass its bound by what they accept
within one look.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.domain.errors import ErrorCode, Refusal
from app.domain.estimates import room_after
from app.domain.figures import Figures
from app.domain.message import NewMessage
from app.services.queue_figures import QueueFigures

_UNKNOWN_SECONDS: Final = 60.0
"""What is asked for where nobody can tell when there will be room: nothing of the account is going."""

_FIRST_LOOK_SECONDS: Final = 0.1
"""How long whoever sends the first message after a silence may have to wait for its estimate."""


class QueueCaps:
    """Refuses what would pass a bound, and tells of what passes when it will be sent. Without figures, neither."""

    def __init__(self, figures: QueueFigures, *, cap: int, horizon_seconds: int) -> None:
        """Take the figures, the most messages of one account that may wait, and how far ahead a lane may be filled.

        `cap` is for accounts that have none of their own.
        """
        self._figures = figures
        self._cap = cap
        self._horizon = horizon_seconds
        self._patient = True
        """Whether a first look is waited for: once in each silence, and not again where it took too long."""

    def check(self, account_id: UUID) -> None:
        """Let a message of this account pass, or raise `queue-full`; to be called where an event loop runs."""
        figures = self._figures.newest()
        if figures is None:
            return
        cap = figures.caps.get(account_id, self._cap) if figures.caps else self._cap
        queued = figures.queued.get(account_id, 0)
        if queued >= cap:
            raise self._full(figures, account_id, cap, excess=queued - cap + 1)

    def check_lane(self, lane: UUID, rank: int, segments: int, send_at: datetime | None) -> None:
        """Let a message pass that its lane will come to in time, or raise `queue-full`.

        The horizon counts from now, or from its `send_at`. A lane that is paused or not known refuses nothing.
        """
        figures = self._figures.newest()
        if figures is None:
            return
        now = self._figures.now
        earliest = now if send_at is None else max(now, send_at.timestamp())
        at = figures.sends_at(lane, rank, segments, earliest=earliest)
        if at is not None and at - earliest > self._horizon:
            raise self._too_far(at - earliest - self._horizon)

    def accepted(self, message: NewMessage) -> datetime | None:
        """Note that a message was stored, and estimate when it will be sent; None where that cannot be told."""
        figures, now, send_at = self._figures.newest(), self._figures.now, message.send_at
        earliest = now if send_at is None else max(now, send_at.timestamp())
        due = earliest == now
        at = None
        if figures is not None:
            at = figures.sends_at(message.lane, message.priority, message.segments, earliest=earliest)
        self._figures.accepted(message.account_id, message.lane, message.priority, message.segments, due=due)
        return None if at is None else datetime.fromtimestamp(at, UTC)

    async def first_look(self) -> None:
        """Give a look that is being taken after a silence a moment, so that even a lone message has its estimate."""
        if self._figures.newest() is not None:
            self._patient = True
        elif self._patient:
            self._patient = await self._figures.ready(within_seconds=_FIRST_LOOK_SECONDS) is not None

    async def aclose(self) -> None:
        """Need no figures any more."""
        await self._figures.aclose()

    def _full(self, figures: Figures, account_id: UUID, cap: int, *, excess: int) -> Refusal:
        rate = figures.rate_of(account_id)
        return Refusal(
            ErrorCode.QUEUE_FULL,
            f"{cap} messages of your account wait to be sent, and more may not. Send again when there are fewer, or "
            "cancel some.",
            retry_after_seconds=room_after(excess / rate if rate else _UNKNOWN_SECONDS),
        )

    def _too_far(self, seconds: float) -> Refusal:
        return Refusal(
            ErrorCode.QUEUE_FULL,
            f"So much waits at this sender already that this message would be sent more than {self._horizon} seconds "
            "late. Send again when less waits, from another sender, or with a more urgent priority.",
            retry_after_seconds=room_after(seconds),
        )
