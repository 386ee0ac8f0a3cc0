"""What whole provider accounts may take at a claim: their meters, calls in flight, and the one message of a trial.

Only for those that have limits or come back after they were left alone; nobody locks the rows of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, DateTime, Row, Text, bindparam, text

from app.domain.circuit_breaker import Circuit, allowance, begin_trial
from app.domain.grants import ProviderLimits
from app.domain.lanes import Meter
from app.domain.slow_start import is_slow
from app.store.circuits import lock_circuits, write_circuit
from app.store.engine import Connection

_UNLIMITED: Final = 512.0
"""Segments per second above which a provider without a rate is not held back in a slow start."""

# One that has no limits but comes back gently has to be counted, too.
_COUNT: Final = text(
    """
    INSERT INTO provider_accounts (name)
    SELECT provider FROM circuits WHERE provider = ANY(:names) AND slow_since > now() - interval '10 s'
    AND provider NOT IN (SELECT name FROM provider_accounts)
    ORDER BY provider
    ON CONFLICT (name) DO NOTHING
    """
).bindparams(bindparam("names", type_=ARRAY(Text)))

_LOCK: Final = text(
    """
    SELECT name, rate, burst, in_flight_cap, arrival_at FROM provider_accounts
    WHERE name = ANY(:names) ORDER BY name FOR UPDATE
    """
).bindparams(bindparam("names", type_=ARRAY(Text)))

_IN_FLIGHT: Final = text(
    """
    SELECT m.provider, count(*) AS calls FROM dispatch_queue AS q JOIN messages AS m ON m.id = q.message_id
    WHERE q.leased_until IS NOT NULL AND m.provider = ANY(:names) GROUP BY m.provider
    """
).bindparams(bindparam("names", type_=ARRAY(Text)))

_CHARGE: Final = text(
    """
    UPDATE provider_accounts AS p SET arrival_at = c.arrival_at
    FROM unnest(:names, :arrival_at) AS c (name, arrival_at) WHERE p.name = c.name
    """
).bindparams(bindparam("names", type_=ARRAY(Text)), bindparam("arrival_at", type_=ARRAY(DateTime(timezone=True))))


async def lock_limits(connection: Connection, names: Collection[str]) -> tuple[dict[str, ProviderLimits], datetime]:
    """Lock what bounds these provider accounts, after a wait for other claims.

    Gives the database's time with them.
    """
    wanted = {"names": sorted(names)}
    await connection.execute(_COUNT, wanted)
    accounts = {row.name: row for row in await connection.execute(_LOCK, wanted)}
    circuits, now = await lock_circuits(connection, names)
    capped = [name for name, row in accounts.items() if row.in_flight_cap is not None]
    # Only now: who waited for the locks is to see what those before it took.
    calls = await _in_flight(connection, capped)
    return {
        name: ProviderLimits(
            meter=_meter(accounts.get(name), circuit, now),
            calls=_calls(accounts.get(name), allowance(circuit, now=now), calls.get(name, 0)),
            trial=allowance(circuit, now=now) is not None,
        )
        for name, circuit in circuits.items()
    }, now


async def charge_providers(connection: Connection, meters: Mapping[str, Meter]) -> None:
    """Write what these provider accounts, which the caller has locked, were charged."""
    if meters:
        charged = {"names": list(meters), "arrival_at": [meter.arrival_at for meter in meters.values()]}
        await connection.execute(_CHARGE, charged)


async def begin_trials(connection: Connection, names: Collection[str], *, lasts: timedelta) -> None:
    """Note that a message is on its way to these providers, whose circuits are locked; a closed one stays so."""
    circuits, now = await lock_circuits(connection, names)
    for name, circuit in circuits.items():
        if allowance(circuit, now=now) == 1:
            await write_circuit(connection, name, begin_trial(circuit, now=now, lasts=lasts))


async def _in_flight(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    if not names:
        return {}
    return {row.provider: row.calls for row in await connection.execute(_IN_FLIGHT, {"names": list(names)})}


def _meter(account: Row[Any] | None, circuit: Circuit, now: datetime) -> Meter | None:
    slow_since = circuit.slow_since if is_slow(circuit.slow_since, now) else None
    if account is None or (account.rate is None and slow_since is None):
        return None
    rate = _UNLIMITED if account.rate is None else account.rate
    burst = max(1, round(rate)) if account.burst is None else account.burst
    return Meter(rate=rate, burst=burst, arrival_at=account.arrival_at, slow_since=slow_since)


def _calls(account: Row[Any] | None, allowed: int | None, in_flight: int) -> int | None:
    if allowed is not None:
        return allowed
    if account is None or account.in_flight_cap is None:
        return None
    most: int = account.in_flight_cap
    return max(0, most - in_flight)
