"""Reading a request's body: limits first, then strict JSON, then the model; never an echo of the input."""

from __future__ import annotations

from typing import Final, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from app.domain.errors import ErrorCode, FieldError, Refusal

MESSAGE_LIMIT: Final = 64 * 1024
WEBHOOK_LIMIT: Final = 1024 * 1024
_ModelT = TypeVar("_ModelT", bound=BaseModel)


async def read_bytes(request: Request, *, limit: int) -> bytes:
    """Read the raw body; raises `payload-too-large` as soon as it passes `limit` bytes, announced or not."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:12]) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


async def read_model(request: Request, model: type[_ModelT], *, limit: int = MESSAGE_LIMIT) -> _ModelT:
    """Read a JSON body into a model; raises a `Refusal` that names each field and what is wrong with it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or "content-encoding" in request.headers:
        raise Refusal(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send plain JSON with the header Content-Type: application/json."
        )
    body = await read_bytes(request, limit=limit)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(
            ErrorCode.INVALID_JSON, f"Line {error.lineno}, column {error.colno}: send one JSON object in UTF-8."
        ) from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise _not_valid(error, model) from error


def _too_large(limit: int) -> Refusal:
    return Refusal(ErrorCode.PAYLOAD_TOO_LARGE, f"The body may have at most {limit} bytes.")


def _not_valid(error: ValidationError, model: type[BaseModel]) -> Refusal:
    ours = [field.alias or name for name, field in model.model_fields.items()]
    errors = tuple(
        _field_error(item["loc"], item["type"], item["msg"], ours)
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    )
    named = ", ".join(sorted({item.pointer or "the body" for item in errors})[:5])
    return Refusal(ErrorCode.VALIDATION_FAILED, f"Correct {named}: `errors` says what is wrong.", errors=errors)


def _field_error(location: tuple[int | str, ...], code: str, detail: str, ours: list[str]) -> FieldError:
    """Write a JSON Pointer (RFC 6901) as far as our own names go; a name that the caller made up is not repeated."""
    pointer = f"/{location[0]}" if location and location[0] in ours else ""
    if code == "extra_forbidden":
        detail = f"A field is not known here. Known are: {', '.join(ours)}."
    return FieldError(pointer=pointer, code=code.replace("_", "-"), detail=detail.removeprefix("Value error, "))
