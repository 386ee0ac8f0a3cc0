"""The decision over a message that its provider has had for long: what its record there means, and when to look again.

Each look counts, whatever it shows, and there are as many as the policy has delays. A message that is `sent` after the
last one stays `sent`: its provider has it, and nobody says more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from app.domain.change import LEAVE_QUEUE, Change, EventReason, QueueStep, Requeue, Work
from app.domain.evidence import Absent, FetchAnswer, NoAnswer, ProviderMessage
from app.domain.lifecycle import report
from app.domain.message import AttemptState, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.references import AttemptRef
from app.domain.resolving import report_of
from app.domain.status import FINAL
from app.domain.transitions import noted


def looked_up(
    message: MessageState,
    attempt: AttemptState,
    answer: FetchAnswer,
    *,
    looks: int,
    now: datetime,
    policy: LifecyclePolicy,
) -> Change:
    """Draw the conclusion from what the provider shows of a message; `looks` counts the looks, this one included.

    The record counts as a report of it. Nothing is left to look for once the status is final and the price known.
    """
    again = _next_look(looks, now=now, policy=policy)
    match answer:
        case ProviderMessage() if _is_of(answer, message, attempt):
            return _read(message, attempt, answer, again)
        case ProviderMessage():
            return _untold(message, attempt, NoAnswer(reason="another message"), again)
        case Absent():
            # It was taken under this id, so it is no proof of anything: records end, too.
            return replace(noted(message, message.status, EventReason.NOT_FOUND, attempt=attempt), queue=again)
        case NoAnswer(retry_after_seconds=seconds):
            if isinstance(again, Requeue) and seconds is not None:
                patience = timedelta(seconds=min(seconds, policy.retry.retry_after_ceiling_seconds))
                again = replace(again, due_at=max(again.due_at, now + patience))
            return _untold(message, attempt, answer, again)
        case _:
            assert_never(answer)


def _read(message: MessageState, attempt: AttemptState, seen: ProviderMessage, again: QueueStep) -> Change:
    change = report(message, attempt, report_of(seen), follow_up=again)
    after = change.apply_to(message)
    is_over = after.status in FINAL and after.priced
    nothing_new = change.event.reason in {None, EventReason.DUPLICATE}
    return replace(
        change,
        queue=LEAVE_QUEUE if is_over else again,
        event=replace(change.event, reason=EventReason.FETCHED if nothing_new else change.event.reason),
    )


def _untold(message: MessageState, attempt: AttemptState, answer: NoAnswer, again: QueueStep) -> Change:
    change = noted(message, message.status, EventReason.NO_ANSWER, attempt=attempt, provider_status=answer.reason)
    return replace(change, queue=again)


def _is_of(seen: ProviderMessage, message: MessageState, attempt: AttemptState) -> bool:
    """Whether this is the record that was asked for; an API may answer with another one."""
    ref = AttemptRef(message_id=message.id, number=attempt.number)
    return seen.provider_message_id == attempt.provider_message_id and seen.attempt in {None, ref}


def _next_look(looks: int, *, now: datetime, policy: LifecyclePolicy) -> QueueStep:
    if looks >= len(policy.reconcile_delays):
        return LEAVE_QUEUE
    return Requeue(work=Work.RECONCILE, due_at=now + policy.reconcile_delays[looks])
