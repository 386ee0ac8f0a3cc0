"""What each operation takes and answers, beyond what its route tells the framework; nothing runs from here.

Routes read raw requests and answer bytes, so the framework can know their paths and their models alone. Whoever adds a
route adds its operation here; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from app.api import examples
from app.api.errors import explain_delivery_error, explain_refusal
from app.domain.delivery_errors import DeliveryError
from app.domain.errors import ErrorCode


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of the description."""

    answers: str
    """What a success means."""

    refusals: frozenset[ErrorCode]
    """With which codes it may refuse."""

    examples: dict[str, Any] = field(default_factory=dict)
    """Bodies of a success, by what they show."""

    headers: tuple[str, ...] = ()
    """Headers of a success, beside the request's id."""

    parameters: tuple[str, ...] = ()
    """Shared parameters that the route reads by itself, or that say more than its signature."""

    body: type[BaseModel] | None = None
    """The JSON document that it takes, where the route reads it by itself."""

    bodies: dict[str, Any] = field(default_factory=dict)
    """Bodies that it takes, by what they show."""

    needs_key: bool = False
    html: bool = False
    """Whether a success may also be a page for people."""


_ANY: Final = frozenset({ErrorCode.BAD_REQUEST, ErrorCode.HEADERS_TOO_LARGE, ErrorCode.INTERNAL_ERROR})
_WITH_KEY: Final = _ANY | {
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.TEMPORARILY_UNAVAILABLE,
}
_WITH_BODY: Final = frozenset({ErrorCode.REQUEST_TIMEOUT, ErrorCode.PAYLOAD_TOO_LARGE})
_LIMITS: Final = ("RateLimit", "RateLimit-Policy")

_WEBHOOK: Final = Operation(
    answers="Kept for good; the provider's own acknowledgement, as it expects it.",
    refusals=_ANY
    | _WITH_BODY
    | {
        ErrorCode.WEBHOOK_SIGNATURE_INVALID,
        ErrorCode.NOT_FOUND,
        ErrorCode.METHOD_NOT_ALLOWED,
        ErrorCode.TEMPORARILY_UNAVAILABLE,
    },
    parameters=("Provider",),
)

OPERATIONS: Final[dict[str, Operation]] = {
    "send_message": Operation(
        answers="Stored for good, and on its way; or the earlier answer, if the Idempotency-Key came before.",
        refusals=_WITH_KEY
        | _WITH_BODY
        | {
            ErrorCode.INVALID_JSON,
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            ErrorCode.SENDER_NOT_OWNED,
            ErrorCode.NOT_FOUND,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            ErrorCode.VALIDATION_FAILED,
            ErrorCode.RECIPIENT_INVALID,
            ErrorCode.DESTINATION_NOT_ALLOWED,
            ErrorCode.MESSAGE_TOO_LONG,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            ErrorCode.QUEUE_FULL,
        },
        examples={"queued": examples.QUEUED, "scheduled": examples.SCHEDULED},
        headers=("Location", "Idempotent-Replayed", *_LIMITS),
        parameters=("IdempotencyKey",),
        needs_key=True,
    ),
    "list_messages": Operation(
        answers="One page, the newest first.",
        refusals=_WITH_KEY | {ErrorCode.INVALID_CURSOR, ErrorCode.VALIDATION_FAILED},
        examples={"page": examples.PAGE, "last page": {"data": [], "next_cursor": None, "has_more": False}},
        headers=("Link", *_LIMITS),
        needs_key=True,
    ),
    "get_message": Operation(
        answers="The message as it stands.",
        refusals=_WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"delivered": examples.DELIVERED, "undelivered": examples.UNDELIVERED},
        headers=_LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "list_message_events": Operation(
        answers="The whole history, in order.",
        refusals=_WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"delivered": examples.EVENTS},
        headers=_LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "cancel_message": Operation(
        answers="The message, which will not be sent.",
        refusals=_WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.NOT_CANCELABLE},
        examples={"canceled": examples.CANCELED},
        headers=_LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "redrive_message": Operation(
        answers="The message is on its way again.",
        refusals=_WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.NOT_REDRIVABLE},
        examples={"redriven": examples.REDRIVEN},
        headers=_LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "list_audits": Operation(
        answers="One page, the latest day first.",
        refusals=_WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.INVALID_CURSOR, ErrorCode.VALIDATION_FAILED},
        examples={"differences": examples.AUDITS, "no list to compare with": examples.NO_AUDITS},
        headers=("Link", *_LIMITS),
        parameters=("Provider",),
        needs_key=True,
    ),
    "list_errors": Operation(
        answers="Every error with its cause and its remedy.",
        refusals=_ANY,
        examples={
            "two of them": {
                "data": [
                    explain_refusal(ErrorCode.RECIPIENT_INVALID),
                    explain_delivery_error(DeliveryError.LANDLINE),
                ]
            }
        },
    ),
    "get_error": Operation(
        answers="The error, or both where a refusal and a delivery error share the code.",
        refusals=_ANY | {ErrorCode.NOT_FOUND},
        examples={"landline": {"data": [explain_delivery_error(DeliveryError.LANDLINE)]}},
        parameters=("AnyErrorCode",),
    ),
    "get_problem": Operation(
        answers="The problem explained: a page to a browser, else JSON.",
        refusals=_ANY | {ErrorCode.NOT_FOUND},
        examples={"recipient-invalid": explain_refusal(ErrorCode.RECIPIENT_INVALID)},
        headers=("Vary",),
        parameters=("ProblemCode",),
        html=True,
    ),
    "receive_webhook": _WEBHOOK,
    "receive_status_webhook": _WEBHOOK,
    "receive_inbound_webhook": _WEBHOOK,
    "receive_attempt_webhook": Operation(
        answers=_WEBHOOK.answers, refusals=_WEBHOOK.refusals, parameters=("Provider", "AttemptToken")
    ),
    "get_liveness": Operation(
        answers="The process serves requests.", refusals=_ANY, examples={"alive": examples.ALIVE}
    ),
    "get_readiness": Operation(
        answers="The database is there and fits this code.",
        refusals=_ANY | {ErrorCode.TEMPORARILY_UNAVAILABLE},
        examples={"ready": examples.READY},
    ),
    "get_version": Operation(answers="This code's version.", refusals=_ANY, examples={"version": examples.VERSION}),
}
"""Every operation, by its id."""

TAGS: Final[list[dict[str, str]]] = [
    {"name": "messages", "description": "Send texts, read what became of them, and take them back while they wait."},
    {"name": "audits", "description": "Providers' own records of each day beside ours. For operators."},
    {"name": "errors", "description": "What each error means and what to do about it. No key is needed."},
    {"name": "webhooks", "description": "Called by SMS providers, who sign what they send; not by you."},
    {"name": "health", "description": "For load balancers and deployments. No key is needed."},
]

LINKS: Final[dict[str, Any]] = {
    name: {"operationId": name, "parameters": {"message_id": "$response.body#/id"}, "description": description}
    for name, description in (
        ("get_message", "Read what became of it."),
        ("list_message_events", "Read its history."),
        ("cancel_message", "Take it back, while it waits."),
    )
}
"""Where a message that was sent can be found again."""
