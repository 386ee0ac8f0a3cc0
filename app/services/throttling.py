"""Heeding 429: whose provider wants less waits as a whole lane, and comes back gently (`domain/slow_start`)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Deferred, SendOutcome
from app.domain.routing import RetryPolicy, lane_wait
from app.store.engine import Autocommit
from app.store.throttling import hold_lanes
from app.telemetry import get_logger

_log = get_logger(__name__)


async def heed_throttling(store: Autocommit, outcomes: Mapping[UUID, SendOutcome], policy: RetryPolicy) -> None:
    """Move the lanes of the messages that were throttled; where none was, Postgres is not asked.

    To be done before they are settled, while each still has its row in the queue: so nothing of its lane is claimed in
    between, and should the settling fail, a lane has waited in vain at worst. Raises `StoreUnavailable`.
    """
    waits = {
        message_id: lane_wait(outcome, policy)
        for message_id, outcome in outcomes.items()
        if isinstance(outcome, Deferred) and outcome.failure.error is DeliveryError.RATE_LIMITED
    }
    if not waits:
        return
    async with store.connect() as connection:
        moved = await hold_lanes(connection, waits)
    for lane, seconds in moved.items():
        _log.info("lane throttled", lane=str(lane), seconds=seconds)
