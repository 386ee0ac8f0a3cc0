"""The accounts resource: the share and the queue of each. For operators; accounts are created at a terminal."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.answering import Page, as_json
from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.identifiers import read_identifier
from app.api.paging import read_cursor
from app.api.reading import note_reading
from app.api.usual_shapes import AccountChange, AccountPage, AccountQuery, AccountView, account_document
from app.services.accounts import UNKNOWN_ACCOUNT
from app.services.authentication import Caller
from app.services.operating import limits_editor_of, require_operator
from app.store.accounts import Account, AccountFilter, page_of_accounts
from app.store.engine import transaction

router: Final = APIRouter(prefix="/v1/accounts", tags=["limits"])
CallerOf = Annotated[Caller, Depends(authenticate)]
_PAGE: Final[Page[Account]] = Page(path="/v1/accounts", place=lambda account: account.id, document=account_document)


@router.get("", operation_id="list_accounts", summary="List accounts", response_model=AccountPage)
async def index(request: Request, caller: CallerOf, query: Annotated[AccountQuery, Query()]) -> Response:
    """List the accounts, the newest first, with the share and the queue of each."""
    require_operator(caller)
    wanted = AccountFilter(name=query.name)
    before = read_cursor(query.cursor, wanted)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "accounts.list", query.model_dump(mode="json", exclude_none=True))
        rows = await page_of_accounts(connection, wanted, before=before, limit=query.limit + 1)
    return _PAGE.answer(request, rows, wanted, query.limit)


@router.patch("/{account_id}", operation_id="update_account", summary="Change an account", response_model=AccountView)
async def change(request: Request, caller: CallerOf, account_id: str) -> Response:
    """Change the share and the queue of an account, from the next message on.

    It takes a live key with the scope `admin` that belongs to no account.
    """
    editor, identifier = limits_editor_of(caller), read_identifier(account_id, otherwise=UNKNOWN_ACCOUNT)
    asked = await read_model(request, AccountChange)
    return as_json(
        account_document(await context(request).operators.accounts.change(editor, identifier, asked.columns()))
    )
