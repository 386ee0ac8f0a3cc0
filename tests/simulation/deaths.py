"""How many workers have died over a message in a row, reckoned from what its history tells and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from app.domain.change import EventReason, StatusEvent
from app.domain.delivery_errors import DeliveryError
from app.domain.status import MessageStatus

_OF_WHAT_WAS_NOT_TAKEN: Final = frozenset(
    {DeliveryError.RATE_LIMITED, DeliveryError.PROVIDER_UNAVAILABLE, DeliveryError.EXPIRED}
)


class _Doing(Enum):
    """What a worker has set out to do about it."""

    SEND = auto()
    RESEND = auto()
    SEARCH = auto()
    NOTHING = auto()
    """It was lost, or has said what came of it."""


@dataclass(kw_only=True)
class Deaths:
    """What counts against one message, event by event."""

    count: int = 0
    _doing: _Doing = _Doing.NOTHING

    def hear(self, event: StatusEvent) -> None:
        """Take in the next event."""
        match event.reason:
            case EventReason.WORKER_LOST:
                self.count += self._doing in {_Doing.SEND, _Doing.RESEND}
                self._doing = _Doing.NOTHING
            case EventReason.OUTCOME_UNKNOWN if self._doing is _Doing.SEND:
                self.count, self._doing = 0, _Doing.NOTHING
            case EventReason.NO_ANSWER if self._doing is _Doing.RESEND:
                self.count = self.count if event.provider_status in _OF_WHAT_WAS_NOT_TAKEN else 0
                self._doing = _Doing.NOTHING
            case EventReason.ASKED_AGAIN:
                self._doing = _Doing.RESEND
            case EventReason.SEARCHED:
                self._doing = _Doing.SEARCH
            case EventReason.REDRIVEN:
                self.count = 1
            case _ if is_begun(event):
                self._doing = _Doing.SEND


def is_begun(event: StatusEvent) -> bool:
    """Whether this is the intent to send."""
    return event.applied and event.status is MessageStatus.SENDING


def deaths_at_each(events: Iterable[StatusEvent]) -> Iterator[tuple[StatusEvent, int]]:
    """Give each event with how many deaths count after it."""
    deaths = Deaths()
    for event in events:
        deaths.hear(event)
        yield event, deaths.count


def sent_in_spite_of(events: Iterable[StatusEvent], *, most: int) -> Iterator[str]:
    """Tell where it went out although as many workers had died over it as may."""
    for event, count in deaths_at_each(events):
        if (is_begun(event) or event.reason is EventReason.ASKED_AGAIN) and count >= most:
            yield f"sent as attempt {event.attempt}, although {count} workers in a row had died over it"
