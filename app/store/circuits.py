"""The circuit breakers of the provider accounts: read by claims, and written by whoever saw calls fail.

A provider that has no row was never in trouble, and its circuit is closed. A claim and a flush each lock the rows of
providers in the order of their names.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, Row, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.domain.circuit_breaker import Bucket, Circuit, CircuitState
from app.store.engine import Connection
from app.store.sending_tables import circuits

_READ: Final = (
    select(circuits, func.now().label("now"))
    .where(circuits.c.provider == bindparam("providers", type_=ARRAY(Text)).any_())
    .order_by(circuits.c.provider)
)
_LOCK: Final = _READ.with_for_update()
_NOW: Final = text("SELECT now()")


async def read_circuits(connection: Connection, providers: Collection[str]) -> tuple[dict[str, Circuit], datetime]:
    """Read the circuits of these providers, and the database's time; those that have no row are closed."""
    return await _circuits(connection, _READ, providers)


async def lock_circuits(connection: Connection, providers: Collection[str]) -> tuple[dict[str, Circuit], datetime]:
    """Lock those circuits of these providers that have a row, and give all of them with the database's time."""
    return await _circuits(connection, _LOCK, providers)


async def lay_circuits(connection: Connection, providers: Collection[str]) -> None:
    """See to it that these have rows which can be locked: where two see a first failure, neither may be lost."""
    rows = [{"provider": provider} for provider in sorted(providers)]
    await connection.execute(insert(circuits).on_conflict_do_nothing(), rows)


async def write_circuit(connection: Connection, provider: str, circuit: Circuit) -> None:
    """Write one circuit, whose row is locked."""
    written = {
        "state": circuit.state.value,
        "failures_in_row": circuit.failures_in_row,
        "calls": [[each.second, each.calls, each.failures] for each in circuit.buckets],
        "openings": circuit.openings,
        "overdue": circuit.overdue,
        "changed_at": circuit.changed_at,
        "open_until": circuit.open_until,
        "trial_until": circuit.trial_until,
        "slow_since": circuit.slow_since,
        "health": circuit.health,
        "health_at": circuit.health_at or func.now(),
    }
    await connection.execute(circuits.update().where(circuits.c.provider == provider).values(written))


async def _circuits(
    connection: Connection, query: Any, providers: Collection[str]
) -> tuple[dict[str, Circuit], datetime]:
    rows = (await connection.execute(query, {"providers": sorted(providers)})).all()
    now = rows[0].now if rows else (await connection.execute(_NOW)).scalar_one()
    found = {row.provider: _circuit(row) for row in rows}
    return {provider: found.get(provider, Circuit()) for provider in providers}, now


def _circuit(row: Row[Any]) -> Circuit:
    return Circuit(
        state=CircuitState(row.state),
        failures_in_row=row.failures_in_row,
        buckets=tuple(Bucket(second=second, calls=calls, failures=failures) for second, calls, failures in row.calls),
        openings=row.openings,
        overdue=row.overdue,
        changed_at=row.changed_at,
        open_until=row.open_until,
        trial_until=row.trial_until,
        slow_since=row.slow_since,
        health=row.health,
        health_at=row.health_at,
    )
