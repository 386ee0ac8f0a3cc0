"""What stands behind each refusal: what happened, what to do, and an example of it, in words for newcomers.

The pages and the description of the refusals are made from here. An example is a refusal as it could be raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.status import MessageStatus


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What a caller needs to know of one refusal."""

    cause: str
    """What happened."""

    remedy: str
    """What to do about it."""

    example: Refusal


def _one(code: ErrorCode, detail: str, pointer: str, field_code: str, suggestion: str | None = None) -> Refusal:
    """Make a refusal of one field, whose own sentence is the whole's."""
    error = FieldError(pointer=pointer, code=field_code, detail=detail, suggestion=suggestion)
    return Refusal(code, detail, errors=(error,))


_NOT_E164: Final = (
    "Write `to` in E.164: a plus, the country code and the number, digits only. Did you mean +15559876543?"
)

REMEDIES: Final[dict[ErrorCode, Remedy]] = {
    ErrorCode.BAD_REQUEST: Remedy(
        cause="The request breaks a rule of HTTP that comes before its meaning: two Authorization headers, no Host, "
        "two lengths for one body, or a line that cannot be parsed.",
        remedy="Send the request with an ordinary HTTP library, and each of these headers once. If a proxy stands "
        "between, look at what it adds.",
        example=Refusal(ErrorCode.BAD_REQUEST, "Send one Authorization header."),
    ),
    ErrorCode.INVALID_JSON: Remedy(
        cause="The body is not one JSON document in UTF-8. NaN, Infinity, numbers too large for a double, lone "
        "surrogates, a byte order mark, a name that comes twice in one object, and very deep nesting are not taken "
        "either.",
        remedy="Let a JSON library write the body instead of putting it together by hand; `detail` says where reading "
        "stopped.",
        example=Refusal(ErrorCode.INVALID_JSON, "Line 1, column 9: send one JSON object in UTF-8."),
    ),
    ErrorCode.INVALID_CURSOR: Remedy(
        cause="The cursor was changed on its way, or it was written for a list with other filters.",
        remedy="Pass `next_cursor` on as it came, with the same filters, or follow the Link header. To change the "
        "filters, begin without a cursor.",
        example=_one(
            ErrorCode.INVALID_CURSOR,
            "This cursor belongs to another list. Keep all filters as they were, or begin without a cursor.",
            "cursor",
            "invalid-cursor",
        ),
    ),
    ErrorCode.IDEMPOTENCY_KEY_INVALID: Remedy(
        cause="The Idempotency-Key is empty, longer than 255 characters, holds other characters than printable ASCII, "
        "or was sent twice.",
        remedy="Send one key, such as a UUID or your order's number. Keep it for the repeats of this request.",
        example=Refusal(
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            "Send one key of 1 to 255 printable ASCII characters: in quotes, or bare without spaces.",
        ),
    ),
    ErrorCode.UNAUTHENTICATED: Remedy(
        cause="There is no Authorization header, or the key in it is unknown, mistyped, revoked or expired. The answer "
        "is the same for all of these, so that nobody can find out which keys exist.",
        remedy="Send the key's id and secret as HTTP Basic, or both joined by `_` as a Bearer token. If it worked "
        "before, ask whoever runs the gateway whether the key was revoked.",
        example=Refusal(
            ErrorCode.UNAUTHENTICATED,
            "Send an API key by HTTP Basic (its id as the user, its secret as the password) or as a Bearer token "
            "(both joined by an underscore). `gateway keys create` makes one.",
        ),
    ),
    ErrorCode.WEBHOOK_SIGNATURE_INVALID: Remedy(
        cause="A webhook came without a signature, or with one that was not made by the provider's secret over exactly "
        "this URL and body. Nothing of it was kept.",
        remedy="Operators: compare the webhook secret in the settings with the provider's, and GATEWAY_PUBLIC_URL with "
        "the address that the provider calls; a proxy must not change path, query or body.",
        example=Refusal(
            ErrorCode.WEBHOOK_SIGNATURE_INVALID,
            "The signature does not fit this provider account, URL and body, or is too old. "
            "Check the account's webhook secret and GATEWAY_PUBLIC_URL.",
        ),
    ),
    ErrorCode.FORBIDDEN: Remedy(
        cause="The key is valid, but lacks the scope that this request needs, or reads beyond its own account.",
        remedy="Use a key with the scope that `detail` names; whoever runs the gateway makes keys.",
        example=Refusal(ErrorCode.FORBIDDEN, "This needs a key with the scope messages:write."),
    ),
    ErrorCode.NOT_FOUND: Remedy(
        cause="There is no such path, or your account has nothing with this id. What belongs to another account is "
        "answered in the same way.",
        remedy="Check the id and which account's key you use; the paths are listed under /docs.",
        example=Refusal(ErrorCode.NOT_FOUND, "Your account has no message with this id."),
    ),
    ErrorCode.SENDER_NOT_OWNED: Remedy(
        cause="`from` is a well-formed sender, but your account does not own it.",
        remedy="Send from one of your account's senders, or have this one added to it by whoever runs the gateway. A "
        "test key may use any sender.",
        example=_one(
            ErrorCode.SENDER_NOT_OWNED,
            "`from` is not one of your account's senders. `gateway senders list` shows them, `gateway senders add` "
            "adds one; a test key may send from any.",
            "/from",
            "sender-not-owned",
        ),
    ),
    ErrorCode.METHOD_NOT_ALLOWED: Remedy(
        cause="The path exists, but not with this method.",
        remedy="Use one of the methods in the Allow header.",
        example=Refusal(ErrorCode.METHOD_NOT_ALLOWED, "The Allow header lists the methods that this path takes."),
    ),
    ErrorCode.REQUEST_TIMEOUT: Remedy(
        cause="The headers announced a body that did not arrive in full within the time allowed, by default 10 "
        "seconds. Nothing was done.",
        remedy="Send it again, with the same Idempotency-Key. If it keeps happening, compare Content-Length with what "
        "is sent, and look at the network between.",
        example=Refusal(
            ErrorCode.REQUEST_TIMEOUT,
            "The body did not arrive in time. Send it without a pause, on a new connection.",
        ),
    ),
    ErrorCode.NOT_CANCELABLE: Remedy(
        cause="A message can be canceled while it waits. This one is being sent, or was, or is over; `message_status` "
        "says where it stands.",
        remedy="Read the message to see what became of it. To be able to change your mind, send with `send_at`.",
        example=Refusal(
            ErrorCode.NOT_CANCELABLE,
            "The message is sent already. Only one that is scheduled, held or queued, and that no worker has taken "
            "yet, can be canceled.",
            message_status=MessageStatus.SENT,
        ),
    ),
    ErrorCode.NOT_REDRIVABLE: Remedy(
        cause="A message is redriven that was set aside with the error `poison` and is still worth sending. This one "
        "never was, has been redriven already, or is stale; `message_status` says where it stands.",
        remedy="Read the message to see what became of it. To send another one's text again, send it as a new message.",
        example=Refusal(
            ErrorCode.NOT_REDRIVABLE,
            "The message is queued. Only one that was set aside as poison and is still worth sending can be redriven; "
            "send another one anew.",
            message_status=MessageStatus.QUEUED,
        ),
    ),
    ErrorCode.PAYLOAD_TOO_LARGE: Remedy(
        cause="The body is larger than this path takes: 64 KiB for a message, 1 MiB for a webhook.",
        remedy="Send less at once. A message is one text to one recipient; keep large data elsewhere and put a "
        "reference into `metadata`.",
        example=Refusal(ErrorCode.PAYLOAD_TOO_LARGE, "The body may have at most 65536 bytes."),
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Remedy(
        cause="The body was not announced as plain JSON: another Content-Type or charset, none at all, or a "
        "compressed body.",
        remedy="Send the header Content-Type: application/json and the body as it is, without Content-Encoding.",
        example=Refusal(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "Send plain JSON in UTF-8, not compressed, with the header Content-Type: application/json.",
        ),
    ),
    ErrorCode.VALIDATION_FAILED: Remedy(
        cause="One or more fields or parameters are missing, unknown, of the wrong type or out of bounds.",
        remedy="Correct what `errors` names: `pointer` says where it is, `detail` what would be accepted.",
        example=Refusal(
            ErrorCode.VALIDATION_FAILED,
            "Correct /body: `errors` says what is wrong.",
            errors=(FieldError(pointer="/body", code="missing", detail="Field required"),),
        ),
    ),
    ErrorCode.RECIPIENT_INVALID: Remedy(
        cause="`to` is not a telephone number in E.164, or no number of its country looks like it.",
        remedy="Write a plus, the country code and the number, digits only. Where the gateway can tell what was "
        "meant, `suggestion` holds it; ask the person rather than guess.",
        example=_one(ErrorCode.RECIPIENT_INVALID, _NOT_E164, "/to", "not-e164", "+15559876543"),
    ),
    ErrorCode.DESTINATION_NOT_ALLOWED: Remedy(
        cause="The number is real, but of a kind that is not texted: premium rate, shared cost, satellite, a short "
        "code, or another that costs a fortune or takes no texts.",
        remedy="Ask for a mobile number.",
        example=_one(
            ErrorCode.DESTINATION_NOT_ALLOWED,
            "Premium, shared-cost, satellite and service numbers are not texted.",
            "/to",
            "destination-not-allowed",
        ),
    ),
    ErrorCode.MESSAGE_TOO_LONG: Remedy(
        cause="The text makes more billed parts than `max_segments` allows. One character outside the GSM alphabet, "
        "such as an emoji or a curly quote, turns the whole text into UCS-2, whose parts hold less than half as much.",
        remedy="Shorten the text, replace such characters, or raise `max_segments` (at most 10).",
        example=_one(
            ErrorCode.MESSAGE_TOO_LONG,
            "The text takes 7 segments in gsm-7, and 6 are allowed. Shorten it, or raise `max_segments` (at most 10).",
            "/body",
            "too-many-segments",
        ),
    ),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: Remedy(
        cause="This Idempotency-Key came before with another body. Nothing was sent now; the earlier message is as it "
        "was.",
        remedy="To repeat a request, send exactly its body again. For a new message use a new key.",
        example=Refusal(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key belongs to a request with another body. Use a new key for a new message.",
        ),
    ),
    ErrorCode.RATE_LIMITED: Remedy(
        cause="This key sent more requests than its rate allows, or too many wrong credentials came from your address.",
        remedy="Wait for as long as Retry-After says, then go on more slowly; the RateLimit header tells how much is "
        "left. Nothing was done, so the same Idempotency-Key may be used again.",
        example=Refusal(
            ErrorCode.RATE_LIMITED,
            "This key may send 500 requests a second to each process of the gateway. Wait as long as Retry-After says, "
            "then send more slowly.",
            retry_after_seconds=1,
        ),
    ),
    ErrorCode.QUEUE_FULL: Remedy(
        cause="As many messages of your account wait to be sent as it may have waiting.",
        remedy="Wait for as long as Retry-After says, and send the same request again with its Idempotency-Key. If it "
        "lasts, compare what you send with your senders' rates.",
        example=Refusal(
            ErrorCode.QUEUE_FULL,
            "1000000 messages of your account wait to be sent, and more may not. Send again when there are fewer, or "
            "cancel some.",
            retry_after_seconds=30,
        ),
    ),
    ErrorCode.HEADERS_TOO_LARGE: Remedy(
        cause="The headers together are larger than 16 KiB or more than 100, or the path with its query is longer "
        "than 8 KiB.",
        remedy="Send fewer or shorter headers; cookies of a shared domain are the usual culprit. Filters of a list "
        "belong in the query, texts in a body.",
        example=Refusal(
            ErrorCode.HEADERS_TOO_LARGE,
            "A request may have 100 headers and 16384 bytes of them. Send fewer or shorter ones.",
        ),
    ),
    ErrorCode.INTERNAL_ERROR: Remedy(
        cause="A mistake in the gateway itself.",
        remedy="Send the same request again with the same Idempotency-Key to learn whether it was done. Report it "
        "with the `request_id`; the gateway's log says more under it.",
        example=Refusal(
            ErrorCode.INTERNAL_ERROR,
            "This is a bug. Nothing was changed unless the same request with the same Idempotency-Key says so. "
            "Report it with the request_id.",
        ),
    ),
    ErrorCode.TEMPORARILY_UNAVAILABLE: Remedy(
        cause="The gateway cannot reach its database, or is not ready to serve.",
        remedy="Send the request again after as many seconds as Retry-After says, with the same Idempotency-Key: "
        "whether or not it was done before the answer was lost, it is done once.",
        example=Refusal(
            ErrorCode.TEMPORARILY_UNAVAILABLE,
            "The database does not answer. Send the request again in a moment, with the same Idempotency-Key; "
            "without one, it may be accepted twice.",
            retry_after_seconds=2,
        ),
    ),
}
