"""The decisions over a message that waits: released at its time, taken by a claim, or withdrawn by its account."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.change import Change, EventReason, EventSource, LeaveQueue, Requeue, Work
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


def claim(
    message: MessageState,
    *,
    provider: str,
    fence: int,
    now: datetime,
    lease: timedelta,
    worker: int | None = None,
    poisoned: bool = False,
) -> tuple[Change, ...]:
    """Take a message that is due, as the changes to apply in their order; the last one begins or ends it.

    A scheduled message is released first, unless it is stale already.
    """

    def begun(ready: MessageState) -> Change:
        return begin(ready, provider=provider, fence=fence, now=now, lease=lease, worker=worker, poisoned=poisoned)

    if message.status is not MessageStatus.SCHEDULED or message.expires_at <= now:
        return (begun(message),)
    released = release(message)
    return (released, begun(released.apply_to(message)))


def redrive(message: MessageState, *, now: datetime) -> Change | None:
    """Send a message that was set aside as poison on its way again; None where it is none, or stale.

    One of its crashes is remembered, so that it goes out while its worker sends nothing else, however often it is given
    back or deferred before a worker has outlived it.
    """
    if message.status is not MessageStatus.FAILED or message.error is not DeliveryError.POISON:
        return None
    if message.expires_at <= now:
        return None
    again = Requeue(work=Work.SEND_ALONE, due_at=now, crashes=1)
    change = command(message, MessageStatus.QUEUED, reason=EventReason.REDRIVEN, queue=again)
    return replace(change, event=replace(change.event, source=EventSource.API))


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
