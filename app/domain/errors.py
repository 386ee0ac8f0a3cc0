"""Every refusal of the gateway: a stable code, what it means, what to do.

Errors know nothing of HTTP; `app/api/problems.py` gives each its status. A refusal's text never repeats
what the caller sent, except a corrected form of a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.status import MessageStatus


class ErrorCode(StrEnum):
    """The closed set of refusals; the value is the stable code in the API."""

    BAD_REQUEST = "bad-request"
    INVALID_JSON = "invalid-json"
    INVALID_CURSOR = "invalid-cursor"
    IDEMPOTENCY_KEY_INVALID = "idempotency-key-invalid"
    UNAUTHENTICATED = "unauthenticated"
    WEBHOOK_SIGNATURE_INVALID = "webhook-signature-invalid"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    SENDER_NOT_OWNED = "sender-not-owned"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REQUEST_TIMEOUT = "request-timeout"
    NOT_CANCELABLE = "not-cancelable"
    NOT_REDRIVABLE = "not-redrivable"
    POOL_EXISTS = "pool-exists"
    POOL_IN_USE = "pool-in-use"
    SENDER_EXISTS = "sender-exists"
    PAYLOAD_TOO_LARGE = "payload-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    VALIDATION_FAILED = "validation-failed"
    RECIPIENT_INVALID = "recipient-invalid"
    DESTINATION_NOT_ALLOWED = "destination-not-allowed"
    SENDER_MISSING = "sender-missing"
    POOL_UNKNOWN = "pool-unknown"
    NO_SENDER_FOR_DESTINATION = "no-sender-for-destination"
    MESSAGE_TOO_LONG = "message-too-long"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    RATE_LIMITED = "rate-limited"
    QUEUE_FULL = "queue-full"
    HEADERS_TOO_LARGE = "headers-too-large"
    INTERNAL_ERROR = "internal-error"
    TEMPORARILY_UNAVAILABLE = "temporarily-unavailable"


TITLES: dict[ErrorCode, str] = {
    ErrorCode.BAD_REQUEST: "The request is malformed",
    ErrorCode.INVALID_JSON: "The body is not valid JSON",
    ErrorCode.INVALID_CURSOR: "The cursor does not fit this list",
    ErrorCode.IDEMPOTENCY_KEY_INVALID: "The Idempotency-Key is malformed",
    ErrorCode.UNAUTHENTICATED: "Valid credentials are needed",
    ErrorCode.WEBHOOK_SIGNATURE_INVALID: "The webhook does not prove where it comes from",
    ErrorCode.FORBIDDEN: "This key may not do that",
    ErrorCode.NOT_FOUND: "There is nothing here",
    ErrorCode.SENDER_NOT_OWNED: "The account does not own this sender",
    ErrorCode.METHOD_NOT_ALLOWED: "This method is not offered here",
    ErrorCode.REQUEST_TIMEOUT: "The body did not arrive in time",
    ErrorCode.NOT_CANCELABLE: "The message can no longer be canceled",
    ErrorCode.NOT_REDRIVABLE: "The message was not set aside, or is stale",
    ErrorCode.POOL_EXISTS: "The account has a pool of this name already",
    ErrorCode.POOL_IN_USE: "A route names this pool",
    ErrorCode.SENDER_EXISTS: "The sender is taken already",
    ErrorCode.PAYLOAD_TOO_LARGE: "The body is too large",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "The body must be JSON",
    ErrorCode.VALIDATION_FAILED: "Some fields are not acceptable",
    ErrorCode.RECIPIENT_INVALID: "The recipient is not a number that can be texted",
    ErrorCode.DESTINATION_NOT_ALLOWED: "Numbers of this kind are not texted",
    ErrorCode.SENDER_MISSING: "Nothing says what the message is to be sent from",
    ErrorCode.POOL_UNKNOWN: "The account has no pool of this name",
    ErrorCode.NO_SENDER_FOR_DESTINATION: "No sender of the pool may send to this country",
    ErrorCode.MESSAGE_TOO_LONG: "The text has too many segments",
    ErrorCode.IDEMPOTENCY_KEY_REUSED: "The Idempotency-Key was used for another request",
    ErrorCode.RATE_LIMITED: "Too many requests at once",
    ErrorCode.QUEUE_FULL: "Too many messages of this account are waiting",
    ErrorCode.HEADERS_TOO_LARGE: "The headers are too large",
    ErrorCode.INTERNAL_ERROR: "The gateway made a mistake",
    ErrorCode.TEMPORARILY_UNAVAILABLE: "The gateway cannot answer right now",
}


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One field that was refused."""

    pointer: str
    """JSON Pointer (RFC 6901) into the body, or the name of a query parameter or header."""

    code: str
    detail: str
    suggestion: str | None = None
    """A form of the field that would be accepted, where one can be told."""


class Refusal(Exception):
    """The gateway does not do what was asked, changes nothing, and says why and what to do."""

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after_seconds: int | None = None,
        message_status: MessageStatus | None = None,
    ) -> None:
        """Take the code, a sentence on what is wrong and what to do, and the fields concerned.

        `message_status` is where the message stands that the request was about.
        """
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds
        self.message_status = message_status
