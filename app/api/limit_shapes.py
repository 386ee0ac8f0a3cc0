"""The shapes of senders and of what they are held to: what is asked, and what is shown."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.identifiers import Identifier
from app.api.paging import MAX_LIMIT, Address
from app.api.texts import Line
from app.domain.countries import is_country
from app.domain.limits import (
    MAX_BURST,
    MAX_RATE,
    MAX_SEGMENTS_A_DAY,
    MAX_WEIGHT,
    MIN_RATE,
    MIN_SEGMENTS_A_DAY,
    MIN_WEIGHT,
    LimitSource,
)
from app.domain.priority import PRIORITIES, Priority
from app.domain.sender import SenderType
from app.store.senders import LimitedSender

MOMENT: Final = "2026-11-22T19:16:43.368000Z"
ACCOUNT: Final = "01a204b3-426e-7a1d-b5a3-147c6253cbc2"
STRICT: Final = ConfigDict(extra="forbid", strict=True)


def _country(value: str) -> str:
    if not is_country(value):
        raise ValueError("must be the code of a country, ISO 3166-1 alpha-2 in capitals, such as US")
    return value


def _once_each(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError("must name each country once")
    return value


Rate = Annotated[float, Field(ge=float(MIN_RATE), le=float(MAX_RATE))]
Burst = Annotated[int, Field(ge=1, le=MAX_BURST)]
DailyCap = Annotated[int, Field(ge=MIN_SEGMENTS_A_DAY, le=MAX_SEGMENTS_A_DAY)]
Weight = Annotated[float, Field(ge=MIN_WEIGHT, le=MAX_WEIGHT)]
CampaignClass = Annotated[str, Field(pattern="^[A-Z]$")]
Countries = Annotated[
    list[Annotated[str, Field(min_length=2, max_length=2), AfterValidator(_country)]],
    Field(min_length=1, max_length=250),
    AfterValidator(_once_each),
]


class SenderChange(BaseModel):
    """What may be changed of a sender. What is left out stays, and null takes the default again."""

    model_config = STRICT

    provider: Line = Field(
        default_factory=str,
        min_length=1,
        max_length=64,
        description="The provider account that its messages go through, those that wait among them.",
        examples=["sandbox"],
    )
    rate: Rate | None = Field(
        default=None,
        description="Segments per second; null for what is usual for its campaign class or number type.",
        examples=[0.25],
    )
    burst: Burst | None = Field(
        default=None,
        description="Segments that may go at once after a pause; null for those of a second, at least one.",
        examples=[5],
    )
    daily_cap: DailyCap | None = Field(
        default=None, description="Segments in a day, UTC; null for what is usual.", examples=[2000]
    )
    priority: Annotated[Priority, Field(strict=False)] | None = Field(
        default=None,
        description="Of its messages that name none; null for `transactional`.",
        examples=[Priority.BULK],
    )
    weight: Weight | None = Field(
        default=None,
        description="Its share beside the other senders of its account, where they cannot all go; null for 1.",
        examples=[2],
    )
    campaign_class: CampaignClass | None = Field(
        default=None, description="AT&T's class of its 10DLC campaign; null where none is known.", examples=["T"]
    )
    countries: Countries | None = Field(
        default=None,
        description="Where it may send to, ISO 3166; null where its number type alone decides.",
        examples=[["US", "CA"]],
    )

    def columns(self) -> dict[str, Any]:
        """Give what was sent, as columns of the sender."""
        return {name: _COLUMNS.get(name, _as_is)(getattr(self, name)) for name in self.model_fields_set - _NO_COLUMNS}


class SenderRequest(SenderChange):
    """A sender to add."""

    account: Identifier = Field(description="Whose it is to be.", examples=[ACCOUNT])
    address: Line = Field(
        min_length=1,
        max_length=32,
        description="A number in E.164, a short code, or a name with letters.",
        examples=["+12025550100"],
    )
    provider: Line = Field(
        min_length=1,
        max_length=64,
        description="The provider account that its messages go through.",
        examples=["sandbox"],
    )


class SenderQuery(BaseModel):
    """The query of a list of senders."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: Identifier | None = Field(default=None, description="The account's id; only for keys that belong to none.")
    address: Address | None = Field(default=None, description="The sender.", examples=["+12025550100"])
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="How many at most.", examples=[50])
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")


class SourcesView(BaseModel):
    """Where each limit in force comes from: the sender itself, its campaign class or its number type."""

    rate: LimitSource = Field(description="Of the rate.", examples=[LimitSource.NUMBER_TYPE])
    burst: LimitSource = Field(description="Of the burst.", examples=[LimitSource.NUMBER_TYPE])
    daily_cap: LimitSource = Field(
        description="Of the daily cap, or of there being none.", examples=[LimitSource.SENDER]
    )


class LimitsView(BaseModel):
    """What is in force for a sender."""

    rate: float = Field(description="Segments per second.", examples=[1])
    burst: int = Field(description="Segments that may go at once after a pause.", examples=[1])
    daily_cap: int | None = Field(description="Segments in a day, UTC; null where there is no cap.", examples=[2000])
    sources: SourcesView = Field(description="Where each comes from.")


class SenderView(BaseModel):
    """A sender: what is set for it, null where it has the default, and what is in force."""

    id: UUID = Field(description="Its id.", examples=["01a204b3-5d11-7a1d-8c52-9a6f0c2b7e14"])
    account: UUID = Field(description="Whose it is.", examples=[ACCOUNT])
    address: str = Field(description="A number in E.164, a short code or a name.", examples=["+12025550100"])
    number_type: SenderType = Field(description="What kind of sender it is.", examples=[SenderType.TEN_DLC])
    provider: str = Field(description="The provider account that its messages go through.", examples=["sandbox"])
    rate: float | None = Field(description="Its own rate, in segments per second.", examples=[None])
    burst: int | None = Field(description="Its own burst, in segments.", examples=[None])
    daily_cap: int | None = Field(description="Its own daily cap, in segments.", examples=[2000])
    priority: Priority = Field(description="Of its messages that name none.", examples=[Priority.TRANSACTIONAL])
    weight: float = Field(description="Its share beside the other senders of its account.", examples=[1])
    campaign_class: str | None = Field(description="AT&T's class of its 10DLC campaign.", examples=["T"])
    countries: list[str] | None = Field(
        description="Where it may send to, ISO 3166; null where its number type alone decides.", examples=[None]
    )
    limits: LimitsView = Field(description="What is in force.")
    created_at: datetime = Field(description="When it was added.", examples=[MOMENT])


class SenderPage(BaseModel):
    """One page of senders, the one added last first."""

    data: list[SenderView] = Field(description="The senders.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")
    has_more: bool = Field(description="Whether there is another page.")


def sender_document(limited: LimitedSender) -> dict[str, Any]:
    """Give a sender as its JSON document."""
    sender, limits = limited.sender, limited.limits
    return {
        "id": str(sender.id),
        "account": str(sender.account_id),
        "address": sender.address,
        "number_type": sender.number_type,
        "provider": sender.provider,
        "rate": None if sender.rate is None else float(sender.rate),
        "burst": sender.burst,
        "daily_cap": sender.daily_cap,
        "priority": PRIORITIES[sender.priority],
        "weight": sender.weight,
        "campaign_class": sender.campaign_class or None,
        "countries": sender.countries,
        "limits": {
            "rate": float(limits.rate),
            "burst": limits.burst,
            "daily_cap": limits.daily_cap,
            "sources": {
                "rate": limits.rate_source,
                "burst": limits.burst_source,
                "daily_cap": limits.daily_cap_source,
            },
        },
        "created_at": sender.created_at,
    }


def decimal_of(number: float | None) -> Decimal | None:
    """Read a number as it was written: 0.1 is a tenth, not what a float makes of it."""
    return None if number is None else Decimal(str(number))


def _rank(priority: Priority | None) -> int:
    return (priority or Priority.TRANSACTIONAL).rank


def _weight(weight: float | None) -> float:
    return 1.0 if weight is None else weight


def _class(campaign_class: str | None) -> str:
    return campaign_class or ""


def _as_is(value: Any) -> Any:
    return value


_COLUMNS: Final[dict[str, Any]] = {
    "rate": decimal_of,
    "priority": _rank,
    "weight": _weight,
    "campaign_class": _class,
}
_NO_COLUMNS: Final = {"account", "address"}
