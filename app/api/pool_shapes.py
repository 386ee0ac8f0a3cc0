"""The shapes of pools and routes: what is asked, and what is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.identifiers import AccountId, Identifier
from app.api.texts import Line
from app.domain.routes import MOST_WEIGHT, POOL_NAME, PREFIX
from app.domain.sender import SenderType
from app.store.pools import StoredPool
from app.store.routes import StoredRoute

_MOMENT: Final = "2026-11-22T19:16:43.368000Z"
_ACCOUNT: Final = "01a204b3-426e-7a1d-b5a3-147c6253cbc2"
_STRICT: Final = ConfigDict(extra="forbid", strict=True)

MatchArea = Annotated[
    bool, Field(description="Whether a member of the recipient's area code (+1 alone) comes first.", examples=[False])
]


class PoolRequest(BaseModel):
    """A pool to make."""

    model_config = _STRICT

    account: AccountId = None
    name: str = Field(
        pattern=f"^{POOL_NAME}$",
        description="Small letters, digits and hyphens; messages name it as `pool:<name>`.",
        examples=["support"],
    )
    match_area: MatchArea = False


class PoolChange(BaseModel):
    """What may be changed of a pool; its name stays, for callers know it by that."""

    model_config = _STRICT

    match_area: MatchArea


class MemberRequest(BaseModel):
    """How a sender stands in a pool."""

    model_config = _STRICT

    weight: float = Field(
        default=1,
        ge=0,
        le=MOST_WEIGHT,
        description="Its share of recipients beside the others; 0 gives it no new messages.",
        examples=[1],
    )


class RouteRequest(BaseModel):
    """A route to set."""

    model_config = _STRICT

    account: AccountId = None
    prefix: str = Field(
        pattern=f"^{PREFIX}$",
        description="How recipients begin: a plus and up to seven digits.",
        examples=["+44"],
    )
    target: Line = Field(
        min_length=1,
        max_length=37,
        description="A sender of the account, or `pool:` and the name of one of its pools.",
        examples=["pool:support"],
    )


class WaysQuery(BaseModel):
    """The query of a list of pools or routes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: Identifier | None = Field(default=None, description="The account's id; only for keys that belong to none.")


class MemberView(BaseModel):
    """A sender in a pool."""

    sender_id: UUID = Field(description="The sender's id.", examples=["01a204b3-5d11-7a1d-8c52-9a6f0c2b7e14"])
    address: str = Field(description="A number in E.164, a short code or a name.", examples=["+12025550100"])
    number_type: SenderType = Field(description="What kind of sender it is.", examples=[SenderType.TEN_DLC])
    provider: str = Field(description="The provider account that it goes through.", examples=["sandbox"])
    countries: list[str] | None = Field(
        description="Where it may send to, ISO 3166; null where its type alone decides.", examples=[None]
    )
    weight: float = Field(description="Its share beside the others; 0 gives it no new messages.", examples=[1])


class PoolView(BaseModel):
    """A pool as it stands."""

    id: UUID = Field(description="Its id.", examples=["01a204b3-77aa-7a1d-9d0e-2f3b1c5a8e90"])
    account: UUID = Field(description="Whose it is.", examples=[_ACCOUNT])
    name: str = Field(description="Messages name it as `pool:<name>`.", examples=["support"])
    match_area: bool = Field(
        description="Whether a member of the recipient's area code (+1 alone) comes first.", examples=[False]
    )
    created_at: datetime = Field(description="When it was made.", examples=[_MOMENT])
    members: list[MemberView] = Field(description="Its senders, by address.")


class RouteView(BaseModel):
    """A route as it stands."""

    id: UUID = Field(description="Its id.", examples=["01a204b4-02cd-7a1d-b6f4-6f0e8d7c1a25"])
    account: UUID = Field(description="Whose it is.", examples=[_ACCOUNT])
    prefix: str = Field(description="How recipients begin; the longest one that fits counts.", examples=["+44"])
    target: str = Field(description="A sender, or `pool:` and a pool's name.", examples=["pool:support"])
    created_at: datetime = Field(description="When it was first set.", examples=[_MOMENT])


class PoolList(BaseModel):
    """The pools, by name."""

    data: list[PoolView] = Field(description="The pools.")


class RouteList(BaseModel):
    """The routes, by prefix."""

    data: list[RouteView] = Field(description="The routes.")


def pool_document(pool: StoredPool) -> dict[str, Any]:
    """Give a pool as its JSON document."""
    return {
        "id": str(pool.id),
        "account": str(pool.account_id),
        "name": pool.name,
        "match_area": pool.match_area,
        "created_at": pool.created_at,
        "members": [
            {
                "sender_id": str(member.sender_id),
                "address": member.address,
                "number_type": member.number_type,
                "provider": member.provider,
                "countries": None if member.countries is None else sorted(member.countries),
                "weight": member.weight,
            }
            for member in pool.members
        ],
    }


def route_document(route: StoredRoute) -> dict[str, Any]:
    """Give a route as its JSON document."""
    return {
        "id": str(route.id),
        "account": str(route.account_id),
        "prefix": route.prefix,
        "target": route.target,
        "created_at": route.created_at,
    }
