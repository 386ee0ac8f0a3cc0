"""What a provider's own records say of messages that it may have: what is asked, and what comes back.

An attempt whose outcome is unknown is resolved by it, a message that stays `sent` for too long is looked up by it,
and the daily audit compares by it. Adapters write the questions and read the answers; nothing here performs I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from app.domain.delivery_errors import DeliveryError
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus


@dataclass(frozen=True, kw_only=True)
class Price:
    """What the provider asks for a whole message."""

    amount: Decimal
    """Never negative, whichever sign the provider writes."""

    currency: str
    """ISO 4217, upper case."""


@dataclass(frozen=True, kw_only=True)
class ProviderMessage:
    """One message as the provider's records show it. Numbers and text are personal data and stay out of the repr."""

    provider_message_id: str
    provider_status: str
    """The provider's own word."""

    status: MessageStatus | None = None
    """What that word means here, as in a status report; None for one that has no meaning for us."""

    attempt: AttemptRef | None = None
    """Our own reference, where the provider keeps it."""

    sender: str | None = field(default=None, repr=False)
    recipient: str | None = field(default=None, repr=False)
    body: str | None = field(default=None, repr=False)
    taken_at: datetime | None = None
    """When the provider took it, by its clock."""

    error: DeliveryError | None = None
    provider_code: str | None = None
    price: Price | None = None
    segments: int | None = None
    """How many the provider bills."""


@dataclass(frozen=True, kw_only=True)
class ByReference:
    """Search for the message that carries our reference."""

    attempt: AttemptRef


@dataclass(frozen=True, kw_only=True)
class ByRecipient:
    """Search for messages from one sender to one recipient that were taken between two moments."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class TakenBetween:
    """List every message that was taken from `since` on and before `until`."""

    since: datetime
    until: datetime


SearchQuery = ByReference | ByRecipient | TakenBetween


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """One page of what was found, in any order; it may hold more than was asked for."""

    messages: tuple[ProviderMessage, ...]
    next_page: str | None = None
    """What `build_search` is given for the next page; None on the last one."""


@dataclass(frozen=True, kw_only=True)
class Absent:
    """The provider knows no message of this id."""


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """The question was not answered, or not so that it could be read: nothing is known that was not known before."""

    reason: str
    """A short word such as `HTTP 500`, `refused` or `unreadable`."""

    retry_after_seconds: float | None = None


FetchAnswer = ProviderMessage | Absent | NoAnswer
SearchAnswer = SearchPage | NoAnswer
