"""The configured provider accounts: what each is held to, and how it stands. For operators."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from app.api.answering import as_json
from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.reading import note_reading
from app.api.usual_shapes import ProviderChange, ProviderList, ProviderView, provider_document
from app.services.authentication import Caller
from app.services.operating import limits_editor_of, require_operator
from app.store.engine import transaction

router: Final = APIRouter(prefix="/v1/providers", tags=["limits"])
CallerOf = Annotated[Caller, Depends(authenticate)]


@router.get("", operation_id="list_providers", summary="List provider accounts", response_model=ProviderList)
async def index(request: Request, caller: CallerOf) -> Response:
    """List the provider accounts of the settings with their limits, and whether each is in use."""
    require_operator(caller)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "providers.list", {})
    return as_json({"data": [provider_document(each) for each in await context(request).operators.providers.list()]})


@router.patch(
    "/{provider}", operation_id="update_provider", summary="Change a provider account", response_model=ProviderView
)
async def change(request: Request, caller: CallerOf, provider: str) -> Response:
    """Change the limits of a whole provider account, from the next message on.

    It takes a live key with the scope `admin` that belongs to no account.
    """
    editor = limits_editor_of(caller)
    asked = await read_model(request, ProviderChange)
    return as_json(
        provider_document(await context(request).operators.providers.change(editor, provider, asked.columns()))
    )
