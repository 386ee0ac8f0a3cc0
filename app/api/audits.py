"""The audits of a provider account: what its own list of each day's messages showed beside ours. For operators."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api.authentication import authenticate
from app.api.context import context
from app.api.paging import MAX_LIMIT, invalid_cursor, read_cursor, write_cursor
from app.api.schemas import JSON_OPTIONS
from app.domain.auditing import MOST_LISTED, TOLERATED, DifferenceKind
from app.domain.credentials import Scope
from app.domain.errors import ErrorCode, Refusal
from app.services.authentication import Caller
from app.services.identity import new_id
from app.store.accounts import add_audit_event
from app.store.audits import DayRange, StoredAudit, list_audits
from app.store.engine import transaction

router: Final = APIRouter(prefix="/v1/audits", tags=["audits"])
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def read_day(value: object) -> object:
    """Take a day as it is written, and not the many other things that can be read as one."""
    if isinstance(value, str) and _DAY.fullmatch(value) is None:
        raise ValueError("must be a day, such as 2026-11-22")
    return value


Day = Annotated[date | None, BeforeValidator(read_day)]


class AuditQuery(BaseModel):
    """The query of a list of audits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: Day = Field(default=None, alias="from", description="The first day, in UTC.", examples=["2026-11-01"])
    last: Day = Field(default=None, alias="to", description="The last day, in UTC.", examples=["2026-11-30"])
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="How many at most.", examples=[50])
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")


class SumsView(BaseModel):
    """What one side counts and bills in a day."""

    messages: int = Field(description="How many messages.", examples=[120])
    segments: int = Field(description="How many parts they have.", examples=[134])
    prices: dict[str, Decimal] = Field(
        description="What they cost as far as it is known, by currency.", examples=[{"USD": "1.0050"}]
    )


class DifferenceView(BaseModel):
    """One message about which the two sides differ."""

    kind: DifferenceKind = Field(description="How they differ.", examples=[DifferenceKind.STATUS])
    message_id: UUID | None = Field(description="Our message; null where it is none of ours.")
    attempt: int | None = Field(description="Which attempt of it.", examples=[1])
    provider_message_id: str | None = Field(description="The provider's id of it.", examples=["sbx_5f0c4a1e"])
    ours: str | None = Field(description="What is known here: a status, a price or a count.", examples=["sent"])
    theirs: str | None = Field(description="What the provider lists.", examples=["delivered"])


class AuditView(BaseModel):
    """What an audit of one day showed."""

    day: date = Field(description="The day, in UTC.", examples=["2026-11-22"])
    made_at: datetime = Field(description="When it was made.", examples=["2026-11-23T06:04:11.020113Z"])
    agrees: bool = Field(description="Whether nothing differs but what passes by itself (`lag`, `found`).")
    ours: SumsView = Field(description="What we hold for taken by the provider.")
    theirs: SumsView = Field(description="What the provider lists.")
    matched: int = Field(description="How many of theirs are ours.", examples=[120])
    differences: dict[DifferenceKind, int] = Field(
        description="How many messages differ, by kind; kinds that were not met are left out.", examples=[{"lag": 2}]
    )
    listed: list[DifferenceView] = Field(description=f"The first of them, up to {MOST_LISTED}.")


class AuditPage(BaseModel):
    """One page of a provider account's audits, the latest day first."""

    provider: str = Field(description="The provider account.", examples=["sandbox"])
    listing: bool = Field(
        description="Whether the provider lists its messages; one that does not cannot be audited, and has no audits."
    )
    data: list[AuditView] = Field(description="The audits.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")
    has_more: bool = Field(description="Whether there is another page.")


@router.get("/{provider}", operation_id="list_audits", summary="List a provider's audits", response_model=AuditPage)
async def index(
    request: Request,
    caller: Annotated[Caller, Depends(authenticate)],
    provider: str,
    query: Annotated[AuditQuery, Query()],
) -> Response:
    """List the daily comparisons of a provider's own records with ours, the latest day first.

    Each day is audited some hours after its end, and by `gateway audit` whenever an operator asks for it. It takes a
    key with the scope `ops:read`.
    """
    caller.require(Scope.OPS_READ)
    found = context(request)
    if provider not in found.listings:
        raise Refusal(ErrorCode.NOT_FOUND, "No provider account of that name is configured.")
    async with transaction(found.engine) as connection:
        detail = {"provider": provider}
        await add_audit_event(connection, event_id=new_id(), key_id=caller.key_id, action="audits.list", detail=detail)
    wanted = DayRange(provider=provider, first=query.first, last=query.last)
    async with transaction(found.engine) as connection:
        rows = await list_audits(connection, wanted, before=_day(query.cursor, wanted), limit=query.limit + 1)
    page, more = rows[: query.limit], len(rows) > query.limit
    cursor = write_cursor(_place(page[-1].day), wanted) if more else None
    document = {
        "provider": provider,
        "listing": found.listings[provider],
        "data": [audit_document(each) for each in page],
        "next_cursor": cursor,
        "has_more": more,
    }
    response = Response(orjson.dumps(document, option=JSON_OPTIONS), media_type="application/json")
    if cursor:
        asked = [*((k, v) for k, v in request.query_params.multi_items() if k != "cursor"), ("cursor", cursor)]
        response.headers["link"] = f'</v1/audits/{provider}?{urlencode(asked)}>; rel="next"'
    return response


def audit_document(stored: StoredAudit) -> dict[str, Any]:
    """Give an audit as it is shown."""
    agrees = not stored.result["differences"].keys() - TOLERATED
    return {"day": stored.day, "made_at": stored.made_at, "agrees": agrees, **stored.result}


def _place(day: date) -> UUID:
    """Write a day as the place in a list that cursors know."""
    return UUID(int=day.toordinal())


def _day(cursor: str | None, wanted: DayRange) -> date | None:
    place = read_cursor(cursor, wanted)
    if place is None:
        return None
    if not 1 <= place.int <= date.max.toordinal():
        raise invalid_cursor()  # whoever forges one can make its check, too
    return date.fromordinal(place.int)
