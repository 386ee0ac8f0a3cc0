"""Reading a request's body: limits first, then strict JSON, then the model; never an echo of the input."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.types import Scope

from app.api.context import context
from app.api.protocol import WHOLE
from app.domain.errors import ErrorCode, FieldError, Refusal

MESSAGE_LIMIT: Final = 64 * 1024
WEBHOOK_LIMIT: Final = 1024 * 1024
DEPTH: Final = 16
"""How deep objects and lists may stand in each other."""

_DISCARDED: Final = 256 * 1024
_DISCARD_SECONDS: Final = 1
"""How much too large a body may be, and how long it may take, to be read to its end: most callers look for an
answer only when they have sent everything, and a connection closed before that tells them nothing."""

_BLANK: Final = " \t"
_ERRORS: Final = 50
"""How many errors of one body are named."""

_ModelT = TypeVar("_ModelT", bound=BaseModel)


async def read_bytes(request: Request, *, limit: int) -> bytes:
    """Read the raw body.

    Raises `payload-too-large` as soon as it passes `limit` bytes, announced or not, and `request-timeout`
    where it is not there in time; both close the connection.
    """
    if WHOLE in request.scope:
        return await _gathered(request, limit)
    try:
        async with asyncio.timeout(context(request).body_seconds):
            announced = _announced(request.scope)
            if announced is not None and announced > limit:
                await _discard(request, announced)
                raise _too_large(request.scope, limit)
            return await _gathered(request, limit)
    except TimeoutError as error:
        detail = "The body did not arrive in time. Send it without a pause, on a new connection."
        raise _closing(request.scope, Refusal(ErrorCode.REQUEST_TIMEOUT, detail)) from error


async def read_model(request: Request, model: type[_ModelT], *, limit: int = MESSAGE_LIMIT) -> _ModelT:
    """Read a JSON body into a model; raises a `Refusal` that names each field and what is wrong with it."""
    require_json(request.scope)
    return parse_model(await read_bytes(request, limit=limit), model)


def require_json(scope: Scope) -> None:
    """Raise `unsupported-media-type` unless one header announces plain JSON in UTF-8."""
    media_types = []
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_types.append(value)
        elif name == b"content-encoding":
            media_types.append(b"")
    if media_types != [b"application/json"] and not (len(media_types) == 1 and _is_json(media_types[0])):
        raise Refusal(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "Send plain JSON in UTF-8, not compressed, with the header Content-Type: application/json.",
        )


def parse_model(body: bytes, model: type[_ModelT]) -> _ModelT:
    """Parse a JSON body into a model; raises `invalid-json` or `validation-failed`."""
    document = parse_json(body)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _not_valid(error, model) from error


def parse_json(body: bytes) -> Any:
    """Parse strict JSON (RFC 8259, with the unique names of RFC 7493).

    Raises `invalid-json`, or `validation-failed` for what stands too deep. orjson refuses NaN, numbers
    beyond a double, lone surrogates, byte order marks and anything but UTF-8.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(
            ErrorCode.INVALID_JSON, f"Line {error.lineno}, column {error.colno}: send one JSON object in UTF-8."
        ) from error
    opened = body.count(b"{") + body.count(b"[")
    if opened == 1 and isinstance(document, dict) and _has_unique_names(document, body):
        return document
    if opened > DEPTH and _is_deeper(document, DEPTH):
        too_deep = FieldError(pointer="", code="too-deep", detail=f"At most {DEPTH} levels may stand in each other.")
        raise Refusal(ErrorCode.VALIDATION_FAILED, "Nest fewer objects and lists in the body.", errors=(too_deep,))
    _NAMES.decode(body.decode())
    return document


def _has_unique_names(flat: dict[str, Any], body: bytes) -> bool:
    """Tell whether no name stood twice in a flat object; False says nothing.

    A name that stood twice brought a colon that is neither behind one of the names nor in one of the texts that
    are left, unless a text holds one that the body spelled as an escape.
    """
    in_texts = sum(text.count(":") for text in (*flat, *flat.values()) if isinstance(text, str))
    return body.count(b":") == len(flat) + in_texts and b"\\u003" not in body


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refusal(ErrorCode.INVALID_JSON, "A name stands twice in one object. Send each name once.")


_NAMES: Final = json.JSONDecoder(object_pairs_hook=_refuse_repeated_names, parse_int=float)
"""Reads a document once more for its names alone, which orjson does not show twice; floats have no limit of digits."""


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


async def _gathered(request: Request, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Refusal(ErrorCode.BAD_REQUEST, "The request ended before its body did.")
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) + len(chunk) > limit:
            body.clear()
            if more:
                await _discard(request, None)
            raise _too_large(request.scope, limit)
        if not more:
            return bytes(body) + chunk if body else chunk
        body += chunk


async def _discard(request: Request, announced: int | None) -> None:
    """Read on for a moment, keeping nothing, if the body can be at its end by then."""
    if announced is not None and (
        announced > _DISCARDED or any(name == b"expect" for name, _ in request.scope["headers"])
    ):
        return
    left, more = _DISCARDED, True
    try:
        async with asyncio.timeout(_DISCARD_SECONDS):
            while more and left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        return


def _announced(scope: Scope) -> int | None:
    """Give the Content-Length; None where there is none that can be read."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:18]) if value.isdigit() else None
    return None


def _is_json(media_type: bytes) -> bool:
    essence, *parameters = media_type.decode("latin-1").lower().split(";")
    charsets = [
        value.strip(f'{_BLANK}"')
        for name, _, value in (p.partition("=") for p in parameters)
        if name.strip(_BLANK) == "charset"
    ]
    return essence.strip(_BLANK) == "application/json" and all(charset in {"utf-8", "utf8"} for charset in charsets)


def _too_large(scope: Scope, limit: int) -> Refusal:
    return _closing(scope, Refusal(ErrorCode.PAYLOAD_TOO_LARGE, f"The body may have at most {limit} bytes."))


def _closing(scope: Scope, refusal: Refusal) -> Refusal:
    """End the connection with the answer: what is left of this body must not be read as the next request."""
    scope.setdefault("gateway.headers", []).append((b"connection", b"close"))
    return refusal


def _not_valid(error: ValidationError, model: type[BaseModel]) -> Refusal:
    ours = [field.alias or name for name, field in model.model_fields.items()]
    errors = dict.fromkeys(
        _field_error(item["loc"], item["type"], item["msg"], ours)
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    )
    named = ", ".join(sorted({item.pointer or "the body" for item in errors})[:5])
    return Refusal(
        ErrorCode.VALIDATION_FAILED, f"Correct {named}: `errors` says what is wrong.", errors=tuple(errors)[:_ERRORS]
    )


def _field_error(location: tuple[int | str, ...], code: str, detail: str, ours: list[str]) -> FieldError:
    """Write a JSON Pointer (RFC 6901) as far as our own names go; a name that the caller made up is not repeated."""
    pointer = f"/{location[0]}" if location and location[0] in ours else ""
    if code == "extra_forbidden":
        detail = f"A field is not known here. Known are: {', '.join(ours)}."
    return FieldError(pointer=pointer, code=code.replace("_", "-"), detail=detail.removeprefix("Value error, "))
