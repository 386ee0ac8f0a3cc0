"""Sending: the hot path of the API, from raw bytes to raw bytes."""

from __future__ import annotations

import re
from typing import Final

import orjson
from fastapi import APIRouter, Request, Response

from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.message_request import MessageRequest
from app.api.raw_route import RawResponse, RawRoute
from app.api.schemas import JSON_OPTIONS, MessageView, message_document
from app.domain.credentials import Scope
from app.domain.errors import ErrorCode, Refusal

router: Final = APIRouter(tags=["messages"], route_class=RawRoute)
_KEY: Final = re.compile(rb'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e][\x21-\x7e]{0,254})')


@router.post(
    "/v1/messages",
    status_code=202,
    operation_id="send_message",
    summary="Send a message",
    response_model=MessageView,
)
async def send(request: Request) -> Response:
    """Accept a message: it is stored for good when this answers, and sent right afterwards."""
    caller = await authenticate(request)
    caller.require(Scope.MESSAGES_WRITE)
    key = _idempotency_key(request)
    command = await read_model(request, MessageRequest)
    acceptance = await context(request).messages.accept(caller, command, key)
    message = acceptance.message
    document = message_document(message, estimated_send_at=acceptance.estimated_send_at)
    headers = [(b"location", f"/v1/messages/{document['id']}".encode())]
    if acceptance.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    request.scope["gateway.log"].update(message_id=document["id"], segments=message.segments, test=message.test)
    body = orjson.dumps(document, option=JSON_OPTIONS)
    return RawResponse(body, status=202, content_type="application/json", headers=headers)


def _idempotency_key(request: Request) -> str | None:
    """Read the key as the IETF draft writes it (a quoted string) or bare; raises `idempotency-key-invalid`."""
    given = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
    if not given:
        return None
    match = _KEY.fullmatch(given[0]) if len(given) == 1 else None
    if match is None:
        raise Refusal(
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            "Send one key of 1 to 255 printable ASCII characters: in quotes, or bare without spaces.",
        )
    return (match[1] or match[2]).decode()
