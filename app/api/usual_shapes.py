"""The shapes of usual rates, of accounts and of provider accounts: what is asked, and what is shown."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api.audits import read_day
from app.api.limit_shapes import ACCOUNT, MOMENT, STRICT, Burst, DailyCap, Rate, Weight, decimal_of
from app.api.paging import MAX_LIMIT
from app.api.texts import Line, VisibleText
from app.domain.limits import MAX_IN_FLIGHT, MAX_WAITING
from app.services.provider_accounts import ProviderAccount
from app.services.sending_rates import NewRate
from app.store.accounts import Account
from app.store.sending_rates import SendingRate


def _read_date(value: object) -> object:
    if value is None:
        return None
    return date.fromisoformat(str(read_day(str(value))))


class CircuitName(StrEnum):
    """How the circuit of a provider account stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class RateRequest(BaseModel):
    """What is to be usual, in place of what was."""

    model_config = STRICT

    rate: Rate = Field(description="Segments per second.", examples=[4])
    burst: Burst | None = Field(
        default=None,
        description="Segments that may go at once after a pause; those of a second without it, at least one.",
        examples=[4],
    )
    daily_cap: DailyCap | None = Field(
        default=None, description="Segments in a day, UTC; without it there is no cap.", examples=[None]
    )
    source: Annotated[Line, *VisibleText.__metadata__] = Field(
        min_length=1, max_length=200, description="Who says so.", examples=["our provider, by e-mail"]
    )
    dated: Annotated[date | None, BeforeValidator(_read_date)] = Field(
        default=None, alias="date", description="Of when the source is; today without it.", examples=["2026-11-22"]
    )

    def as_new(self) -> NewRate:
        """Give it as the service takes it."""
        rate = decimal_of(self.rate)
        assert rate is not None  # noqa: S101 - the field is required
        return NewRate(rate=rate, burst=self.burst, daily_cap=self.daily_cap, source=self.source, dated=self.dated)


class RateView(BaseModel):
    """What is usual for a number type, or for a campaign class of it."""

    number_type: str = Field(description="A type of senders, or `test` for test messages.", examples=["10dlc"])
    campaign_class: str | None = Field(
        description="AT&T's class of a 10DLC campaign; null for what holds where none is known.", examples=["T"]
    )
    rate: float = Field(description="Segments per second.", examples=[1.25])
    burst: int = Field(description="Segments that may go at once after a pause.", examples=[2])
    daily_cap: int | None = Field(description="Segments in a day, UTC; null where there is no cap.", examples=[None])
    source: str = Field(description="Who says so.", examples=["our provider, by e-mail"])
    dated: date = Field(serialization_alias="date", description="Of when the source is.", examples=["2026-11-22"])


class RateList(BaseModel):
    """All usual rates, by number type and campaign class."""

    data: list[RateView] = Field(description="The rates.")


class ProviderChange(BaseModel):
    """What may be changed of a provider account. What is left out stays, and null removes a limit."""

    model_config = STRICT

    rate: Rate | None = Field(default=None, description="Segments per second over all of its senders.", examples=[50])
    burst: Burst | None = Field(
        default=None, description="Segments at once after a pause; null for those of a second.", examples=[50]
    )
    in_flight_cap: Annotated[int, Field(ge=1, le=MAX_IN_FLIGHT)] | None = Field(
        default=None, description="Calls at one time over all workers.", examples=[20]
    )

    def columns(self) -> dict[str, Any]:
        """Give what was sent, by column."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class CircuitView(BaseModel):
    """Whether a provider account is in use."""

    state: CircuitName = Field(
        description="`closed` is in use, `open` is left alone, `half_open` is tried with one message.",
        examples=[CircuitName.CLOSED],
    )
    open_until: datetime | None = Field(description="Until when it is left alone.", examples=[None])


class ProviderView(BaseModel):
    """A configured provider account: what it is held to, and how it stands."""

    name: str = Field(description="As the settings name it.", examples=["sandbox"])
    adapter: str = Field(description="What speaks its API.", examples=["sandbox"])
    rate: float | None = Field(
        description="Segments per second over all of its senders; null for no limit but theirs.", examples=[50]
    )
    burst: int | None = Field(description="Segments at once after a pause; null for those of a second.", examples=[50])
    in_flight_cap: int | None = Field(
        description="Calls at one time over all workers; null for no cap but the workers' own.", examples=[20]
    )
    paused_at: datetime | None = Field(description="Since when nothing is sent through it.", examples=[None])
    circuit: CircuitView = Field(description="Whether it is in use.")


class ProviderList(BaseModel):
    """The configured provider accounts, by name."""

    data: list[ProviderView] = Field(description="The provider accounts.")


class AccountChange(BaseModel):
    """What may be changed of an account. What is left out stays, and null takes the default again."""

    model_config = STRICT

    weight: Weight | None = Field(
        default=None,
        description="Its share beside the other accounts, where they cannot all send; null for 1.",
        examples=[2],
    )
    queued_cap: Annotated[int, Field(ge=1, le=MAX_WAITING)] | None = Field(
        default=None,
        description="How many of its messages may wait; null for the setting for all accounts.",
        examples=[50000],
    )

    def columns(self) -> dict[str, Any]:
        """Give what was sent, by column."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {**given, "weight": 1.0} if "weight" in given and given["weight"] is None else given


class AccountQuery(BaseModel):
    """The query of a list of accounts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line | None = Field(default=None, max_length=64, description="The account's name.", examples=["billing"])
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="How many at most.", examples=[50])
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")


class AccountView(BaseModel):
    """An account as it stands."""

    id: UUID = Field(description="Its id.", examples=[ACCOUNT])
    name: str = Field(description="Its name.", examples=["billing"])
    weight: float = Field(description="Its share beside the other accounts.", examples=[1])
    queued_cap: int | None = Field(
        description="How many of its messages may wait; null for the setting for all accounts.", examples=[None]
    )
    paused_at: datetime | None = Field(description="Since when none of its messages is sent.", examples=[None])
    created_at: datetime = Field(description="When it was created.", examples=[MOMENT])


class AccountPage(BaseModel):
    """One page of accounts, the newest first."""

    data: list[AccountView] = Field(description="The accounts.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")
    has_more: bool = Field(description="Whether there is another page.")


_OF_RATE: Final = ("number_type", "burst", "daily_cap", "source")
_OF_ACCOUNT: Final = ("name", "weight", "queued_cap", "paused_at", "created_at")


def rate_document(rate: SendingRate) -> dict[str, Any]:
    """Give a usual rate as its JSON document."""
    return {
        **{name: getattr(rate, name) for name in _OF_RATE},
        "campaign_class": rate.campaign_class or None,
        "rate": float(rate.rate),
        "date": rate.dated,
    }


def provider_document(account: ProviderAccount) -> dict[str, Any]:
    """Give a provider account as its JSON document; nothing of its credentials is known here."""
    limits, circuit = account.limits, account.circuit
    return {
        "name": account.name,
        "adapter": account.adapter,
        "rate": limits.rate,
        "burst": limits.burst,
        "in_flight_cap": limits.in_flight_cap,
        "paused_at": limits.paused_at,
        "circuit": {"state": circuit.state, "open_until": circuit.open_until},
    }


def account_document(account: Account) -> dict[str, Any]:
    """Give an account as its JSON document."""
    return {"id": str(account.id), **{name: getattr(account, name) for name in _OF_ACCOUNT}}
