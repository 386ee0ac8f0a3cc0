"""What each operation takes and answers, beyond what its route tells the framework; nothing runs from here.

Routes read raw requests and answer bytes, so the framework can know their paths and their models alone. Whoever adds a
route adds its operation here; a test holds the two together.
"""

from __future__ import annotations

from typing import Any, Final

from app.api import examples
from app.api.errors import explain_delivery_error, explain_refusal
from app.api.operation import ANY, LIMITS, WITH_BODY, WITH_KEY, Operation
from app.api.operations_of_limits import OF_LIMITS
from app.api.operations_of_pausing import OF_PAUSING
from app.api.operations_of_pools import OF_POOLS
from app.api.operations_of_queues import OF_QUEUES
from app.domain.delivery_errors import DeliveryError
from app.domain.errors import ErrorCode

_WEBHOOK: Final = Operation(
    answers="Kept for good; the provider's own acknowledgement, as it expects it.",
    refusals=ANY
    | WITH_BODY
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
        refusals=WITH_KEY
        | WITH_BODY
        | {
            ErrorCode.INVALID_JSON,
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            ErrorCode.SENDER_NOT_OWNED,
            ErrorCode.NOT_FOUND,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            ErrorCode.VALIDATION_FAILED,
            ErrorCode.RECIPIENT_INVALID,
            ErrorCode.DESTINATION_NOT_ALLOWED,
            ErrorCode.SENDER_MISSING,
            ErrorCode.POOL_UNKNOWN,
            ErrorCode.NO_SENDER_FOR_DESTINATION,
            ErrorCode.MESSAGE_TOO_LONG,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            ErrorCode.QUEUE_FULL,
        },
        examples={"queued": examples.QUEUED, "scheduled": examples.SCHEDULED},
        headers=("Location", "Idempotent-Replayed", *LIMITS),
        parameters=("IdempotencyKey",),
        needs_key=True,
    ),
    "list_messages": Operation(
        answers="One page, the newest first.",
        refusals=WITH_KEY | {ErrorCode.INVALID_CURSOR, ErrorCode.VALIDATION_FAILED},
        examples={"page": examples.PAGE, "last page": {"data": [], "next_cursor": None, "has_more": False}},
        headers=("Link", *LIMITS),
        needs_key=True,
    ),
    "get_message": Operation(
        answers="The message as it stands.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"delivered": examples.DELIVERED, "undelivered": examples.UNDELIVERED},
        headers=LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "list_message_events": Operation(
        answers="The whole history, in order.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND},
        examples={"delivered": examples.EVENTS},
        headers=LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "cancel_message": Operation(
        answers="The message, which will not be sent.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.NOT_CANCELABLE},
        examples={"canceled": examples.CANCELED},
        headers=LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "redrive_message": Operation(
        answers="The message is on its way again.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.NOT_REDRIVABLE},
        examples={"redriven": examples.REDRIVEN},
        headers=LIMITS,
        parameters=("MessageId",),
        needs_key=True,
    ),
    "list_audits": Operation(
        answers="One page, the latest day first.",
        refusals=WITH_KEY | {ErrorCode.NOT_FOUND, ErrorCode.INVALID_CURSOR, ErrorCode.VALIDATION_FAILED},
        examples={"differences": examples.AUDITS, "no list to compare with": examples.NO_AUDITS},
        headers=("Link", *LIMITS),
        parameters=("Provider",),
        needs_key=True,
    ),
    **OF_POOLS,
    **OF_PAUSING,
    **OF_QUEUES,
    **OF_LIMITS,
    "list_errors": Operation(
        answers="Every error with its cause and its remedy.",
        refusals=ANY,
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
        refusals=ANY | {ErrorCode.NOT_FOUND},
        examples={"landline": {"data": [explain_delivery_error(DeliveryError.LANDLINE)]}},
        parameters=("AnyErrorCode",),
    ),
    "get_problem": Operation(
        answers="The problem explained: a page to a browser, else JSON.",
        refusals=ANY | {ErrorCode.NOT_FOUND},
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
    "get_liveness": Operation(answers="The process serves requests.", refusals=ANY, examples={"alive": examples.ALIVE}),
    "get_readiness": Operation(
        answers="The database is there and fits this code.",
        refusals=ANY | {ErrorCode.TEMPORARILY_UNAVAILABLE},
        examples={"ready": examples.READY},
    ),
    "get_version": Operation(answers="This code's version.", refusals=ANY, examples={"version": examples.VERSION}),
}
"""Every operation, by its id."""

TAGS: Final[list[dict[str, str]]] = [
    {"name": "messages", "description": "Send texts, read what became of them, and take them back while they wait."},
    {
        "name": "pools",
        "description": "Senders that share traffic: one is chosen for each recipient, and stays its own.",
    },
    {"name": "routes", "description": "Where messages go that name no sender, by how their recipient begins."},
    {"name": "pausing", "description": "Stop sending for a while, and go on. Nothing that waits is lost."},
    {"name": "queues", "description": "What waits to be sent, how fast it goes, and what holds it up."},
    {"name": "senders", "description": "What messages are sent from, and how fast. Operators add and change them."},
    {"name": "limits", "description": "What is usual for senders, provider accounts and accounts. For operators."},
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
