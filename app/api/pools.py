"""The pools resource, with the members of each. Changes are for operators and their keys; accounts read their own."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.authentication import authenticate
from app.api.body import read_model
from app.api.context import context
from app.api.identifiers import read_identifier
from app.api.pool_shapes import MemberRequest, PoolChange, PoolList, PoolRequest, PoolView, WaysQuery, pool_document
from app.api.reading import account_read_by, note_reading
from app.api.schemas import JSON_OPTIONS
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller
from app.services.editing import editor_of
from app.services.pools import UNKNOWN_POOL
from app.store.engine import transaction
from app.store.pools import StoredPool, find_pool, list_pools

router: Final = APIRouter(prefix="/v1/pools", tags=["pools"])
CallerOf = Annotated[Caller, Depends(authenticate)]


@router.post("", status_code=201, operation_id="create_pool", summary="Make a pool", response_model=PoolView)
async def create(request: Request, caller: CallerOf) -> Response:
    """Make a pool without members. It takes a live key with the scope `admin`, as all changes of pools do."""
    editor = editor_of(caller)
    asked = await read_model(request, PoolRequest)
    pool = await context(request).pools.create(
        editor, account=asked.account, name=asked.name, match_area=asked.match_area
    )
    return _shown(pool, status=201, headers={"location": f"/v1/pools/{pool.id}"})


@router.get("", operation_id="list_pools", summary="List pools", response_model=PoolList)
async def index(request: Request, caller: CallerOf, query: Annotated[WaysQuery, Query()]) -> Response:
    """List the pools of your account with their members; with a key that belongs to no account, of all or of one."""
    account_id = account_read_by(caller, query.account)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "pools.list", query.model_dump(mode="json", exclude_none=True))
        pools = await list_pools(connection, account_id)
    return _json({"data": [pool_document(pool) for pool in pools]})


@router.get("/{pool_id}", operation_id="get_pool", summary="Read a pool", response_model=PoolView)
async def show(request: Request, caller: CallerOf, pool_id: str) -> Response:
    """Read one pool with its members."""
    account_id, identifier = account_read_by(caller), _pool_id(pool_id)
    async with transaction(context(request).engine) as connection:
        await note_reading(connection, caller, "pools.read", {"pool_id": str(identifier)})
        pool = await find_pool(connection, identifier, account_id=account_id)
    if pool is None:
        raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_POOL)
    return _shown(pool)


@router.patch("/{pool_id}", operation_id="update_pool", summary="Change a pool", response_model=PoolView)
async def change(request: Request, caller: CallerOf, pool_id: str) -> Response:
    """Change how members are chosen. The name stays: callers, routes and messages know the pool by it."""
    editor, identifier = editor_of(caller), _pool_id(pool_id)
    asked = await read_model(request, PoolChange)
    return _shown(await context(request).pools.change(editor, identifier, match_area=asked.match_area))


@router.delete("/{pool_id}", operation_id="delete_pool", summary="Delete a pool", response_model=PoolView)
async def delete(request: Request, caller: CallerOf, pool_id: str) -> Response:
    """Delete a pool, unless a route leads to it; it is shown as it was.

    Its senders stay, and messages that wait go out from those that were chosen for them.
    """
    editor = editor_of(caller)
    return _shown(await context(request).pools.delete(editor, _pool_id(pool_id)))


@router.put(
    "/{pool_id}/members/{sender_id}",
    operation_id="put_pool_member",
    summary="Add a sender to a pool, or change its weight",
    response_model=PoolView,
)
async def put_member(request: Request, caller: CallerOf, pool_id: str, sender_id: str) -> Response:
    """Put a sender of the pool's account into the pool. Recipients that it does not take keep their sender."""
    editor, identifier, member = editor_of(caller), _pool_id(pool_id), _sender_id(sender_id)
    asked = await read_model(request, MemberRequest)
    return _shown(await context(request).pools.put_member(editor, identifier, member, weight=asked.weight))


@router.delete(
    "/{pool_id}/members/{sender_id}",
    operation_id="remove_pool_member",
    summary="Take a sender out of a pool",
    response_model=PoolView,
)
async def remove_member(request: Request, caller: CallerOf, pool_id: str, sender_id: str) -> Response:
    """Take a sender out of a pool. Its recipients are shared out among the others; messages that wait stay with it."""
    editor, identifier, member = editor_of(caller), _pool_id(pool_id), _sender_id(sender_id)
    return _shown(await context(request).pools.remove_member(editor, identifier, member))


def _pool_id(text: str) -> UUID:
    return read_identifier(text, otherwise=UNKNOWN_POOL)


def _sender_id(text: str) -> UUID:
    return read_identifier(text, otherwise="There is no sender with this id.")


def _shown(pool: StoredPool, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return _json(pool_document(pool), status=status, headers=headers)


def _json(document: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = orjson.dumps(document, option=JSON_OPTIONS)
    return Response(content, status_code=status, headers=headers, media_type="application/json")
