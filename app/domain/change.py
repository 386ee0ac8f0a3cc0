"""A decision as a value: one status event, what becomes of message, attempt and queue row, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import Price
from app.domain.message import AttemptState, MessageState
from app.domain.status import MessageStatus


class EventSource(StrEnum):
    """Who said it."""

    API = "api"
    WORKER = "worker"
    PROVIDER = "provider"


class EventReason(StrEnum):
    """Why an event changed nothing, or what stood behind one that did."""

    DUPLICATE = "duplicate"
    """The message already had this status."""

    OUTRANKED = "outranked"
    """The message already had a status that counts for more."""

    SUPERSEDED_ATTEMPT = "superseded-attempt"
    """It speaks of an attempt that another one has replaced."""

    CANCELED = "canceled"
    """The message had been withdrawn; that the provider knows of it is an alarm."""

    ALREADY_SETTLED = "already-settled"
    """The attempt's outcome was known before this one came."""

    OUTCOME_UNKNOWN = "outcome-unknown"
    """The provider may or may not have it; evidence is awaited."""

    WORKER_LOST = "worker-lost"
    """The worker did not come back within its lease; the provider may or may not have it."""

    NO_EVIDENCE = "no-evidence"
    """The wait for evidence ended without any."""

    RETRY = "retry"
    """It certainly did not leave and will be tried again."""

    GIVEN_BACK = "given-back"
    """It was claimed but not begun; another claim takes it."""

    GAVE_UP = "gave-up"
    """It certainly did not leave, and no further try is due."""

    ASKED_AGAIN = "asked-again"
    """The same request goes out again under the same idempotency key, which the provider folds into the first."""

    SEARCHED = "searched"
    """The provider's records are searched for it."""

    NO_ANSWER = "no-answer"
    """The provider was asked what became of it, and gave no answer that tells."""

    NOT_FOUND = "not-found"
    """The provider's records did not show it; that alone proves nothing yet."""

    PROVEN_NOT_SENT = "proven-not-sent"
    """The provider's records did not show it, twice, long after they would have: it was never taken."""

    FOUND = "found"
    """The provider's records show it."""

    FETCHED = "fetched"
    """The provider was asked for it, long after it took it; where this changed nothing, it said nothing new."""

    POISON = "poison"
    """Workers died over it again and again, so it is not sent by itself any more."""

    REDRIVEN = "redriven"
    """Somebody sent it on its way again after it was set aside."""

    WITHDRAWN = "withdrawn"
    """Its account withdrew a second copy; the first one may have left."""

    FAILED_OVER = "failed-over"
    """It certainly did not leave, and goes out from another sender of its pool."""


class Work(StrEnum):
    """What a worker is to do when a queue row falls due."""

    SEND = "send"
    SEND_ALONE = "send_alone"
    """A worker died while it had this message: it goes out while its worker sends nothing else."""

    RESOLVE = "resolve"
    """Find out what became of an attempt whose outcome is unknown."""

    RECONCILE = "reconcile"
    """Ask what became of a message that the provider has had for long, or what it costs."""


@dataclass(kw_only=True, slots=True)
class StatusEvent:
    """One line of a message's history; appended, never changed; not frozen, for speed alone."""

    sequence: int
    source: EventSource
    status: MessageStatus
    previous: MessageStatus | None
    """None for the first event."""

    applied: bool
    attempt: int | None = None
    reason: EventReason | None = None
    error: DeliveryError | None = None
    provider_status: str | None = None
    provider_code: str | None = None
    reported_at: datetime | None = None
    from_sender: str | None = None
    """Of a message that goes out from another sender now: the one that it leaves."""

    to_sender: str | None = None


@dataclass(frozen=True, kw_only=True)
class LeaveQueue:
    """No worker has anything left to do."""


@dataclass(frozen=True, kw_only=True)
class Requeue:
    """A worker is to look at it again then; gives up the lease. One that was final is taken up again by it."""

    work: Work
    due_at: datetime
    tries: int | None = None
    """How many tries are used up; None leaves the count."""

    crashes: int | None = None
    """How many workers have died over it since one last outlived what may have been taken; None leaves the count."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One worker has it until then."""

    until: datetime
    worker: int | None = None
    """Which one, by the number that it holds a lock on while it lives; None for one that holds none."""


@dataclass(frozen=True, kw_only=True)
class Billing:
    """What the provider bills for a message, as far as it says; None leaves what is known."""

    price: Price | None = None
    segments: int | None = None


@dataclass(frozen=True, kw_only=True)
class Route:
    """The way that a message takes from now on, instead of the one that it waited for."""

    sender_id: UUID
    """The sender's, which is its lane as well."""

    sender: str = field(repr=False)
    provider: str


LEAVE_QUEUE: Final = LeaveQueue()
QueueStep = LeaveQueue | Requeue | Lease | None


@dataclass(kw_only=True, slots=True)
class Change:
    """One decision: applied whole by compare-and-set on (status, sequence), or not at all.

    Nobody changes it; it is not frozen because two are made for each sending, and freezing triples what that costs.
    """

    message_id: UUID
    expected_status: MessageStatus
    expected_sequence: int
    status: MessageStatus
    attempts: int
    possible_duplicate: bool
    error: DeliveryError | None
    event: StatusEvent
    attempt: AttemptState | None = None
    """The attempt as it is to be stored; None where none changes."""

    queue: QueueStep = None
    """What becomes of its queue row; None leaves it as it is."""

    route: Route | None = None
    """Where it goes out from now on; None leaves that as it is."""

    billing: Billing | None = None
    """Kept whether or not the event applies; None where the provider said nothing of it."""

    def apply_to(self, message: MessageState) -> MessageState:
        """Give the message as it is after this change, for the next decision in the same transaction."""
        return replace(
            message,
            status=self.status,
            sequence=self.event.sequence,
            attempts=self.attempts,
            possible_duplicate=self.possible_duplicate,
            error=self.error,
            priced=message.priced or (self.billing is not None and self.billing.price is not None),
        )
