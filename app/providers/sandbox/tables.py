"""What the sandbox's words mean here: its statuses, its error codes, and what each kind of evidence amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Capabilities
from app.domain.status import MessageStatus

STATUSES: Final[Mapping[str, MessageStatus]] = {
    "queued": MessageStatus.QUEUED,
    "sending": MessageStatus.SENDING,
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.UNDELIVERED,
    "failed": MessageStatus.FAILED,
}

ERRORS: Final[Mapping[int, DeliveryError]] = {
    1001: DeliveryError.INVALID_RECIPIENT,
    1002: DeliveryError.OPTED_OUT,
    1003: DeliveryError.UNREGISTERED_SENDER,
    1004: DeliveryError.SENDER_NOT_ALLOWED,
    1005: DeliveryError.MESSAGE_REFUSED,
    2001: DeliveryError.PROVIDER_CREDENTIALS,
    2002: DeliveryError.PROVIDER_BALANCE,
    2901: DeliveryError.RATE_LIMITED,
    2902: DeliveryError.PROVIDER_UNAVAILABLE,
    3001: DeliveryError.LANDLINE,
    3002: DeliveryError.UNREACHABLE,
    3003: DeliveryError.CARRIER_BLOCKED,
    3004: DeliveryError.CONTENT_FILTERED,
    3005: DeliveryError.UNREGISTERED_SENDER,
    3006: DeliveryError.SENDER_NOT_ALLOWED,
    3099: DeliveryError.UNKNOWN,
}

NOT_TAKEN: Final = 2902
"""The one code with which a 503 is documented as not accepted."""

KEY_OF_ANOTHER: Final = 1006
"""The idempotency key came with another message before, which may have been taken: no refusal of this attempt."""

NO_SUCH_MESSAGE: Final = 4001
"""With a 404: the sandbox has no message of the id that was asked for."""

REFUSALS: Final[Mapping[int, DeliveryError]] = {
    401: DeliveryError.PROVIDER_CREDENTIALS,
    402: DeliveryError.PROVIDER_BALANCE,
    403: DeliveryError.PROVIDER_CREDENTIALS,
}
"""What a refusal with a code that is not in the table means, by HTTP status; any other is `message-refused`."""


class Evidence(StrEnum):
    """What the account uses of what the sandbox offers to tell whether a send was taken."""

    WEBHOOK = "webhook"
    """Nothing but the status webhooks, which carry our reference."""

    IDEMPOTENCY_KEY = "idempotency-key"
    """Each send carries a key, under which the sandbox takes it once."""

    REFERENCE_SEARCH = "reference-search"
    """The sandbox is searched for our reference."""

    RECIPIENT_SEARCH = "recipient-search"
    """The sandbox is not given our reference, and is searched by sender and recipient."""

    NONE = "none"
    """No status webhooks and no search: our reference travels, and never comes back."""


_AT_ONCE: Final = timedelta(0)
"""The sandbox's records show a message before its submission is answered."""

CAPABILITIES: Final[Mapping[Evidence, Capabilities]] = {
    Evidence.WEBHOOK: Capabilities(message_status_url=True),
    Evidence.IDEMPOTENCY_KEY: Capabilities(message_status_url=True, idempotency_window=timedelta(hours=24)),
    Evidence.REFERENCE_SEARCH: Capabilities(message_status_url=True, reference_search=True, search_lag=_AT_ONCE),
    Evidence.RECIPIENT_SEARCH: Capabilities(message_status_url=True, recipient_search=True, search_lag=_AT_ONCE),
    Evidence.NONE: Capabilities(),
}
"""What the adapter declares for each; `records` adds fetching and listing."""
