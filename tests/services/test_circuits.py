"""Workers share one circuit for each provider, and write nothing while all goes well."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import text

from app.domain.circuit_breaker import Circuit, CircuitState, allowance, begin_trial
from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Accepted, Deferred, ProviderFailure, SendOutcome, Unknown
from app.services.circuits import Circuits
from app.store.circuits import lock_circuits, read_circuits, write_circuit
from app.store.engine import Engine, transaction

ACCEPTED = Accepted(provider_message_id="p-1")
UNKNOWN = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN))
AWAY = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused"))
THROTTLED = Deferred(failure=ProviderFailure(error=DeliveryError.RATE_LIMITED), retry_after_seconds=2)


async def see(circuits: Circuits, *outcomes: SendOutcome, provider: str = "acme") -> None:
    """Have calls end so, one after the other."""

    async def ended(outcome: SendOutcome) -> SendOutcome:
        return outcome

    for outcome in outcomes:
        assert await circuits.watch(provider, ended(outcome)) == outcome


async def circuit_of(engine: Engine, provider: str = "acme") -> Circuit:
    async with transaction(engine) as connection:
        found, _ = await read_circuits(connection, [provider])
    return found[provider]


async def rows(engine: Engine) -> int:
    async with transaction(engine) as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM circuits")) or 0)


async def open_long_enough(engine: Engine) -> None:
    """Let the time pass for which a circuit is open."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE circuits SET open_until = now() - interval '1 millisecond'"))


async def let_one_through(engine: Engine) -> None:
    """Begin a trial as a claim does."""
    async with transaction(engine) as connection:
        found, now = await lock_circuits(connection, ["acme"])
        assert allowance(found["acme"], now=now) == 1
        trial = begin_trial(found["acme"], now=now, lasts=timedelta(seconds=30))
        await write_circuit(connection, "acme", trial)


async def test_healthy_traffic_writes_no_row_and_neither_does_throttling(engine: Engine) -> None:
    circuits = Circuits(engine)
    for _ in range(3):
        await see(circuits, ACCEPTED, THROTTLED, ACCEPTED, *[THROTTLED] * 30)
        await circuits.flush()
    assert await rows(engine) == 0


async def test_two_workers_failures_open_one_circuit(engine: Engine) -> None:
    one, other = Circuits(engine), Circuits(engine)
    await see(one, UNKNOWN, AWAY, UNKNOWN)
    await see(other, AWAY, AWAY)
    await asyncio.gather(one.flush(), other.flush())
    assert (await circuit_of(engine)).state is CircuitState.OPEN
    assert (await circuit_of(engine, "another")).state is CircuitState.CLOSED


async def test_another_worker_s_success_ends_the_row_of_failures(engine: Engine) -> None:
    one, other = Circuits(engine), Circuits(engine)
    await see(one, *[UNKNOWN] * 4)
    await one.flush()
    await see(other, ACCEPTED)
    await other.flush()
    await see(one, UNKNOWN)
    await one.flush()
    assert (await circuit_of(engine)).failures_in_row == 1


async def test_calls_that_went_well_before_anything_failed_count_in_its_share(engine: Engine) -> None:
    circuits = Circuits(engine)
    await see(circuits, *[ACCEPTED] * 30)
    await circuits.flush()
    for _ in range(12):
        await see(circuits, UNKNOWN, ACCEPTED)
    await circuits.flush()
    assert (await circuit_of(engine)).state is CircuitState.CLOSED


async def test_an_open_circuit_outlives_its_workers(engine: Engine) -> None:
    before = Circuits(engine)
    await see(before, *[AWAY] * 5)
    await before.flush()
    opened = await circuit_of(engine)
    after = Circuits(engine)
    await see(after, ACCEPTED)
    await after.flush()
    assert await circuit_of(engine) == opened


async def test_a_trial_that_goes_well_closes_it_whoever_made_it(engine: Engine) -> None:
    one, other = Circuits(engine), Circuits(engine)
    await see(one, *[AWAY] * 5)
    await one.flush()
    await open_long_enough(engine)
    await let_one_through(engine)
    await see(other, ACCEPTED)
    await other.flush()
    closed = await circuit_of(engine)
    assert (closed.state, closed.health) == (CircuitState.CLOSED, 0.5)
    assert closed.slow_since is not None


async def test_a_trial_that_fails_opens_it_for_twice_as_long(engine: Engine) -> None:
    circuits = Circuits(engine)
    await see(circuits, *[AWAY] * 5)
    await circuits.flush()
    await open_long_enough(engine)
    await let_one_through(engine)
    await see(circuits, UNKNOWN)
    await circuits.flush()
    again = await circuit_of(engine)
    assert again.state is CircuitState.OPEN
    assert again.open_until is not None
    assert again.changed_at is not None
    assert 20 <= (again.open_until - again.changed_at).total_seconds() <= 22


async def test_a_call_from_before_the_trial_does_not_stand_in_for_it(engine: Engine) -> None:
    circuits, late = Circuits(engine), asyncio.Event()

    async def slow() -> SendOutcome:
        await late.wait()
        return UNKNOWN

    early = asyncio.create_task(circuits.watch("acme", slow()))
    await asyncio.sleep(0)
    await see(circuits, *[AWAY] * 5)
    await circuits.flush()
    await open_long_enough(engine)
    await let_one_through(engine)
    late.set()
    await early
    await circuits.flush()
    assert (await circuit_of(engine)).state is CircuitState.HALF_OPEN
