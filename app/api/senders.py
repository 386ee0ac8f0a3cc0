"""The senders resource. Accounts read their own; operators read all, add them and change what they may do."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.answering import Page, as_json
from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.identifiers import read_identifier
from app.api.limit_shapes import SenderChange, SenderPage, SenderQuery, SenderRequest, SenderView, sender_document
from app.api.paging import read_cursor
from app.api.reading import account_read_by, note_reading
from app.services.authentication import Caller
from app.services.operating import limits_editor_of
from app.services.sender_administration import UNKNOWN_SENDER, unknown_sender
from app.store.engine import transaction
from app.store.senders import LimitedSender, SenderFilter, get_sender, page_of_senders

router: Final = APIRouter(prefix="/v1/senders", tags=["senders"])
CallerOf = Annotated[Caller, Depends(authenticate)]
_PAGE: Final[Page[LimitedSender]] = Page(
    path="/v1/senders", place=lambda limited: limited.sender.id, document=sender_document
)


@router.post("", status_code=201, operation_id="add_sender", summary="Add a sender", response_model=SenderView)
async def add(request: Request, caller: CallerOf) -> Response:
    """Add a sender to an account. It takes a live key with the scope `admin` that belongs to no account."""
    editor = limits_editor_of(caller)
    asked = await read_model(request, SenderRequest)
    added = await context(request).operators.senders.add(editor, asked.account, asked.address, asked.columns())
    return as_json(sender_document(added), status=201, headers={"location": f"/v1/senders/{added.sender.id}"})


@router.get("", operation_id="list_senders", summary="List senders", response_model=SenderPage)
async def index(request: Request, caller: CallerOf, query: Annotated[SenderQuery, Query()]) -> Response:
    """List your account's senders, the one added last first; a key that belongs to no account lists all, or one's."""
    wanted = SenderFilter(account_id=account_read_by(caller, query.account), address=query.address)
    before = read_cursor(query.cursor, wanted)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "senders.list", query.model_dump(mode="json", exclude_none=True))
        rows = await page_of_senders(connection, wanted, before=before, limit=query.limit + 1)
    return _PAGE.answer(request, rows, wanted, query.limit)


@router.get("/{sender_id}", operation_id="get_sender", summary="Read a sender", response_model=SenderView)
async def show(request: Request, caller: CallerOf, sender_id: str) -> Response:
    """Read what is set for a sender, and what is in force."""
    account_id, identifier = account_read_by(caller), _sender_id(sender_id)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "senders.read", {"sender_id": str(identifier)})
        found = await get_sender(connection, identifier, account_id=account_id)
    if found is None:
        raise unknown_sender()
    return as_json(sender_document(found))


@router.patch("/{sender_id}", operation_id="update_sender", summary="Change a sender", response_model=SenderView)
async def change(request: Request, caller: CallerOf, sender_id: str) -> Response:
    """Change what a sender may do, from the next message on. It takes the same key as adding one.

    What it has sent ahead of its old rate is paid off at the new one, so a change never frees a burst.
    """
    editor, identifier = limits_editor_of(caller), _sender_id(sender_id)
    asked = await read_model(request, SenderChange)
    return as_json(
        sender_document(await context(request).operators.senders.change(editor, identifier, asked.columns()))
    )


def _sender_id(text: str) -> UUID:
    return read_identifier(text, otherwise=UNKNOWN_SENDER)
