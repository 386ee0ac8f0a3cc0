"""The parts of the description that operations share: security schemes, parameters, headers, and refusals."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from app.api.errors import EXAMPLE_REQUEST_ID
from app.api.examples import MESSAGE_ID
from app.api.problems import MEDIA_TYPE, STATUSES, problem_document
from app.api.remedies import REMEDIES
from app.domain.delivery_errors import DeliveryError
from app.domain.errors import TITLES, ErrorCode
from app.domain.limits import TEST_MESSAGES
from app.domain.sender import SenderType

SECURITY: Final[list[dict[str, list[str]]]] = [{"basic": []}, {"bearer": []}]
SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The key's id as the user, its secret as the password.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key's id and its secret, joined by `_`."},
}

_KEY: Final = r'^("[\x20-\x21\x23-\x5b\x5d-\x7e]{1,255}"|[\x21\x23-\x7e][\x21-\x7e]{0,254})$'
PARAMETERS: Final[dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 257, "pattern": _KEY},
        "description": "Repeat a request safely: the same key and body give the first answer again. 1 to 255 "
        "printable ASCII characters, bare without spaces or in quotes.",
        "example": "order-1042-shipped",
    },
    "MessageId": {
        "name": "message_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "description": "The message's `id`.",
        "example": MESSAGE_ID,
    },
    "PoolId": {
        "name": "pool_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "description": "The pool's `id`.",
        "example": "01a204b3-77aa-7a1d-9d0e-2f3b1c5a8e90",
    },
    "SenderId": {
        "name": "sender_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "description": "The sender's `id`.",
        "example": "01a204b3-5d11-7a1d-8c52-9a6f0c2b7e14",
    },
    "AccountId": {
        "name": "account_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "description": "The account's id; `gateway accounts list` shows it.",
        "example": "01a204b3-426e-7a1d-b5a3-147c6253cbc2",
    },
    "RouteId": {
        "name": "route_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "description": "The route's `id`.",
        "example": "01a204b4-02cd-7a1d-b6f4-6f0e8d7c1a25",
    },
    "NumberType": {
        "name": "number_type",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": [*SenderType, TEST_MESSAGES]},
        "description": "A type of senders, or `test` for the messages of test keys.",
        "example": "toll_free",
    },
    "CampaignClass": {
        "name": "campaign_class",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]$"},
        "description": "AT&T's class of a 10DLC campaign.",
        "example": "T",
    },
    "ProblemCode": {
        "name": "code",
        "in": "path",
        "required": True,
        "schema": {"$ref": "#/components/schemas/ErrorCode"},
        "description": "The `code` of a problem document.",
        "example": "recipient-invalid",
    },
    "AnyErrorCode": {
        "name": "code",
        "in": "path",
        "required": True,
        "schema": {"$ref": "#/components/schemas/AnyErrorCode"},
        "description": "The `code` of a problem document, or the `error_code` of a message.",
        "example": "landline",
    },
    "Provider": {
        "name": "provider",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "The provider account, as the settings name it.",
        "example": "sandbox",
    },
    "AttemptToken": {
        "name": "token",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "The attempt that the report is about; the gateway made it and gave it to the provider.",
        "example": "AaIEsHboczOAafr_hRExiAAB-JYq4M8Ck4HkCw",
    },
}
ANY_ERROR_CODE: Final[dict[str, Any]] = {
    "type": "string",
    "enum": list(dict.fromkeys([*map(str, ErrorCode), *map(str, DeliveryError)])),
    "description": "The code of a refusal or of a delivery error.",
}

HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": {
        "required": True,
        "schema": {"type": "string"},
        "description": "Names this request in the gateway's log; yours, if you sent one that can be used.",
        "example": EXAMPLE_REQUEST_ID,
    },
    "Location": {
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "description": "Where it can be read.",
        "example": f"/v1/messages/{MESSAGE_ID}",
    },
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Only on an answer that was given before to the same Idempotency-Key.",
        "example": "true",
    },
    "Link": {
        "schema": {"type": "string"},
        "description": 'The next page, as `rel="next"` (RFC 8288); absent on the last.',
        "example": '</v1/messages?limit=50&cursor=AaIEsHboczOAafr-2FETGIj8a1Bt1Kmx>; rel="next"',
    },
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": "What this key may do: `q` requests in `w` seconds (draft-ietf-httpapi-ratelimit-headers).",
        "example": '"key";q=1000;w=2',
    },
    "RateLimit": {
        "schema": {"type": "string"},
        "description": "What is left: `r` requests, and in `t` seconds all of them again.",
        "example": '"key";r=999;t=1',
    },
    "Retry-After": {
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "description": "After how many seconds to send the request again.",
        "example": 2,
    },
    "WWW-Authenticate": {
        "required": True,
        "schema": {"type": "string"},
        "description": "The ways to show a key.",
        "example": 'Basic realm="gateway", charset="UTF-8", Bearer realm="gateway"',
    },
    "Allow": {
        "required": True,
        "schema": {"type": "string"},
        "description": "The methods that this path takes.",
        "example": "GET, HEAD",
    },
    "Vary": {"schema": {"type": "string"}, "description": "The answer depends on this header.", "example": "Accept"},
}
_OF_REFUSALS: Final[dict[ErrorCode, tuple[str, ...]]] = {
    ErrorCode.UNAUTHENTICATED: ("WWW-Authenticate",),
    ErrorCode.METHOD_NOT_ALLOWED: ("Allow",),
    ErrorCode.RATE_LIMITED: ("Retry-After",),
    ErrorCode.QUEUE_FULL: ("Retry-After",),
    ErrorCode.TEMPORARILY_UNAVAILABLE: ("Retry-After",),
}
"""Headers that a refusal always has, beside the request's id."""


def schema(name: str) -> dict[str, str]:
    """Refer to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def headers(names: Iterable[str]) -> dict[str, Any]:
    """Refer to headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_examples() -> dict[str, Any]:
    """Give one example for each refusal, by its code."""
    return {
        str(code): {
            "summary": TITLES[code],
            "description": f"{remedy.cause} {remedy.remedy}",
            "value": problem_document(remedy.example, request_id=EXAMPLE_REQUEST_ID),
        }
        for code, remedy in REMEDIES.items()
    }


def refusals(codes: Iterable[ErrorCode]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Give, for each HTTP status among these refusals, the name of its response and the response."""
    ordered = sorted(codes, key=lambda code: (STATUSES[code], list(ErrorCode).index(code)))
    groups = {status: list(group) for status, group in groupby(ordered, key=lambda code: STATUSES[code])}
    return {str(status): (_name(group), _response(group)) for status, group in groups.items()}


def _name(codes: list[ErrorCode]) -> str:
    return "Or".join("".join(word.capitalize() for word in code.split("-")) for code in codes)


def _response(codes: list[ErrorCode]) -> dict[str, Any]:
    always = set.intersection(*(set(_OF_REFUSALS.get(code, ())) for code in codes))
    return {
        "description": " Or: ".join(f"{TITLES[code]}." for code in codes),
        "headers": headers(["X-Request-Id", *sorted(always)]),
        "content": {
            MEDIA_TYPE: {
                "schema": schema("Problem"),
                "examples": {str(code): {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
