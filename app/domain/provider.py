"""The contract between the gateway and a provider's API: five methods, values in, values out, no I/O.

An adapter never touches the network, the clock, the database, the environment or the log. Time,
nonces and documents are arguments. `app/providers/README.md` says how to write one, and
`app/conformance` proves that it keeps this contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Generic, TypeVar, assert_never

from pydantic import BaseModel

from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import ByRecipient, ByReference, FetchAnswer, Price, SearchAnswer, SearchQuery, TakenBetween
from app.domain.http import HttpRequest, HttpResponse, WebhookReply, WebhookRequest
from app.domain.references import AttemptRef
from app.domain.status import MessageStatus

ConfigT = TypeVar("ConfigT", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an upstream API offers beyond taking a message; the resolver of unknown outcomes reads it."""

    idempotency_window: timedelta | None = None
    """For how long a resend with the same key is folded into the first by the provider; None where it takes no
    key. The key is `str(context.attempt)`, and `build_send` puts it where the provider looks for it."""

    reference_search: bool = False
    """Messages can be searched by the reference that we gave."""

    recipient_search: bool = False
    """Messages can be searched by sender and recipient, and show their text and when they were taken."""

    listing: bool = False
    """All messages of a span of time can be listed, for the daily audit."""

    fetch: bool = False
    """A message can be fetched by the provider's id."""

    search_lag: timedelta = timedelta(seconds=60)
    """How long after it was taken a message may still be missing from searches."""

    message_status_url: bool = False
    """The status webhook's URL can be set for each message, so our own id comes back with each report."""

    own_id: bool = True
    """Our reference or the status URL travels with each message; where not, reports come by the provider's id alone."""

    max_segments: int = 10
    """The longest message that the provider takes, in segments."""

    webhook_methods: frozenset[str] = frozenset({"POST"})
    """How its webhooks are sent; a few providers use GET."""

    distinct_webhooks: bool = True
    """Each webhook holds an id or a time, so that an equal one is a repeat even days later. Where they do
    not, equal webhooks count as one for ten minutes only."""

    @property
    def searches(self) -> bool:
        """Whether any search is offered."""
        return self.reference_search or self.recipient_search or self.listing

    def answers(self, query: SearchQuery) -> bool:
        """Whether the API can be searched in this way."""
        match query:
            case ByReference():
                return self.reference_search
            case ByRecipient():
                return self.recipient_search
            case TakenBetween():
                return self.listing
            case _:
                assert_never(query)


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """What an adapter is asked to send. Numbers and text are personal data and stay out of the repr."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    """E.164, with the plus."""

    body: str = field(repr=False)
    segments: int
    validity_seconds: int
    """How long the message is still worth sending, counted from now."""


@dataclass(frozen=True, kw_only=True)
class SendContext:
    """What surrounds one attempt; given, so that an adapter needs no clock and no randomness."""

    attempt: AttemptRef
    now: datetime
    status_url: str
    """Where the provider is to post status webhooks of this attempt; its last part carries a MAC."""

    nonce: str
    """A fresh random string, for the signatures that need one."""

    token: str | None = field(default=None, repr=False)
    """The current OAuth token, for adapters that need one."""


@dataclass(frozen=True, kw_only=True)
class AskContext:
    """What surrounds one question about messages that the provider may have."""

    now: datetime
    nonce: str
    """A fresh random string, for the signatures that need one."""

    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class ProviderFailure:
    """An error in our words, with the provider's own beside it."""

    error: DeliveryError
    provider_status: str | None = None
    provider_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The provider has taken the message."""

    provider_message_id: str | None
    """None where the provider names none: reports then come back by our own id only."""

    provider_status: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """The provider has refused the message: certainly not sent, and the same try again would fail again."""

    failure: ProviderFailure


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """Certainly not sent, and worth another try: no connection, a 429, or a documented not-accepted 503."""

    failure: ProviderFailure
    retry_after_seconds: float | None = None
    """What the provider asked for, unclamped; None where it said nothing."""


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """It may have been taken. Never blindly retried and never failed over."""

    failure: ProviderFailure


SendOutcome = Accepted | Rejected | Deferred | Unknown


@dataclass(frozen=True, kw_only=True)
class StatusReport:
    """One status that a provider reported of one attempt."""

    status: MessageStatus
    """One of queued, sending, sent, delivered, undelivered, failed, expired."""

    provider_status: str
    """The provider's own word, stored beside ours."""

    provider_message_id: str | None = None
    attempt: AttemptRef | None = None
    """Our own id, where the body repeats it; the one in the webhook's URL goes before it."""

    error: DeliveryError | None = None
    provider_code: str | None = None
    reported_at: datetime | None = None
    """The provider's time; stored, and decides nothing."""

    price: Price | None = None
    segments: int | None = None
    """How many the provider bills."""


@dataclass(frozen=True, kw_only=True)
class InboundSms:
    """A text that somebody sent to one of our senders."""

    provider_message_id: str | None
    sender: str = field(repr=False)
    """Who wrote it (E.164 or a short code)."""

    recipient: str = field(repr=False)
    """Our own sender that was written to."""

    body: str = field(repr=False)
    sent_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class OptOut:
    """The provider says that a recipient has opted out of, or back in to, one of our senders."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    opted_out: bool


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """The provider wants a request from us before it sends webhooks (SNS subscriptions)."""

    request: HttpRequest


ProviderEvent = StatusReport | InboundSms | OptOut | Confirmation

Documents = Mapping[str, bytes]
"""Fetched documents by URL, such as signing certificates."""


class SignatureInvalid(Exception):
    """The webhook does not prove that it comes from the provider. `args[0]` says which check failed."""


class WebhookUnreadable(Exception):
    """A verified webhook whose content cannot be parsed. `args[0]` says where, without the content."""


class DocumentNeeded(Exception):
    """The signature needs a document, whose host the adapter has already judged."""

    def __init__(self, url: str) -> None:
        """Name the document's URL."""
        super().__init__(url)
        self.url = url


class NotOffered(Exception):
    """The adapter was asked for something that its capabilities do not name: a bug of ours."""


class ProviderAdapter(ABC, Generic[ConfigT]):
    """One upstream API. Instances are immutable and belong to one configured provider account."""

    name: ClassVar[str]
    """Equal to the module's name; what a provider's `adapter` setting names."""

    config_type: ClassVar[type[BaseModel]]
    capabilities: Capabilities
    """A class attribute, or set for each account where its settings decide."""

    def __init__(self, config: ConfigT) -> None:
        """Take the account's settings, already validated by `config_type`."""
        self.config = config

    @abstractmethod
    def build_send(self, send: SendRequest, context: SendContext) -> HttpRequest:
        """Write the request that sends one message."""

    @abstractmethod
    def parse_send(self, response: HttpResponse) -> SendOutcome:
        """Read the answer to `build_send`; total: any response gives an outcome."""

    @abstractmethod
    def verify_webhook(self, request: WebhookRequest, *, now: datetime, documents: Documents) -> None:
        """Return if the provider sent this webhook; raise `SignatureInvalid` or `DocumentNeeded` if not."""

    @abstractmethod
    def parse_webhook(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        """Read a verified webhook; an event that is not known is an empty list; raises `WebhookUnreadable`."""

    def reply(self) -> WebhookReply:
        """Say what the provider wants to hear once its webhook is stored."""
        return WebhookReply()

    def build_fetch(self, provider_message_id: str, context: AskContext) -> HttpRequest:  # noqa: ARG002 - overridden where offered
        """Ask for one message by the provider's id; where `capabilities.fetch`."""
        raise NotOffered

    def parse_fetch(self, response: HttpResponse) -> FetchAnswer:  # noqa: ARG002 - overridden where offered
        """Read the answer to `build_fetch`; total. `Absent` only where the provider's own document says so."""
        raise NotOffered

    def build_search(self, query: SearchQuery, page: str | None, context: AskContext) -> HttpRequest:  # noqa: ARG002 - overridden where offered
        """Ask for messages by one of the queries that `capabilities` names; `page` as the page before gave it."""
        raise NotOffered

    def parse_search(self, response: HttpResponse) -> SearchAnswer:  # noqa: ARG002 - overridden where offered
        """Read the answer to `build_search`; total. An empty page: nothing found; unclear: `NoAnswer`."""
        raise NotOffered
