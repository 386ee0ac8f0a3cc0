"""The routes resource: where messages go that name no sender."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.identifiers import read_identifier
from app.api.pool_shapes import RouteList, RouteRequest, RouteView, WaysQuery, route_document
from app.api.reading import account_read_by, note_reading
from app.api.schemas import JSON_OPTIONS
from app.services.authentication import Caller
from app.services.editing import editor_of
from app.services.routes import UNKNOWN_ROUTE
from app.store.engine import transaction
from app.store.routes import list_routes

router: Final = APIRouter(prefix="/v1/routes", tags=["routes"])
CallerOf = Annotated[Caller, Depends(authenticate)]


@router.post("", operation_id="set_route", summary="Set a route", response_model=RouteView)
async def set_route(request: Request, caller: CallerOf) -> Response:
    """Lead messages without `from` to a sender or a pool, by how their recipient begins.

    There is one route for each prefix: another one for the same prefix takes its place. It takes a live key with the
    scope `admin`.
    """
    editor = editor_of(caller)
    asked = await read_model(request, RouteRequest)
    route = await context(request).routes.set(editor, account=asked.account, prefix=asked.prefix, target=asked.target)
    return _json(route_document(route))


@router.get("", operation_id="list_routes", summary="List routes", response_model=RouteList)
async def index(request: Request, caller: CallerOf, query: Annotated[WaysQuery, Query()]) -> Response:
    """List the routes of your account; with a key that belongs to no account, of all or of one."""
    account_id = account_read_by(caller, query.account)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "routes.list", query.model_dump(mode="json", exclude_none=True))
        routes = await list_routes(connection, account_id)
    return _json({"data": [route_document(route) for route in routes]})


@router.delete("/{route_id}", operation_id="remove_route", summary="Remove a route", response_model=RouteView)
async def remove(request: Request, caller: CallerOf, route_id: str) -> Response:
    """Remove a route; it is shown as it was. It takes a live key with the scope `admin`."""
    editor = editor_of(caller)
    identifier = read_identifier(route_id, otherwise=UNKNOWN_ROUTE)
    return _json(route_document(await context(request).routes.remove(editor, identifier)))


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document, option=JSON_OPTIONS), media_type="application/json")
