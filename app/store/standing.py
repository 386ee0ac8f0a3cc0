"""How the provider accounts stand, by their circuits and by who paused them, as those who choose senders need it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, text

from app.domain.failover import Standing
from app.domain.provider_health import health_now
from app.store.engine import Connection

_UNWELL: Final = text(
    """
    SELECT coalesce(c.provider, p.name) AS provider, coalesce(c.state, 'closed') = 'closed' AS closed,
           coalesce(CASE c.state WHEN 'open' THEN c.open_until ELSE c.trial_until END <= now(), true) AS trial_due,
           coalesce(c.health, 1) AS health, coalesce(c.health_at, now()) AS health_at,
           p.paused_at IS NOT NULL AS paused, now() AS now
    FROM circuits AS c FULL JOIN provider_accounts AS p ON p.name = c.provider
    WHERE c.provider IS NOT NULL OR p.paused_at IS NOT NULL
    """
)


async def read_standing(connection: Connection) -> Standing:
    """Tell which provider accounts are failing, to which nothing moves, and how well each is."""
    rows = (await connection.execute(_UNWELL)).all()
    return Standing(
        failing=frozenset(row.provider for row in rows if not row.closed and not row.trial_due),
        shut=frozenset(row.provider for row in rows if not row.closed or row.paused),
        health={row.provider: _health(row) for row in rows},
    )


def _health(row: Row[Any]) -> float:
    return health_now(row.health, row.health_at, row.now, closed=row.closed, trial_due=row.trial_due)
