"""The decisions over a message that waits: released at its time, taken by a claim, or withdrawn by its account."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.change import Change, EventReason, EventSource, LeaveQueue
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import begin
from app.domain.message import MessageState
from app.domain.status import MessageStatus
from app.domain.transitions import command

CANCELABLE: Final = frozenset({MessageStatus.SCHEDULED, MessageStatus.HELD, MessageStatus.QUEUED})
"""Statuses in which no worker has the message."""


def release(message: MessageState) -> Change:
    """Queue a scheduled message whose time has come; its queue row stays as it is."""
    return command(message, MessageStatus.QUEUED, queue=None)


def claim(message: MessageState, *, provider: str, fence: int, now: datetime, lease: timedelta) -> tuple[Change, ...]:
    """Take a message that is due, as the changes to apply in their order; the last one begins or expires it.

    A scheduled message is released first, unless it is stale already.
    """
    if message.status is not MessageStatus.SCHEDULED or message.expires_at <= now:
        return (begin(message, provider=provider, fence=fence, now=now, lease=lease),)
    released = release(message)
    begun = begin(released.apply_to(message), provider=provider, fence=fence, now=now, lease=lease)
    return (released, begun)


def cancel(message: MessageState, *, leased: bool) -> Change | None:
    """Withdraw a message for its account; None where a worker has it, or nothing is left to withdraw.

    Where a second copy waits, withdrawing it says nothing about the first: the message ends
    `unconfirmed`, and is no possible duplicate any more.
    """
    if leased or message.status not in CANCELABLE:
        return None
    if message.possible_duplicate:
        error, reason = DeliveryError.OUTCOME_UNKNOWN, EventReason.WITHDRAWN
        change = command(message, MessageStatus.UNCONFIRMED, reason=reason, error=error, queue=LeaveQueue())
    else:
        change = command(message, MessageStatus.CANCELED, queue=LeaveQueue())
    return replace(change, possible_duplicate=False, event=replace(change.event, source=EventSource.API))
