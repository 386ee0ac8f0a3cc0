"""The health of provider accounts, as those who choose between senders need it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from app.domain.provider_health import health_now
from app.store.engine import Connection
from app.store.sending_tables import circuits

_HEALTH: Final = select(
    circuits.c.provider, circuits.c.state, circuits.c.health, circuits.c.health_at, func.now().label("now")
)


async def list_health(connection: Connection) -> dict[str, float]:
    """Give the health of each provider account by now, from 0 to 1; one that is not named has all of it."""
    return {
        row.provider: health_now(row.health, row.health_at, row.now, closed=row.state == "closed")
        for row in await connection.execute(_HEALTH)
    }
