"""Which message of a pool goes out from another sender than the one it waits for, and from which.

Only what certainly was not sent may move: an unknown outcome never does. A message leaves each sender once and never
comes back to it, so it is not passed to and fro, and it ends after as many refusals as its pool has members.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

from app.domain.change import Change, EventReason, Requeue, Route
from app.domain.conclusions import sending_work
from app.domain.delivery_errors import DeliveryError
from app.domain.message import AttemptPhase, MessageState
from app.domain.pools import Member, choose
from app.domain.provider import Accepted, Deferred, Rejected, SendOutcome, Unknown
from app.domain.status import MessageStatus
from app.domain.transitions import command, noted, with_failure


class RulesOut(StrEnum):
    """Which members of a pool a failure speaks of."""

    SENDER = "sender"
    """The sender alone."""

    PROVIDER = "provider"
    """Every sender of the same provider account."""

    CIRCUIT = "circuit"
    """Every sender of the same provider account while its circuit is open; until then, a retry may do."""


RULES: Final[Mapping[DeliveryError, RulesOut]] = {
    DeliveryError.SENDER_NOT_ALLOWED: RulesOut.SENDER,
    DeliveryError.PROVIDER_CREDENTIALS: RulesOut.PROVIDER,
    DeliveryError.PROVIDER_BALANCE: RulesOut.PROVIDER,
    DeliveryError.PROVIDER_MISSING: RulesOut.PROVIDER,
    DeliveryError.PROVIDER_UNAVAILABLE: RulesOut.CIRCUIT,
}
"""After which failures another member may do better. Whatever else fails would fail from any sender, for it is the
recipient, the text or the time; or it is over soon, as throttling is."""

_CERTAIN: Final = frozenset({None, AttemptPhase.NOT_SENT, AttemptPhase.REJECTED, AttemptPhase.ABANDONED})
"""Phases of the newest attempt after which a message may move, None where there is none. After an abandoned one it
waits to be sent once more, as its guarantee allows and its flag tells: by which way makes no difference to that."""

_WAITS: Final = frozenset({MessageStatus.QUEUED, MessageStatus.SCHEDULED})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the provider accounts stand at one moment. One that is not named is well."""

    failing: frozenset[str] = frozenset()
    """Their circuit is open: what waits for them moves. Not while a trial is due, or it would never be made."""

    shut: frozenset[str] = frozenset()
    """Nothing moves to them: their circuit is not closed, or they are paused."""

    health: Mapping[str, float] = field(default_factory=dict)
    """From 0 to 1, as a pool's choice takes it."""


@dataclass(frozen=True, kw_only=True)
class Departure:
    """A sender that a message leaves, or has left before."""

    sender: str = field(repr=False)
    provider: str | None = None
    """Through which it tried; None where it left before any try."""

    error: DeliveryError | None = None
    """What it failed by; None where it only waited for a provider that was failing."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The senders that a message may go from."""

    pool_id: UUID
    members: Sequence[Member]
    match_area: bool
    paused: Collection[UUID] = ()
    """Senders whose lane is paused."""


def elsewhere(
    choice: Choice, recipient: str, *, departures: Collection[Departure], standing: Standing
) -> Member | None:
    """Choose another member for a recipient, as a pool's choice would without those that are left; None for none."""
    left = {departure.sender for departure in departures}
    refused = {d.provider for d in departures if d.error is not None and RULES.get(d.error) is RulesOut.PROVIDER}
    others = [
        member
        for member in choice.members
        if member.address not in left
        and member.sender_id not in choice.paused
        and member.provider not in refused
        and member.provider not in standing.shut
    ]
    return choose(
        others, pool_id=choice.pool_id, recipient=recipient, health=standing.health, match_area=choice.match_area
    )


def may_move(message: MessageState, newest: AttemptPhase | None, *, now: datetime) -> bool:
    """Whether a message that waits may go out by another way: nothing of it is open, and it is still worth sending."""
    return message.status in _WAITS and newest in _CERTAIN and message.expires_at > now


def moved(message: MessageState, member: Member, *, from_sender: str, due_at: datetime, now: datetime) -> Change:
    """Lead a message that waits to another sender, where it is due at once, or since when it was."""
    change = noted(message, message.status, EventReason.FAILED_OVER, attempt=None)
    # None of the work is new: whether it goes out alone is as it was.
    return _led(replace(change, queue=Requeue(work=sending_work(0), due_at=min(due_at, now))), member, from_sender)


def seeks_another(message: MessageState, outcome: SendOutcome, change: Change) -> DeliveryError | None:
    """Say by what a send failed that another member may do better, given what settling makes of it; None for nothing.

    Not where it changes no more than the attempt: others have taken the decision over, or the message is at its end.
    """
    match outcome:
        case Accepted() | Unknown():
            return None
        case Rejected(failure=failure) | Deferred(failure=failure):
            ended = change.attempt is not None and change.attempt.phase in _CERTAIN
            ours = message.status is MessageStatus.SENDING and change.event.applied and ended
            asked = change.attempt is not None and change.attempt.inquiries > 0
            stale = change.status is MessageStatus.EXPIRED
            return failure.error if failure.error in RULES and ours and not asked and not stale else None
        case _:
            assert_never(outcome)


def moves_at_once(error: DeliveryError, provider: str, standing: Standing) -> bool:
    """Whether a message goes on by another way now that its send through this provider failed by this, one of `RULES`.

    Where the provider could not be reached, a retry may do, until its circuit is open.
    """
    return RULES[error] is not RulesOut.CIRCUIT or provider in standing.failing


def failed_over(
    message: MessageState,
    outcome: Rejected | Deferred,
    change: Change,
    member: Member,
    *,
    from_sender: str,
    tries: int,
    crashes: int,
    now: datetime,
) -> Change:
    """Send a message on from another member, due now, instead of what `change` makes of its failed attempt.

    `tries` are those before it; a try that failed for good costs none, for no member is tried twice.
    """
    retry = change.queue
    used = retry.tries if isinstance(retry, Requeue) and retry.tries is not None else tries
    again = Requeue(work=sending_work(crashes), due_at=now, tries=used, crashes=crashes)
    onward = command(message, MessageStatus.QUEUED, reason=EventReason.FAILED_OVER, attempt=change.attempt, queue=again)
    return _led(replace(with_failure(onward, outcome.failure), error=None), member, from_sender)


def _led(change: Change, member: Member, from_sender: str) -> Change:
    route = Route(sender_id=member.sender_id, sender=member.address, provider=member.provider)
    event = replace(change.event, from_sender=from_sender, to_sender=member.address)
    return replace(change, route=route, event=event)
