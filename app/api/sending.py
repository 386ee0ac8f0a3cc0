"""Sending: the hot path of the API, from raw bytes to raw bytes."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.description import body_of, problems
from app.api.raw_route import RawRoute
from app.api.schemas import JSON_OPTIONS, MessageRequest, MessageView, message_document
from app.domain.credentials import Scope
from app.domain.errors import ErrorCode, Refusal

router: Final = APIRouter(tags=["messages"], route_class=RawRoute)
_KEY: Final = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e][\x21-\x7e]{0,254})', re.ASCII)
_KEY_HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "Repeat a request safely: the same key and body give the first answer again.",
}
_ACCEPTED: Final[dict[str, Any]] = {
    "headers": {
        "Location": {"schema": {"type": "string"}, "description": "Where the message can be read."},
        "Idempotent-Replayed": {"schema": {"type": "string"}, "description": "`true` for an earlier answer."},
    }
}

@router.post(
    "/v1/messages",
    status_code=202,
    operation_id="send_message",
    summary="Send a message",
    response_model=MessageView,
    responses={202: _ACCEPTED, **problems(400, 401, 403, 413, 415, 422, 503)},
    openapi_extra={**body_of(MessageRequest), "parameters": [_KEY_HEADER]},
)
async def send(request: Request) -> Response:
    """Accept a message: it is stored for good when this answers, and sent right afterwards."""
    caller = await authenticate(request)
    caller.require(Scope.MESSAGES_WRITE)
    key = _idempotency_key(request)
    command = await read_model(request, MessageRequest)
    acceptance = await context(request).messages.accept(caller, command, key)
    message = acceptance.message
    headers = {"location": f"/v1/messages/{message.id}"}
    if acceptance.replayed:
        headers["idempotent-replayed"] = "true"
    request.scope["gateway.log"].update(message_id=str(message.id), segments=message.segments, test=message.test)
    body = orjson.dumps(message_document(message), option=JSON_OPTIONS)
    return Response(body, status_code=202, media_type="application/json", headers=headers)


def _idempotency_key(request: Request) -> str | None:
    """Read the key as the IETF draft writes it (a quoted string) or bare; raises `idempotency-key-invalid`."""
    headers = request.headers.getlist("idempotency-key")
    if not headers:
        return None
    match = _KEY.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise Refusal(
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            "Send one key of 1 to 255 printable ASCII characters: in quotes, or bare without spaces.",
        )
    return match[1] or match[2]
