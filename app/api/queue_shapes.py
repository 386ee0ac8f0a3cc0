"""The shapes of queues as callers get them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.limit_shapes import ACCOUNT, MOMENT
from app.api.paging import MAX_LIMIT
from app.api.texts import Line
from app.api.usual_shapes import CircuitName
from app.domain.figures import LaneFigures
from app.domain.priority import PRIORITIES, Priority


class Pausable(StrEnum):
    """What can be paused."""

    SENDER = "sender"
    PROVIDER = "provider"
    ACCOUNT = "account"


class QueueQuery(BaseModel):
    """The query of a list of queues."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: UUID | None = Field(default=None, description="The account's id; only for keys that belong to none.")
    provider: Line | None = Field(
        default=None, max_length=64, description="The provider account.", examples=["sandbox"]
    )
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="How many at most.", examples=[50])
    cursor: str | None = Field(default=None, max_length=64, description="`next_cursor` of the page before.")


class AmountView(BaseModel):
    """How much waits."""

    messages: int = Field(description="Messages.", examples=[120])
    segments: int = Field(description="The parts that they have.", examples=[134])


class QueueView(BaseModel):
    """What waits to go out from one sender, or as test messages of one account."""

    id: UUID = Field(description="The sender's id; the account's for test messages.", examples=[ACCOUNT])
    sender: str | None = Field(
        description="What they go from; null for test messages, which go from any.", examples=["+12025550100"]
    )
    account: UUID = Field(description="Whose they are.", examples=[ACCOUNT])
    provider: str = Field(description="The provider account that they go through.", examples=["sandbox"])
    waiting: dict[Priority, AmountView] = Field(
        description="What is due and not yet taken by a worker, by priority.",
        examples=[{"transactional": {"messages": 120, "segments": 134}}],
    )
    later: AmountView = Field(description="What is not due yet: for its `send_at`, or for its next try.")
    oldest_seconds: float | None = Field(
        description="For how long the oldest of what waits has been due; null where nothing waits.", examples=[12.4]
    )
    rate: float = Field(description="Segments per second that may go.", examples=[5])
    burst: int = Field(description="Segments that may go at once after a pause.", examples=[5])
    actual_rate: float | None = Field(
        description="Segments per second that went in the last minute, or since this process began to look; null "
        "until it has looked for a second.",
        examples=[4.98],
    )
    drain_seconds: float | None = Field(
        description="How long it takes to send what waits, if nothing is added; null while paused.", examples=[26.8]
    )
    paused_by: list[Pausable] = Field(description="What is paused, of those that stop it.", examples=[[]])
    not_before: datetime | None = Field(
        description="Until when its provider has asked to wait; null where it has not.", examples=[MOMENT]
    )
    circuit: CircuitName = Field(
        description="Of its provider account: `open` is left alone, `half_open` is tried with one message.",
        examples=[CircuitName.CLOSED],
    )


class QueuePage(BaseModel):
    """One page of queues."""

    as_of: datetime = Field(description="When the figures were taken.", examples=[MOMENT])
    data: list[QueueView] = Field(description="The queues, in the order of their ids.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")
    has_more: bool = Field(description="Whether there is another page.")


def queue_document(lane: LaneFigures, at: float, actual_rate: float | None) -> dict[str, Any]:
    """Give one queue as its JSON document; `at` is when it was looked at."""
    limits = lane.limits
    oldest = min((each.oldest_due_at for each in lane.depths if each.oldest_due_at is not None), default=None)
    drain = lane.drain_seconds(at)
    waits = limits.not_before is not None and limits.not_before > at
    return {
        "id": str(limits.id),
        "sender": limits.address,
        "account": str(limits.account_id),
        "provider": limits.provider,
        "waiting": {
            PRIORITIES[each.rank].value: {"messages": each.messages, "segments": each.segments}
            for each in lane.by_rank()
        },
        "later": {
            "messages": sum(each.later_messages for each in lane.depths),
            "segments": sum(each.later_segments for each in lane.depths),
        },
        "oldest_seconds": None if oldest is None else round(at - oldest, 3),
        "rate": limits.rate,
        "burst": limits.burst,
        "actual_rate": None if actual_rate is None else round(actual_rate, 3),
        "drain_seconds": None if drain is None else round(drain, 3),
        "paused_by": list(limits.paused_by),
        "not_before": moment_of(limits.not_before) if waits and limits.not_before is not None else None,
        "circuit": limits.circuit,
    }


def moment_of(seconds: float) -> datetime:
    """Give a moment that is kept as seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
