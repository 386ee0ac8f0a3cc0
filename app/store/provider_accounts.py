"""Limits of whole provider accounts, and how their circuits stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from app.store.engine import Connection
from app.store.sending_tables import circuits, provider_accounts


@dataclass(frozen=True, kw_only=True)
class ProviderLimits:
    """What a provider account is held to. One of which nothing is kept has no limits."""

    rate: float | None = None
    """Segments per second over all of its senders; None for no limit but theirs."""

    burst: int | None = None
    """Segments that may go at once after a pause; None for what goes with the rate."""

    in_flight_cap: int | None = None
    """Calls at one time over all workers; None for no cap but their own."""

    paused_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CircuitState:
    """How the circuit of a provider account stands. One of which nothing is kept is closed."""

    state: str = "closed"
    open_until: datetime | None = None


_OURS: Final = provider_accounts.c
# What was sent ahead of the old rate is paid off at the new one, as a lane's is.
_AHEAD: Final = func.greatest(literal_column("extract(epoch FROM provider_accounts.arrival_at - now())"), 0)


async def list_provider_limits(connection: Connection) -> dict[str, ProviderLimits]:
    """Read all limits that are kept, by the provider account's name."""
    query = select(_OURS.name, _OURS.rate, _OURS.burst, _OURS.in_flight_cap, _OURS.paused_at)
    rows = [dict(row._mapping) for row in await connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's documented name
    return {row.pop("name"): ProviderLimits(**row) for row in rows}


async def list_circuits(connection: Connection) -> dict[str, CircuitState]:
    """Read how all circuits stand that something is kept of, by the provider account's name."""
    query = select(circuits.c.provider, circuits.c.state, circuits.c.open_until)
    rows = await connection.execute(query)
    return {row.provider: CircuitState(state=row.state, open_until=row.open_until) for row in rows}


async def change_provider_limits(connection: Connection, name: str, changes: Mapping[str, Any]) -> None:
    """Change limits of a provider account; one of which nothing was kept gets a row."""
    statement = insert(provider_accounts).values(name=name, **changes)
    stretched = func.now() + func.make_interval(
        0, 0, 0, 0, 0, 0, _AHEAD * func.coalesce(_OURS.rate / statement.excluded.rate, 0)
    )
    updates = {**changes, **({"arrival_at": stretched} if "rate" in changes else {})}
    if updates:
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=updates)
    else:
        statement = statement.on_conflict_do_nothing()
    await connection.execute(statement)
