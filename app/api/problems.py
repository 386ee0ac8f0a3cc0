"""Refusals as RFC 9457 problem documents; the only place that knows which refusal has which HTTP status."""

from __future__ import annotations

from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.domain.errors import TITLES, ErrorCode, FieldError, Refusal
from app.domain.status import MessageStatus
from app.store.engine import StoreUnavailable
from app.telemetry import get_logger

_log = get_logger(__name__)
MEDIA_TYPE: Final = "application/problem+json"

STATUSES: Final[dict[ErrorCode, int]] = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.INVALID_JSON: 400,
    ErrorCode.INVALID_CURSOR: 400,
    ErrorCode.IDEMPOTENCY_KEY_INVALID: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.WEBHOOK_SIGNATURE_INVALID: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.SENDER_NOT_OWNED: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.REQUEST_TIMEOUT: 408,
    ErrorCode.NOT_CANCELABLE: 409,
    ErrorCode.NOT_REDRIVABLE: 409,
    ErrorCode.POOL_EXISTS: 409,
    ErrorCode.POOL_IN_USE: 409,
    ErrorCode.SENDER_EXISTS: 409,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.VALIDATION_FAILED: 422,
    ErrorCode.RECIPIENT_INVALID: 422,
    ErrorCode.DESTINATION_NOT_ALLOWED: 422,
    ErrorCode.SENDER_MISSING: 422,
    ErrorCode.POOL_UNKNOWN: 422,
    ErrorCode.NO_SENDER_FOR_DESTINATION: 422,
    ErrorCode.MESSAGE_TOO_LONG: 422,
    ErrorCode.IDEMPOTENCY_KEY_REUSED: 422,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.QUEUE_FULL: 429,
    ErrorCode.HEADERS_TOO_LARGE: 431,
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.TEMPORARILY_UNAVAILABLE: 503,
}

_BY_HTTP_STATUS: Final[dict[int, tuple[ErrorCode, str]]] = {
    404: (ErrorCode.NOT_FOUND, "No such path. The API is described under /docs."),
    405: (ErrorCode.METHOD_NOT_ALLOWED, "The Allow header lists the methods that this path takes."),
}
# What the library says of these repeats a piece of what was sent.
_SAYINGS: Final = {
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
    "string_unicode": "must be text in UTF-8",
}
_RETRY_AFTER_SECONDS: Final = 2


class ProblemError(BaseModel):
    """One field that was refused."""

    pointer: str = Field(
        description="JSON Pointer (RFC 6901) into the body, or the name of a parameter; empty for the whole body.",
        examples=["/to"],
    )
    code: str = Field(description="What is wrong with it, in a word that stays.", examples=["not-e164"])
    detail: str = Field(
        description="What is wrong with it, and what would be accepted.",
        examples=["Write `to` in E.164: a plus, the country code and the number, digits only."],
    )
    suggestion: str | None = Field(
        default=None,
        description="A form of the field that would be accepted; only where one can be told.",
        examples=["+15559876543"],
    )


class Problem(BaseModel):
    """A refusal, as RFC 9457 writes it. Act on `code`: it is stable, the sentences are not."""

    type: str = Field(
        description="A reference, relative to the gateway, to the page that explains this kind of problem.",
        json_schema_extra={"format": "uri-reference"},
        examples=["/problems/recipient-invalid"],
    )
    title: str = Field(
        description="The kind of problem in a few words.",
        examples=["The recipient is not a number that can be texted"],
    )
    status: int = Field(ge=400, le=599, description="The HTTP status of this answer.", examples=[422])
    detail: str = Field(
        description="What is wrong, and what to do.",
        examples=["Write `to` in E.164: a plus, the country code and the number, digits only."],
    )
    code: ErrorCode = Field(description="Which problem it is.", examples=[ErrorCode.RECIPIENT_INVALID])
    errors: list[ProblemError] = Field(description="The fields concerned; empty where it is about none.")
    message_status: MessageStatus | None = Field(
        default=None,
        description="Where the message stands that the request was about; with `not-cancelable` and `not-redrivable`.",
        examples=[MessageStatus.SENT],
    )
    request_id: str | None = Field(
        description="As in the X-Request-Id header; the gateway's log knows more under it.",
        examples=["33cc90e195f04853838661a780c31a19"],
    )


def problem_type(code: ErrorCode) -> str:
    """Give a refusal's `type`: a reference, relative to the gateway, to the page that explains it."""
    return f"/problems/{code}"


def problem_document(refusal: Refusal, *, request_id: str | None) -> dict[str, Any]:
    """Give a refusal as the JSON document that callers read."""
    return {
        "type": problem_type(refusal.code),
        "title": TITLES[refusal.code],
        "status": STATUSES[refusal.code],
        "detail": refusal.detail,
        "code": refusal.code,
        "errors": [
            {
                "pointer": error.pointer,
                "code": error.code,
                "detail": error.detail,
                **({"suggestion": error.suggestion} if error.suggestion else {}),
            }
            for error in refusal.errors
        ],
        **({"message_status": refusal.message_status} if refusal.message_status else {}),
        "request_id": request_id,
    }


def problem(refusal: Refusal) -> Response:
    """Write a refusal as a problem document."""
    document = problem_document(refusal, request_id=structlog.contextvars.get_contextvars().get("request_id"))
    headers = {}
    if refusal.code is ErrorCode.UNAUTHENTICATED:
        headers["www-authenticate"] = 'Basic realm="gateway", charset="UTF-8", Bearer realm="gateway"'
    if refusal.retry_after_seconds is not None:
        headers["retry-after"] = str(refusal.retry_after_seconds)
    return Response(orjson.dumps(document), status_code=STATUSES[refusal.code], media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every refusal, every HTTP error of the framework and every bug in the one shape."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_exception_handler(Exception, _mistake)


def internal_error() -> Refusal:
    """The refusal that stands for a bug of ours; what it was is in the log, under the request's id."""
    return Refusal(
        ErrorCode.INTERNAL_ERROR,
        "This is a bug. Nothing was changed unless the same request with the same Idempotency-Key says so. "
        "Report it with the request_id.",
    )


async def answer(request: Request, error: Exception) -> Response:
    """Answer an error as the application does, where it did not pass through it."""
    if isinstance(error, Refusal):
        return await _refused(request, error)
    if isinstance(error, StoreUnavailable):
        return await _unavailable(request, error)
    return await _mistake(request, error)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    response = problem(error)
    if error.code is ErrorCode.METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(_allowed(request, but=request.method))
    return response


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code, detail = _BY_HTTP_STATUS.get(error.status_code, (ErrorCode.BAD_REQUEST, "The request cannot be read."))
    response = problem(Refusal(code, detail))
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(_allowed(request))
    return response


def _allowed(request: Request, *, but: str = "") -> list[str]:
    """List what a path takes over all of its routes; the framework names those of the first one only.

    `but` is a method that the path takes in general and refused to this caller.
    """
    methods = [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if method != but
        and any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.router.routes
        )
    ]
    return sorted([*methods, "HEAD"] if "GET" in methods else methods)


async def _not_valid(_request: Request, error: Exception) -> Response:
    """Name what is wrong with a query; the framework's own answer would repeat the input."""
    if not isinstance(error, RequestValidationError):
        raise error
    errors = tuple(
        FieldError(
            pointer=".".join(map(str, item["loc"][1:2])),
            code=item["type"].replace("_", "-"),
            detail=_SAYINGS.get(item["type"]) or item["msg"].removeprefix("Value error, "),
        )
        for item in error.errors()
        if item["type"] != "extra_forbidden"
    )
    unknown = any(item["type"] == "extra_forbidden" for item in error.errors())
    detail = "A parameter of this query is not known." if unknown else "Correct the parameters that `errors` names."
    return problem(Refusal(ErrorCode.VALIDATION_FAILED, f"{detail} The API is described under /docs.", errors=errors))


async def _unavailable(_request: Request, error: Exception) -> Response:
    _log.warning("database unavailable", reason=str(error))
    return problem(
        Refusal(
            ErrorCode.TEMPORARILY_UNAVAILABLE,
            "The database does not answer. Send the request again in a moment, with the same Idempotency-Key; "
            "without one, it may be accepted twice.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )
    )


async def _mistake(_request: Request, _error: Exception) -> Response:
    _log.exception("request failed")
    return problem(internal_error())
