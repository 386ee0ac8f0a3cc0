"""What callers send to have a message sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from app.api.moments import Moment
from app.api.texts import Line, MetadataKey, MetadataValue, Reference, VisibleText
from app.domain.message import MAX_SEGMENTS_DEFAULT, MAX_SEGMENTS_LIMIT, DeliveryGuarantee
from app.domain.priority import Priority
from app.domain.schedule import MAX_VALIDITY


class MessageRequest(BaseModel):
    """A message to send."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}]
        },
    )

    sender: Line | None = Field(
        default=None,
        alias="from",
        min_length=1,
        max_length=37,
        description="One of your senders (any, with a test key), or `pool:` and the name of a pool, whose best sender "
        "for the recipient is chosen. Without it, your account's route for the recipient decides.",
        examples=["+15551234567"],
    )
    recipient: Line = Field(
        alias="to", min_length=1, max_length=64, description="The recipient, in E.164.", examples=["+15559876543"]
    )
    body: VisibleText = Field(
        min_length=1,
        max_length=1600,
        description="The text. Its encoding and segments are counted for you.",
        examples=["Your order has shipped."],
    )
    client_reference: Reference | None = Field(
        default=None, description="Your own id for it; need not be unique.", examples=["order-1042"]
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=50,
        description="Up to 50 strings that come back with it.",
        examples=[{"team": "checkout"}],
    )
    send_at: Moment = Field(
        default=None,
        description="When to send it, up to 35 days ahead; RFC 3339 with a zone. Without it: at once.",
        examples=["2027-01-31T09:30:00Z"],
    )
    validity_seconds: int | None = Field(
        default=None,
        ge=1,
        le=round(MAX_VALIDITY.total_seconds()),
        description="How long it stays worth sending, counted from `send_at` where there is one.",
        examples=[3600],
    )
    expires_at: Moment = Field(
        default=None,
        description="Until when it is worth sending, at most 3 days after `send_at` or now; "
        "in place of `validity_seconds`.",
        examples=["2027-01-31T17:30:00Z"],
    )
    delivery_guarantee: Annotated[DeliveryGuarantee, Field(strict=False)] = Field(
        default=DeliveryGuarantee.AT_MOST_ONCE,
        description="What happens when nobody can tell whether the provider took it: at_most_once makes it "
        "`unconfirmed`, at_least_once sends it once more and flags it `possible_duplicate`, where the provider "
        "cannot be asked instead.",
        examples=[DeliveryGuarantee.AT_MOST_ONCE],
    )
    max_segments: int = Field(
        default=MAX_SEGMENTS_DEFAULT,
        ge=1,
        le=MAX_SEGMENTS_LIMIT,
        description="Refuse longer texts than this.",
        examples=[3],
    )

    priority: Annotated[Priority, Field(strict=False)] | None = Field(
        default=None,
        description="What goes first: `otp`, then `transactional`, then `bulk`. By default the sender's own, which is "
        "`transactional` unless it was changed.",
        examples=[Priority.OTP],
    )

    @field_validator("expires_at")
    @classmethod
    def _says_it_once(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        if value is not None and info.data.get("validity_seconds") is not None:
            raise PydanticCustomError("one_of_two", "send `expires_at` or `validity_seconds`, not both")
        return value
