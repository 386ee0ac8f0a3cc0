"""What whole provider accounts may take at a claim: their meters, calls in flight, and the one message of a trial.

Only for those that have limits or come back after they were left alone; nobody locks the rows of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, DateTime, Interval, Row, Text, bindparam, text

from app.domain.grants import ProviderLimits
from app.domain.lanes import Meter
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

_LOCK_CIRCUITS: Final = text(
    """
    SELECT provider, state, CASE WHEN slow_since > now() - interval '10 s' THEN slow_since END AS slow_since,
           now() < coalesce(CASE state WHEN 'open' THEN open_until ELSE trial_until END, now()) AS is_shut
    FROM circuits WHERE provider = ANY(:names) ORDER BY provider FOR UPDATE
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

_BEGIN_TRIALS: Final = text(
    """
    UPDATE circuits SET state = 'half_open', changed_at = now(), trial_until = now() + :lasts
    WHERE provider = ANY(:names) AND state <> 'closed'
    """
).bindparams(bindparam("names", type_=ARRAY(Text)), bindparam("lasts", type_=Interval))


async def lock_limits(connection: Connection, names: Collection[str]) -> tuple[dict[str, ProviderLimits], datetime]:
    """Lock what bounds these provider accounts, after a wait for other claims; others are left out.

    Gives the database's time with them.
    """
    wanted = {"names": sorted(names)}
    await connection.execute(_COUNT, wanted)
    accounts = {row.name: row for row in await connection.execute(_LOCK, wanted)}
    circuits = {row.provider: row for row in await connection.execute(_LOCK_CIRCUITS, wanted)}
    capped = [name for name, row in accounts.items() if row.in_flight_cap is not None]
    # Only now: who waited for the locks is to see what those before it took.
    calls = await _in_flight(connection, capped)
    limits = {
        name: ProviderLimits(
            meter=_meter(accounts.get(name), circuits.get(name)),
            calls=_calls(accounts.get(name), circuits.get(name), calls.get(name, 0)),
            trial=name in circuits and circuits[name].state != "closed",
        )
        for name in {*accounts, *circuits}
    }
    now: datetime = await connection.scalar(text("SELECT now()"))
    return limits, now


async def charge_providers(connection: Connection, meters: Mapping[str, Meter]) -> None:
    """Write what these provider accounts, which the caller has locked, were charged."""
    if meters:
        charged = {"names": list(meters), "arrival_at": [meter.arrival_at for meter in meters.values()]}
        await connection.execute(_CHARGE, charged)


async def begin_trials(connection: Connection, names: Sequence[str], *, lasts: timedelta) -> None:
    """Note that a message is on its way to these providers, whose circuits are locked; a closed one stays so."""
    await connection.execute(_BEGIN_TRIALS, {"names": list(names), "lasts": lasts})


async def _in_flight(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    if not names:
        return {}
    return {row.provider: row.calls for row in await connection.execute(_IN_FLIGHT, {"names": list(names)})}


def _meter(account: Row[Any] | None, circuit: Row[Any] | None) -> Meter | None:
    slow_since: datetime | None = None if circuit is None else circuit.slow_since
    if account is None or (account.rate is None and slow_since is None):
        return None
    rate = _UNLIMITED if account.rate is None else account.rate
    burst = max(1, round(rate)) if account.burst is None else account.burst
    return Meter(rate=rate, burst=burst, arrival_at=account.arrival_at, slow_since=slow_since)


def _calls(account: Row[Any] | None, circuit: Row[Any] | None, in_flight: int) -> int | None:
    if circuit is not None and circuit.state != "closed":
        return 0 if circuit.is_shut else 1
    if account is None or account.in_flight_cap is None:
        return None
    most: int = account.in_flight_cap
    return max(0, most - in_flight)
