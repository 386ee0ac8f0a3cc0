"""The building blocks of decisions: a command, evidence applied by rank, or something that is only noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.domain.change import LEAVE_QUEUE, Change, EventReason, EventSource, QueueStep, StatusEvent
from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, AttemptState, MessageState
from app.domain.provider import ProviderFailure
from app.domain.status import MessageStatus, outranks, require_command

_OF_ANY_ATTEMPT: Final = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED})
"""What counts of an attempt that another has replaced: its failure says nothing of the other one."""

_FOLLOWED: Final = frozenset({AttemptPhase.NOT_SENT, AttemptPhase.REJECTED, AttemptPhase.ACCEPTED})
"""How the newest attempt of a message ended that waits for another one, or what such an attempt was reported as. Not
where it was abandoned: then whatever is reported of it ends the doubt."""


def objection(message: MessageState, attempt: AttemptState, status: MessageStatus) -> EventReason | None:
    """Why evidence of this status must not apply; None if it must."""
    if message.status is MessageStatus.CANCELED:
        return EventReason.CANCELED
    if status is message.status:
        return EventReason.DUPLICATE
    if _is_superseded(message, attempt) and status not in _OF_ANY_ATTEMPT:
        return EventReason.SUPERSEDED_ATTEMPT
    return None if outranks(status, message.status) else EventReason.OUTRANKED


def _is_superseded(message: MessageState, attempt: AttemptState) -> bool:
    """Whether another attempt has followed, or is only waiting to: what is said must not depend on which it is."""
    waits = message.status is MessageStatus.QUEUED and attempt.phase in _FOLLOWED
    return waits or attempt.number < message.attempts


def command(
    message: MessageState,
    status: MessageStatus,
    *,
    queue: QueueStep,
    attempt: AttemptState | None = None,
    reason: EventReason | None = None,
    error: DeliveryError | None = None,
) -> Change:
    """Do something of our own to a message; raises `IllegalTransition` where its status does not allow it."""
    require_command(message.status, status)
    return _change(
        message, status, applied=True, reason=reason, attempt=attempt, queue=queue, error=error, event_error=error
    )


def raise_to(
    message: MessageState,
    status: MessageStatus,
    *,
    attempt: AttemptState,
    queue: QueueStep = LEAVE_QUEUE,
    provider_status: str | None = None,
) -> Change:
    """Apply evidence by rank, which clears an earlier error; what does not outrank the message is noted.

    `queue` is for what is applied, and `provider_status` the provider's word for it.
    """
    against = objection(message, attempt, status)
    if against is not None:
        return noted(message, status, against, attempt=attempt, provider_status=provider_status)
    return raised(message, status, attempt=attempt, queue=queue, provider_status=provider_status)


def raised(
    message: MessageState,
    status: MessageStatus,
    *,
    attempt: AttemptState,
    queue: QueueStep = LEAVE_QUEUE,
    provider_status: str | None = None,
) -> Change:
    """Apply evidence against which there is no objection; `attempt` is as it is to be kept."""
    return _change(
        message,
        status,
        applied=True,
        reason=None,
        attempt=attempt,
        queue=queue,
        error=None,
        provider_status=provider_status,
    )


def noted(
    message: MessageState,
    status: MessageStatus,
    reason: EventReason,
    *,
    attempt: AttemptState | None,
    provider_status: str | None = None,
) -> Change:
    """Write down what was said, and why it changes no status; `attempt` is the one that it is about."""
    return _change(
        message,
        message.status,
        applied=False,
        reason=reason,
        attempt=attempt,
        error=message.error,
        said=status,
        provider_status=provider_status,
    )


def with_failure(change: Change, failure: ProviderFailure) -> Change:
    """Put an error and the provider's words on a change; the message takes the error only if the change applies."""
    event = replace(
        change.event,
        error=failure.error,
        provider_status=failure.provider_status,
        provider_code=failure.provider_code,
    )
    return replace(change, event=event, error=failure.error if change.event.applied else change.error)


def _change(
    message: MessageState,
    status: MessageStatus,
    *,
    applied: bool,
    reason: EventReason | None,
    attempt: AttemptState | None,
    error: DeliveryError | None,
    queue: QueueStep = None,
    said: MessageStatus | None = None,
    event_error: DeliveryError | None = None,
    provider_status: str | None = None,
) -> Change:
    """Make all of it at once: each sending makes two, and to copy them for every word costs more than to decide."""
    event = StatusEvent(
        sequence=message.sequence + 1,
        source=EventSource.WORKER,
        status=said or status,
        previous=message.status,
        applied=applied,
        attempt=attempt.number if attempt else None,
        reason=reason,
        error=event_error,
        provider_status=provider_status,
    )
    return Change(
        message_id=message.id,
        expected_status=message.status,
        expected_sequence=message.sequence,
        status=status,
        # An attempt that is only just begun is the newest.
        attempts=max(message.attempts, attempt.number) if attempt else message.attempts,
        possible_duplicate=message.possible_duplicate,
        error=error,
        event=event,
        attempt=attempt,
        queue=queue,
    )
