"""The messages resource: list, read, the history of each, cancel and redrive. Sending is in `sending`."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.authentication import authenticate
from app.api.context import context
from app.api.identifiers import read_identifier
from app.api.paging import ListQuery, read_cursor, write_cursor
from app.api.schemas import (
    JSON_OPTIONS,
    EventList,
    MessagePage,
    MessageView,
    RedrivenView,
    event_document,
    message_document,
)
from app.domain.credentials import KeyMode, Scope
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller
from app.services.estimates import estimate, place_of
from app.services.identity import new_id
from app.store.accounts import add_audit_event
from app.store.engine import Connection, transaction
from app.store.messages import StoredMessage, get_message, list_events, list_messages

router: Final = APIRouter(prefix="/v1/messages", tags=["messages"])
_UNKNOWN: Final = "Your account has no message with this id."
CallerOf = Annotated[Caller, Depends(authenticate)]


@router.get(
    "",
    operation_id="list_messages",
    summary="List messages",
    response_model=MessagePage,
)
async def index(request: Request, caller: CallerOf, query: Annotated[ListQuery, Query()]) -> Response:
    """List messages, the newest first, by keyset: page on with `next_cursor`, or follow the Link header."""
    caller.require(Scope.MESSAGES_READ, Scope.OPS_READ)
    wanted = query.filter_for(_account(caller, query.account), test=_test(caller))
    before = read_cursor(query.cursor, wanted)
    asked = query.model_dump(mode="json", by_alias=True, exclude_none=True)
    await _audit(request, caller, "messages.list", asked)
    async with transaction(context(request).engine) as connection:
        rows = await list_messages(connection, wanted, before=before, limit=query.limit + 1)
    page, more = rows[: query.limit], len(rows) > query.limit
    cursor = write_cursor(page[-1].id, wanted) if more else None
    response = _json({"data": [message_document(row) for row in page], "next_cursor": cursor, "has_more": more})
    if cursor:
        parameters = [*((k, v) for k, v in request.query_params.multi_items() if k != "cursor"), ("cursor", cursor)]
        response.headers["link"] = f'</v1/messages?{urlencode(parameters)}>; rel="next"'
    return response


@router.get(
    "/{message_id}",
    operation_id="get_message",
    summary="Read a message",
    response_model=MessageView,
)
async def show(request: Request, caller: CallerOf, message_id: str) -> Response:
    """Read one message as it stands."""
    await _audit_one(request, caller, "messages.read", message_id)
    async with transaction(context(request).engine) as connection:
        message = await _found(connection, caller, message_id)
        place = await place_of(connection, message)
    at = await estimate(context(request).figures, place)
    return _json(message_document(message, estimated_send_at=at))


@router.get(
    "/{message_id}/events",
    operation_id="list_message_events",
    summary="Read a message's history",
    response_model=EventList,
)
async def events(request: Request, caller: CallerOf, message_id: str) -> Response:
    """Read everything that was said about a message, in order, and what each changed."""
    await _audit_one(request, caller, "messages.events", message_id)
    async with transaction(context(request).engine) as connection:
        message = await _found(connection, caller, message_id)
        history = await list_events(connection, message.id)
    return _json({"data": [event_document(event) for event in history]})


@router.post(
    "/{message_id}/cancel",
    operation_id="cancel_message",
    summary="Cancel a message",
    response_model=MessageView,
)
async def cancel(request: Request, caller: CallerOf, message_id: str) -> Response:
    """Take a message back while it is scheduled, held or queued; once a worker has it, the answer is 409.

    Where a second copy waited, the message ends `unconfirmed`: the first one may have left.
    """
    caller.require(Scope.MESSAGES_WRITE)
    return _json(message_document(await context(request).cancellation.cancel(caller, _identifier(message_id))))


@router.post(
    "/{message_id}/redrive",
    operation_id="redrive_message",
    summary="Redrive a message that was set aside",
    response_model=RedrivenView,
)
async def redrive(request: Request, caller: CallerOf, message_id: str) -> Response:
    """Send a message on its way again that was set aside as `poison`, because workers died while they had it.

    For operators, once the cause is mended: it needs a key with the scope `admin`. Any other message, and one that is
    stale or has been redriven already, is answered with 409. Only where the message stands is shown.
    """
    caller.require(Scope.ADMIN)
    await _audit_one(request, caller, "messages.redrive", message_id)
    message = await context(request).redriving.redrive(caller, _identifier(message_id))
    return _json({"id": str(message.id), "status": message.status, "error_code": message.error_code})


async def _found(connection: Connection, caller: Caller, message_id: str) -> StoredMessage:
    caller.require(Scope.MESSAGES_READ, Scope.OPS_READ)
    message = await get_message(
        connection, _identifier(message_id), account_id=_account(caller, None), test=_test(caller)
    )
    if message is None:
        raise Refusal(ErrorCode.NOT_FOUND, _UNKNOWN)
    return message


def _identifier(text: str) -> UUID:
    return read_identifier(text, otherwise=_UNKNOWN)


def _account(caller: Caller, asked: UUID | None) -> UUID | None:
    """Bind every read to the caller's account; only an ops key may name one, or none."""
    if Scope.OPS_READ in caller.scopes and caller.account_id is None:
        return asked
    if caller.account_id is None or asked is not None:
        raise Refusal(ErrorCode.FORBIDDEN, "Only a key with the scope ops:read may read by account.")
    return caller.account_id


def _test(caller: Caller) -> bool | None:
    """Keep a test key to test messages: live ones hold texts of real people, and one-time codes that still work."""
    return True if caller.account_id is not None and caller.mode is KeyMode.TEST else None


async def _audit_one(request: Request, caller: Caller, action: str, message_id: str) -> None:
    """Do the same for one message; what is no id leads nowhere, and could hold what cannot be written down."""
    if caller.account_id is None:
        await _audit(request, caller, action, {"message_id": str(_identifier(message_id))})


async def _audit(request: Request, caller: Caller, action: str, detail: dict[str, Any]) -> None:
    """Write down what an ops key asks for, before it is answered; an account's own reads are its own affair."""
    if caller.account_id is not None:
        return
    async with transaction(context(request).engine) as connection:
        await add_audit_event(connection, event_id=new_id(), key_id=caller.key_id, action=action, detail=detail)


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document, option=JSON_OPTIONS), media_type="application/json")
