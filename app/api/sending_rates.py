"""The usual rates: what senders are held to that have no limits of their own. For operators."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from app.api.answering import as_json
from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.reading import note_reading
from app.api.usual_shapes import RateList, RateRequest, RateView, rate_document
from app.services.authentication import Caller
from app.services.operating import limits_editor_of, require_operator
from app.store.engine import transaction
from app.store.sending_rates import list_rates

router: Final = APIRouter(prefix="/v1/sending-rates", tags=["limits"])
CallerOf = Annotated[Caller, Depends(authenticate)]


@router.get("", operation_id="list_sending_rates", summary="List usual rates", response_model=RateList)
async def index(request: Request, caller: CallerOf) -> Response:
    """List what is usual for each number type and campaign class, with who says so and when."""
    require_operator(caller)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "sending_rates.list", {})
        rates = await list_rates(connection)
    return as_json({"data": [rate_document(each) for each in rates]})


@router.put(
    "/{number_type}", operation_id="set_sending_rate", summary="Set what is usual for a type", response_model=RateView
)
async def put_type(request: Request, caller: CallerOf, number_type: str) -> Response:
    """Set what is usual for a number type, or for `test` messages; senders without own limits have it at once.

    It takes a live key with the scope `admin` that belongs to no account.
    """
    return await _put(request, caller, number_type, "")


@router.put(
    "/{number_type}/{campaign_class}",
    operation_id="set_class_rate",
    summary="Set what is usual for a campaign class",
    response_model=RateView,
)
async def put_class(request: Request, caller: CallerOf, number_type: str, campaign_class: str) -> Response:
    """Set what is usual for a class of 10DLC campaigns; its senders without own limits have it at once."""
    return await _put(request, caller, number_type, campaign_class)


async def _put(request: Request, caller: Caller, number_type: str, campaign_class: str) -> Response:
    editor = limits_editor_of(caller)
    new = (await read_model(request, RateRequest)).as_new()
    return as_json(rate_document(await context(request).operators.rates.put(editor, number_type, campaign_class, new)))
