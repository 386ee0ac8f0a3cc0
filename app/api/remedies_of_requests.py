"""What to do about refusals of any request, whatever it was about."""

from __future__ import annotations

from typing import Final

from app.api.remedy import Remedy, one_field
from app.domain.errors import ErrorCode, FieldError, Refusal

OF_REQUESTS: Final = {
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
        example=one_field(
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
