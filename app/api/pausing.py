"""Pause and resume: of a sender, an account, or a provider account. It takes a live key with the scope `admin`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from app.api.authentication import authenticate
from app.api.context import context
from app.api.identifiers import read_identifier
from app.api.schemas import JSON_OPTIONS
from app.services.authentication import Caller
from app.services.editing import editor_of
from app.services.pausing import UNKNOWN_ACCOUNT, UNKNOWN_SENDER
from app.store.pausing import Paused

router: Final = APIRouter(prefix="/v1", tags=["pausing"])
CallerOf = Annotated[Caller, Depends(authenticate)]


class PausedView(BaseModel):
    """Whether it is paused."""

    paused: bool = Field(description="Whether its messages wait until it is resumed.", examples=[True])
    paused_at: datetime | None = Field(
        description="Since when; null while it is not paused.", examples=["2026-11-22T19:16:43.368000Z"]
    )


@router.post(
    "/senders/{sender_id}/pause", operation_id="pause_sender", summary="Pause a sender", response_model=PausedView
)
async def pause_sender(request: Request, caller: CallerOf, sender_id: str) -> Response:
    """Send nothing from this sender for now. Its messages are accepted and wait; what has been begun is finished."""
    return await _sender(request, caller, sender_id, paused=True)


@router.post(
    "/senders/{sender_id}/resume", operation_id="resume_sender", summary="Resume a sender", response_model=PausedView
)
async def resume_sender(request: Request, caller: CallerOf, sender_id: str) -> Response:
    """Let a sender go on, at its rate and without a burst beyond its own."""
    return await _sender(request, caller, sender_id, paused=False)


@router.post(
    "/accounts/{account_id}/pause", operation_id="pause_account", summary="Pause an account", response_model=PausedView
)
async def pause_account(request: Request, caller: CallerOf, account_id: str) -> Response:
    """Send nothing of this account for now, test messages included."""
    return await _account(request, caller, account_id, paused=True)


@router.post(
    "/accounts/{account_id}/resume",
    operation_id="resume_account",
    summary="Resume an account",
    response_model=PausedView,
)
async def resume_account(request: Request, caller: CallerOf, account_id: str) -> Response:
    """Let an account go on; senders of it that are paused by themselves stay so."""
    return await _account(request, caller, account_id, paused=False)


@router.post(
    "/providers/{provider}/pause",
    operation_id="pause_provider",
    summary="Pause a provider account",
    response_model=PausedView,
)
async def pause_provider(request: Request, caller: CallerOf, provider: str) -> Response:
    """Send nothing through this provider account for now. Its messages wait; they are not led to another one.

    It takes a key that belongs to no account.
    """
    return _shown(await context(request).pausing.provider(editor_of(caller), provider, paused=True))


@router.post(
    "/providers/{provider}/resume",
    operation_id="resume_provider",
    summary="Resume a provider account",
    response_model=PausedView,
)
async def resume_provider(request: Request, caller: CallerOf, provider: str) -> Response:
    """Let a provider account go on. It takes a key that belongs to no account."""
    return _shown(await context(request).pausing.provider(editor_of(caller), provider, paused=False))


async def _sender(request: Request, caller: Caller, text: str, *, paused: bool) -> Response:
    editor, sender_id = editor_of(caller), read_identifier(text, otherwise=UNKNOWN_SENDER)
    return _shown(await context(request).pausing.sender(editor, sender_id, paused=paused))


async def _account(request: Request, caller: Caller, text: str, *, paused: bool) -> Response:
    editor, account_id = editor_of(caller), read_identifier(text, otherwise=UNKNOWN_ACCOUNT)
    return _shown(await context(request).pausing.account(editor, account_id, paused=paused))


def _shown(paused: Paused) -> Response:
    document = {"paused": paused.since is not None, "paused_at": paused.since}
    return Response(orjson.dumps(document, option=JSON_OPTIONS), media_type="application/json")
