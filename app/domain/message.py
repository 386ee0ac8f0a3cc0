"""A message and its attempts as values: as asked for, as accepted, and as the decisions see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.domain.delivery_errors import DeliveryError
from app.domain.encoding import Encoding
from app.domain.status import MessageStatus

MAX_SEGMENTS_DEFAULT: Final = 6
MAX_SEGMENTS_LIMIT: Final = 10
"""The longest text that anybody may ask for, and what most providers take."""


class DeliveryGuarantee(StrEnum):
    """What is to happen when nobody can tell whether the provider took a message."""

    AT_MOST_ONCE = "at_most_once"
    """It becomes `unconfirmed`; it is never sent a second time."""

    AT_LEAST_ONCE = "at_least_once"
    """It is sent once more, flagged `possible_duplicate`, unless its provider could have been asked."""


class AttemptPhase(StrEnum):
    """How far one try at one provider has come. At most one attempt of a message is open at a time."""

    STARTED = "started"
    """The intent is written; from here on the provider may have it. Open."""

    UNKNOWN = "unknown"
    """No answer, or none that tells. Open, until evidence or the guarantee closes it."""

    ACCEPTED = "accepted"
    """The provider has it: its answer or one of its reports says so."""

    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    """It certainly did not leave, so another attempt may follow."""

    ABANDONED = "abandoned"
    """No evidence came in time; the message went on by its guarantee. Late evidence still counts."""

    @property
    def is_open(self) -> bool:
        """Whether this attempt forbids another one."""
        return self in {AttemptPhase.STARTED, AttemptPhase.UNKNOWN}


@dataclass(kw_only=True, slots=True)
class NewMessage:
    """A message that was found acceptable and is to be stored, queued or scheduled.

    Nobody changes it; it is not frozen because one is made for each message, and freezing triples what that costs.
    """

    id: UUID
    account_id: UUID
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    encoding: Encoding
    segments: int
    client_reference: str | None
    metadata: dict[str, str]
    delivery_guarantee: DeliveryGuarantee
    provider: str
    lane: UUID
    """What its rate is counted by: the sender, or the account for test messages."""

    priority: int
    """Its rank: 0 goes first."""

    pool: str | None
    """The sender pool that its sender was chosen from; None where a sender was named."""

    test: bool
    created_at: datetime
    """Its id's own time."""

    send_at: datetime | None
    """When it is to be sent; None for as soon as may be."""

    expires_at: datetime | None
    """Until when it is worth sending, where its caller named a moment."""

    validity_seconds: int
    """How long it is worth sending from its time on, where its caller named no moment."""


@dataclass(kw_only=True, slots=True)
class MessageState:
    """What the decisions need to know of a message; not frozen, for speed alone."""

    id: UUID
    status: MessageStatus
    sequence: int
    """Of its newest status event; the next one gets the next number."""

    attempts: int
    """How many attempts were started; the newest has this number."""

    delivery_guarantee: DeliveryGuarantee
    possible_duplicate: bool
    expires_at: datetime
    error: DeliveryError | None = None
    priced: bool = False
    """Whether its price is known; a final status alone does not end the questions to its provider."""


@dataclass(kw_only=True, slots=True)
class AttemptState:
    """What the decisions need to know of an attempt; not frozen, for speed alone."""

    number: int
    phase: AttemptPhase
    provider: str
    fence: int
    """The token of the worker that may settle it; a rescue changes it."""

    provider_message_id: str | None = None
    started_at: datetime | None = None
    """When its intent was written, by the database's clock; None for one that is only just being written."""

    inquiries: int = 0
    """How often its provider was asked what became of it."""

    resent_at: datetime | None = None
    """When its request last went out again under the same idempotency key; None if it never did."""

    resending: bool = False
    """Whether its newest inquiry is a resend: who dies over that has died over the message, who searches has not."""

    absent_since: datetime | None = None
    """When its provider was first found not to have it, at a time when that counts; None if it never was."""
