"""The shapes of messages as callers get them back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from app.domain.change import EventReason, EventSource
from app.domain.delivery_errors import DeliveryError
from app.domain.encoding import Encoding
from app.domain.message import DeliveryGuarantee
from app.domain.priority import PRIORITIES, Priority
from app.domain.status import Direction, MessageStatus
from app.store.messages import StoredEvent, StoredMessage

JSON_OPTIONS: Final = orjson.OPT_UTC_Z
"""How times are written: in UTC, with a Z."""

_MOMENT: Final = "2026-11-22T19:16:43.368000Z"


class MessageView(BaseModel):
    """A message as it stands."""

    id: UUID = Field(
        description="Ours, a UUIDv7: newer messages have greater ids, to the millisecond.",
        examples=["01a204b0-76e8-7133-8069-fed851132188"],
    )
    status: MessageStatus = Field(description="Where it stands.", examples=[MessageStatus.DELIVERED])
    direction: Direction = Field(description="Which way it goes.", examples=[Direction.OUTBOUND])
    sender: str = Field(
        serialization_alias="from", description="A number in E.164, a short code or a name.", examples=["+15551234567"]
    )
    recipient: str = Field(serialization_alias="to", description="In E.164.", examples=["+15559876543"])
    body: str = Field(description="The text, unchanged.", examples=["Your order has shipped."])
    encoding: Encoding = Field(description="How the text goes over the air.", examples=[Encoding.GSM_7])
    segments: int = Field(ge=1, description="How many billed parts it makes.", examples=[1])
    client_reference: str | None = Field(description="Your own id for it.", examples=["order-1042"])
    metadata: dict[str, str] = Field(description="Your own strings.", examples=[{"team": "checkout"}])
    delivery_guarantee: DeliveryGuarantee = Field(
        description="As asked for.", examples=[DeliveryGuarantee.AT_MOST_ONCE]
    )
    possible_duplicate: bool = Field(
        description="Whether two copies of it may have left, since the outcome of the first stayed unknown.",
        examples=[False],
    )
    attempts: int = Field(ge=0, description="How many tries at a provider were begun.", examples=[1])
    provider: str | None = Field(description="The provider account that it goes through.", examples=["sandbox"])
    error_code: DeliveryError | None = Field(
        description="Why it was not delivered; explained at `/v1/errors/{code}`.", examples=[DeliveryError.LANDLINE]
    )
    priority: Priority = Field(description="What goes first: `otp` before all else.", examples=[Priority.TRANSACTIONAL])
    pool: str | None = Field(
        description="The pool that `from` was chosen from; null where a sender was named.", examples=["support"]
    )
    test: bool = Field(description="Whether it was sent with a test key.", examples=[True])
    created_at: datetime = Field(description="When it was accepted.", examples=[_MOMENT])
    updated_at: datetime = Field(description="When it last changed.", examples=[_MOMENT])
    send_at: datetime | None = Field(description="When it is to be sent; null for at once.", examples=[_MOMENT])
    estimated_send_at: datetime | None = Field(
        description="When it will be sent, estimated while it waits; null where that cannot be told.",
        examples=[_MOMENT],
    )
    sent_at: datetime | None = Field(description="When the provider was first known to have it.", examples=[_MOMENT])
    final_at: datetime | None = Field(description="When it reached a final status.", examples=[_MOMENT])
    expires_at: datetime | None = Field(description="Until when it is worth sending.", examples=[_MOMENT])
    price: str | None = Field(
        description="What the provider asks for the whole message, a decimal number; null until it says so.",
        examples=["0.0075"],
    )
    price_currency: str | None = Field(description="The currency of `price`, ISO 4217.", examples=["USD"])
    billed_segments: int | None = Field(
        description="How many parts the provider bills; null until it says so.", examples=[1]
    )


class EventView(BaseModel):
    """One line of a message's history: what was said, by whom, and whether it changed anything."""

    sequence: int = Field(ge=1, description="Its place in the history.", examples=[5])
    at: datetime = Field(description="When it was stored.", examples=[_MOMENT])
    source: EventSource = Field(description="Whose word it is.", examples=[EventSource.PROVIDER])
    previous: MessageStatus | None = Field(
        description="Where the message stood before; null on the first.", examples=[MessageStatus.SENT]
    )
    status: MessageStatus = Field(description="What was said.", examples=[MessageStatus.DELIVERED])
    applied: bool = Field(description="Whether it changed the message.", examples=[True])
    reason: EventReason | None = Field(
        description="Why it changed nothing, or what stood behind it.", examples=[EventReason.DUPLICATE]
    )
    attempt: int | None = Field(description="Which try it is about.", examples=[1])
    error_code: DeliveryError | None = Field(description="What went wrong.", examples=[DeliveryError.LANDLINE])
    provider_status: str | None = Field(description="The provider's own word for the status.", examples=["delivered"])
    provider_code: str | None = Field(description="The provider's own code for the error.", examples=["2204"])
    reported_at: datetime | None = Field(
        description="When it happened, by the provider's clock; decides nothing.", examples=[_MOMENT]
    )
    from_sender: str | None = Field(description="Where it failed over: the sender that it left.", examples=[None])
    to_sender: str | None = Field(description="The sender that it goes out from instead.", examples=[None])


class RedrivenView(BaseModel):
    """Where a message stands that was redriven. Its numbers and its text are for keys that may read it."""

    id: UUID = Field(description="The message's.", examples=["01a204b0-76e8-7133-8069-fed851132188"])
    status: MessageStatus = Field(description="Where it stands.", examples=[MessageStatus.QUEUED])
    error_code: str | None = Field(description="Null, for nothing is wrong with it any more.", examples=[None])


class MessagePage(BaseModel):
    """One page of messages, the newest first."""

    data: list[MessageView] = Field(description="The messages.")
    next_cursor: str | None = Field(
        description="Where the next page begins; null on the last.", examples=["AaIEsHboczOAaf7YURMhiPxrUG3UqbHX"]
    )
    has_more: bool = Field(description="Whether there is another page.", examples=[True])


class EventList(BaseModel):
    """A message's whole history, in order."""

    data: list[EventView] = Field(description="The events.")


def message_document(message: StoredMessage, *, estimated_send_at: datetime | None = None) -> dict[str, Any]:
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
        "priority": PRIORITIES[message.priority],
        "pool": message.pool,
        "test": message.test,
        "created_at": message.created_at,
        "updated_at": message.updated_at,
        "send_at": message.send_at,
        "estimated_send_at": estimated_send_at,
        "sent_at": message.sent_at,
        "final_at": message.final_at,
        "expires_at": message.expires_at,
        "price": None if message.price is None else format(message.price, "f"),
        "price_currency": message.price_currency,
        "billed_segments": message.billed_segments,
    }


def event_document(event: StoredEvent) -> dict[str, Any]:
    """Give a status event as its JSON document."""
    return {name: getattr(event, name) for name in EventView.model_fields}
