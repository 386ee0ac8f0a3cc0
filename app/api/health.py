"""Is the process alive, can it serve, which version is it: for load balancers, not for people."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.context import context
from app.domain.errors import ErrorCode, Refusal
from app.store.engine import transaction
from app.store.schema import known_revisions, unreadiness

router: Final = APIRouter(tags=["health"])
_VERSION: Final = version("messaging-gateway")


class Liveness(BaseModel):
    """The process serves requests."""

    status: Literal["alive"] = Field(description="Always the same; otherwise there is no answer.")


class Readiness(BaseModel):
    """The gateway can serve."""

    status: Literal["ready"] = Field(description="Always the same; otherwise the answer is a problem.")
    warnings: list[str] = Field(description="What is not as it should be, for people.")


class Version(BaseModel):
    """What runs here."""

    version: str = Field(description="Of this code.", examples=["0.1.0"])
    schema_revision: str = Field(description="Of the database schema that it works with.", examples=["0001"])


@router.get("/livez", operation_id="get_liveness", summary="Is the process alive?")
@router.get("/healthz", include_in_schema=False)
async def livez() -> Liveness:
    """Answer as long as the process serves requests at all."""
    return Liveness(status="alive")


@router.get("/readyz", operation_id="get_readiness", summary="Can it serve?")
async def readyz(request: Request) -> Readiness:
    """Answer whether the database is there, migrated to this code's revision, with partitions ahead, and sound.

    A process that was asked to stop is not ready, though it serves on for a while.
    """
    if context(request).notice.given:
        raise _not_ready("the process is stopping, others go on")
    async with transaction(context(request).engine) as connection:
        missing = await unreadiness(connection)
        verdict = await context(request).soundness.judge(connection)
    reasons = [*([missing] if missing else []), *verdict.hindrances]
    if reasons:
        raise _not_ready("; ".join(reasons))
    return Readiness(status="ready", warnings=list(verdict.warnings))


@router.get("/version", operation_id="get_version", summary="Which version is it?")
async def show_version(response: Response) -> Version:
    """Name this code's version and the schema revision that it works with."""
    response.headers["cache-control"] = "no-store"
    return Version(version=_VERSION, schema_revision=known_revisions()[0])


def _not_ready(reason: str) -> Refusal:
    return Refusal(ErrorCode.TEMPORARILY_UNAVAILABLE, f"Not ready: {reason}.", retry_after_seconds=5)
