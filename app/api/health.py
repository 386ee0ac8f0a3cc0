"""Is the process alive, can it serve, which version is it: for load balancers, not for people."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from app.api.context import context
from app.api.description import problems
from app.domain.errors import ErrorCode, Refusal
from app.store.engine import transaction
from app.store.schema import known_revisions, unreadiness

router: Final = APIRouter(tags=["health"])
_VERSION: Final = version("messaging-gateway")


@router.get("/livez", summary="Is the process alive?")
@router.get("/healthz", include_in_schema=False)
async def livez() -> dict[str, str]:
    """Answer as long as the process serves requests at all."""
    return {"status": "alive"}


@router.get("/readyz", summary="Can it serve?", responses=problems(503))
async def readyz(request: Request) -> dict[str, str]:
    """Answer whether the database is there, migrated to this code's revision, with partitions ahead."""
    async with transaction(context(request).engine) as connection:
        reason = await unreadiness(connection)
    if reason is not None:
        raise Refusal(ErrorCode.TEMPORARILY_UNAVAILABLE, f"Not ready: {reason}.", retry_after_seconds=5)
    return {"status": "ready"}


@router.get("/version", summary="Which version is it?")
async def show_version(response: Response) -> dict[str, Any]:
    """Name this code's version and the schema revision that it works with."""
    response.headers["cache-control"] = "no-store"
    return {"version": _VERSION, "schema_revision": known_revisions()[0]}
