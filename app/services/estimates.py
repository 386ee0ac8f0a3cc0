"""Estimating when a message that waits will be sent, from its place in its lane."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from app.domain.status import MessageStatus
from app.services.queue_figures import QueueFigures
from app.store.engine import Connection
from app.store.messages import StoredMessage
from app.store.queue_figures import Place, place_in_queue

_COUNTED: Final = 20_000
"""So many messages before one are counted, which takes some 10 ms; where there are more, all of the lane are."""

_LOOK_SECONDS: Final = 1.0
"""How long a reader waits for a first look at the queue."""

_WAITING: Final = frozenset({MessageStatus.QUEUED.value, MessageStatus.SCHEDULED.value})


async def place_of(connection: Connection, message: StoredMessage) -> Place | None:
    """Find where a message stands in its lane; None where it does not wait."""
    return await place_in_queue(connection, message.id, limit=_COUNTED) if message.status in _WAITING else None


async def estimate(figures: QueueFigures, place: Place | None) -> datetime | None:
    """Give when what stands there will be sent; None where its lane is paused or not known."""
    if place is None:
        return None
    found = await figures.ready(within_seconds=_LOOK_SECONDS)
    lane = None if found is None else found.lane(place.lane)
    if lane is None or lane.outlook is None:
        return None
    ahead = lane.ahead[place.rank] if place.messages >= _COUNTED else place.segments_ahead
    earliest = max(figures.now, place.due_at)
    return datetime.fromtimestamp(lane.outlook.sends_at(ahead, place.segments, earliest=earliest), UTC)
