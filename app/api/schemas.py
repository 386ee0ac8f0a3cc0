"""The shapes of the API: what callers send, and what they get back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.domain.message import MAX_SEGMENTS_DEFAULT, MAX_SEGMENTS_LIMIT, DeliveryGuarantee
from app.domain.status import Direction, MessageStatus
from app.store.messages import StoredEvent, StoredMessage

MAX_VALIDITY_SECONDS: Final = 3 * 24 * 3600
_CONTROL: Final = {*map(chr, range(0x20)), "\x7f"} - {"\n", "\r", "\t"}
_INVISIBLE: Final = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")


def _clean(value: str) -> str:
    if not _CONTROL.isdisjoint(value):
        raise ValueError("must hold no control characters but line feed, carriage return and tab")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must hold printable characters only")
    return value


def _visible(value: str) -> str:
    if all(character.isspace() or character in _INVISIBLE for character in value):
        raise ValueError("must hold at least one visible character")
    return value


CleanText = Annotated[str, AfterValidator(_clean)]
Line = Annotated[str, AfterValidator(_one_line)]
Reference = Annotated[Line, Field(min_length=1, max_length=128)]
MetadataKey = Annotated[CleanText, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[CleanText, Field(max_length=512)]


class MessageRequest(BaseModel):
    """A message to send."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "from": "+15551234567",
                    "to": "+15559876543",
                    "body": "Your order has shipped. Track: https://example.com/track/123",
                }
            ]
        },
    )

    sender: Line = Field(
        alias="from", min_length=1, max_length=32, description="One of your senders; any, with a test key."
    )
    recipient: Line = Field(alias="to", min_length=1, max_length=64, description="The recipient, in E.164.")
    body: Annotated[CleanText, AfterValidator(_visible)] = Field(
        min_length=1, max_length=1600, description="The text. Its encoding and segments are counted for you."
    )
    client_reference: Reference | None = Field(default=None, description="Your own id for it; need not be unique.")
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict, max_length=50, description="Up to 50 strings that come back with it."
    )
    validity_seconds: int | None = Field(
        default=None, ge=1, le=MAX_VALIDITY_SECONDS, description="How long it stays worth sending."
    )
    delivery_guarantee: Annotated[DeliveryGuarantee, Field(strict=False)] = Field(
        default=DeliveryGuarantee.AT_MOST_ONCE,
        description="What happens when nobody can tell whether the provider took it: at_most_once makes it "
        "`unconfirmed`, at_least_once sends it once more and flags it `possible_duplicate`.",
    )
    max_segments: int = Field(
        default=MAX_SEGMENTS_DEFAULT, ge=1, le=MAX_SEGMENTS_LIMIT, description="Refuse longer texts than this."
    )


class MessageView(BaseModel):
    """A message as it stands."""

    id: UUID
    status: MessageStatus
    direction: Direction
    sender: str = Field(serialization_alias="from")
    recipient: str = Field(serialization_alias="to")
    body: str
    encoding: str
    segments: int
    client_reference: str | None
    metadata: dict[str, str]
    delivery_guarantee: DeliveryGuarantee
    possible_duplicate: bool
    attempts: int
    provider: str | None
    error_code: str | None
    test: bool
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    final_at: datetime | None
    expires_at: datetime | None


class EventView(BaseModel):
    """One line of a message's history: what was said, by whom, and whether it changed anything."""

    sequence: int
    at: datetime
    source: str
    previous: MessageStatus | None
    status: MessageStatus
    applied: bool
    reason: str | None
    attempt: int | None
    error_code: str | None
    provider_status: str | None
    provider_code: str | None
    reported_at: datetime | None


class MessagePage(BaseModel):
    """One page of messages, the newest first."""

    data: list[MessageView]
    next_cursor: str | None
    has_more: bool


class EventList(BaseModel):
    """A message's whole history, in order."""

    data: list[EventView]


def message_document(message: StoredMessage) -> dict[str, Any]:
    """Give a message as its JSON document."""
    return {
        "id": str(message.id),
        "status": message.status,
        "direction": message.direction,
        "from": message.sender,
        "to": message.recipient,
        "body": message.body,
        "encoding": message.encoding,
        "segments": message.segments,
        "client_reference": message.client_reference,
        "metadata": message.metadata,
        "delivery_guarantee": message.delivery_guarantee,
        "possible_duplicate": message.possible_duplicate,
        "attempts": message.attempts,
        "provider": message.provider,
        "error_code": message.error_code,
        "test": message.test,
        "created_at": message.created_at,
        "updated_at": message.updated_at,
        "sent_at": message.sent_at,
        "final_at": message.final_at,
        "expires_at": message.expires_at,
    }


def event_document(event: StoredEvent) -> dict[str, Any]:
    """Give a status event as its JSON document."""
    return {name: getattr(event, name) for name in EventView.model_fields}
