"""The callbacks to internal applications, described before they exist, so that receivers can be written against them.

Nothing sends them yet. They follow Standard Webhooks: three headers, and a body of type, timestamp and data.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from app.api import examples
from app.api.schemas import MessageView

_NOT_YET: Final = "**Not sent yet**: this describes what is to come, and it may still change."
_SIGNED: Final = (
    "Signed as Standard Webhooks are: the signature is HMAC-SHA256 over `webhook-id.webhook-timestamp.body`. "
    "Callbacks come at least once and in no certain order; the same `webhook-id` is the same event. Answer 2xx within "
    "15 seconds; anything else is tried again."
)


class MessageStatusCallback(BaseModel):
    """A message has changed its status."""

    type: Literal[
        "message.queued",
        "message.sending",
        "message.sent",
        "message.delivered",
        "message.undelivered",
        "message.failed",
        "message.unconfirmed",
        "message.expired",
        "message.canceled",
    ] = Field(description="What happened: `message.` and the new status.", examples=["message.delivered"])
    timestamp: datetime = Field(description="When it happened.", examples=["2026-11-22T19:16:43.660282Z"])
    data: MessageView = Field(description="The message as it stood then.")


class MessageReceivedCallback(BaseModel):
    """Somebody has texted one of your senders."""

    type: Literal["message.received"] = Field(description="What happened.", examples=["message.received"])
    timestamp: datetime = Field(description="When it came.", examples=["2026-11-22T19:17:20.011000Z"])
    data: MessageView = Field(description="The message that came in.")


PARAMETERS: Final[dict[str, Any]] = {
    "WebhookId": {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "Names the event; the same on each try. Keep it to notice repeats.",
        "example": "01a204b0-7a11-7a4e-8b0e-5f1f2d0c9b3a",
    },
    "WebhookTimestamp": {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "schema": {"type": "integer"},
        "description": "When this try was made, in seconds since 1970. Refuse one that is five minutes off.",
        "example": 1795375003,
    },
    "WebhookSignature": {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "`v1,` and the signature in base64; several, separated by spaces, while a secret is changed.",
        "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
}


def _callback(model: type[BaseModel], operation_id: str, summary: str, shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": operation_id,
            "summary": summary,
            "description": f"{_NOT_YET}\n\n{_SIGNED}",
            "tags": ["callbacks"],
            "security": [],
            "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
                        "examples": {str(shown["type"]): {"value": shown}},
                    }
                },
            },
            "responses": {"2XX": {"description": "Taken."}},
        }
    }


MODELS: Final = (MessageStatusCallback, MessageReceivedCallback)
TAG: Final = {"name": "callbacks", "description": f"What the gateway tells your applications. {_NOT_YET}"}
CALLBACKS: Final[dict[str, Any]] = {
    "message.status": _callback(
        MessageStatusCallback,
        "on_message_status",
        "A message has changed its status",
        {"type": "message.delivered", "timestamp": "2026-11-22T19:16:43.660282Z", "data": examples.DELIVERED},
    ),
    "message.received": _callback(
        MessageReceivedCallback,
        "on_message_received",
        "A text has come in",
        {"type": "message.received", "timestamp": "2026-11-22T19:17:20.011000Z", "data": examples.RECEIVED},
    ),
}
