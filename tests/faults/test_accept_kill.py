"""The API killed, or its connection cut, at each step of the accept: one key is one message, whoever asks how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.gateway import Tenant
from tests.support.lasting import lasting
from tests.support.observation import count
from tests.support.postgres_proxy import Ending, PostgresProxy, Step
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

TIMES: Final = 50 if FULL else 3
_PATIENCE_SECONDS: Final = 30
_PAUSE_SECONDS: Final = 0.05
CUTS: Final = (Ending.RESET, Ending.CLOSE)
LOSSES: Final = (1, 4, 2, 1, 1, 1, 4, 2)
"""How many tries in a row are cut off: more than the gateway makes by itself, too."""

STORED_BEFORE_THE_KILL: Final = {
    Step.UNSEEN: False,
    Step.UNCOMMITTED: False,
    Step.COMMITTED_LATE: True,
    Step.COMMITTED: True,
}
"""Whether the first answer to a repeat is that of the request that the kill has hit."""

_KEPT: Final = """
SELECT k.key, m.id
FROM idempotency_keys k
JOIN messages m ON m.id = k.message_id AND m.client_reference = k.key AND m.status = 'queued'
JOIN status_events e ON e.message_id = m.id AND e.sequence = 1 AND e.source = 'api' AND e.status = 'queued'
JOIN dispatch_queue q ON q.message_id = m.id
"""
"""Each key with its message, where nothing of it is missing; no worker runs here, so all of it still waits."""


def times_of(step: Step) -> int:
    """Fifty before and fifty after the commit; ten of the steps between, which differ by what Postgres did."""
    return TIMES if step in {Step.UNSEEN, Step.COMMITTED} else min(TIMES, 10)


@dataclass(kw_only=True)
class Customer:
    """Posts over a new connection each time, to any address of the gateway."""

    http: httpx.AsyncClient

    async def ask(self, fleet: Fleet, reference: str, *, key: str | None) -> httpx.Response | None:
        """Post one message; give the answer, or None where the connection ended without one."""
        document = {"from": "+15551234567", "to": "+15559876543", "body": "Hello", "client_reference": reference}
        headers = {} if key is None else {"idempotency-key": key}
        try:
            return await self.http.post(f"{fleet.api_url}/v1/messages", json=document, headers=headers)
        except httpx.TransportError:
            return None

    async def insist(self, fleet: Fleet, key: str) -> httpx.Response:
        """Post under a key until it is accepted; raises `TimeoutError`."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            answer = await self.ask(fleet, key, key=key)
            while answer is None or answer.status_code == 503:
                await asyncio.sleep(_PAUSE_SECONDS)
                answer = await self.ask(fleet, key, key=key)
        assert answer.status_code == 202, answer.text
        return answer


@pytest.fixture
async def customer(shop: Tenant) -> AsyncIterator[Customer]:
    limits = httpx.Limits(max_keepalive_connections=0)
    auth = (shop.test.user, shop.test.secret)
    async with httpx.AsyncClient(auth=auth, limits=limits, timeout=20, trust_env=False) as client:
        yield Customer(http=client)


@pytest.fixture
def proxy(own_database_url: str) -> Iterator[PostgresProxy]:
    with PostgresProxy(own_database_url) as running:
        yield running


async def serving(fleet: Fleet) -> Fleet:
    """Wait until an API process answers."""
    await asyncio.to_thread(fleet.wait_until_ready)
    return fleet


async def kept(engine: Engine) -> dict[str, str]:
    """Give the id of each key's message."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text(_KEPT))).all()
    assert len({row.key for row in rows}) == len(rows)
    return {row.key: str(row.id) for row in rows}


async def totals(engine: Engine) -> dict[str, int]:
    """Count what an accept writes."""
    tables = ("messages", "status_events", "dispatch_queue", "idempotency_keys")
    return {table: await count(engine, f"SELECT count(*) FROM {table}") for table in tables}


def of_each(messages: int, *, keys: int) -> dict[str, int]:
    """Give the totals where nothing is there twice."""
    return {"messages": messages, "status_events": messages, "dispatch_queue": messages, "idempotency_keys": keys}


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=pytest.mark.smoke if step is Step.COMMITTED else ()) for step in Step]
)
async def test_an_api_killed_in_the_middle_of_an_accept_leaves_one_message_to_the_client_that_asks_again(
    proxy: PostgresProxy, engine: Engine, customer: Customer, tmp_path: Path, step: Step
) -> None:
    accepted: dict[str, str] = {}
    times = times_of(step)
    with ExitStack() as stack:
        # While one process is met by a kill, the two before it are starting again.
        fleets = [stack.enter_context(Fleet(proxy.url, directory(tmp_path, name))) for name in ("a", "b", "c")]
        for fleet in fleets:
            fleet.start("api")
        ring = cycle(fleets)
        victim = await serving(next(ring))
        for number in range(times):
            key = f"order-{number}"
            trap = proxy.arm(step, Ending.HOLD)
            first = asyncio.create_task(customer.ask(victim, key, key=key))
            await trap.has_sprung()
            victim.kill("api")
            assert await first is None, "the kill has come too late"
            victim.start("api")
            victim = await serving(next(ring))
            second = await customer.insist(victim, key)
            third = await customer.insist(victim, key)
            replayed = [answer.headers.get("idempotent-replayed") == "true" for answer in (second, third)]
            assert replayed == [STORED_BEFORE_THE_KILL[step], True]
            assert lasting(second) == lasting(third)
            accepted[key] = second.json()["id"]
        complaints = [line for fleet in fleets for line in fleet.complaints()]
    assert await kept(engine) == accepted
    assert await totals(engine) == of_each(times, keys=times)
    assert complaints == []


@pytest.mark.parametrize("step", Step)
async def test_an_api_cut_off_in_the_middle_of_an_accept_leaves_one_message_to_the_client_that_asks_again(
    proxy: PostgresProxy, engine: Engine, customer: Customer, tmp_path: Path, step: Step
) -> None:
    accepted: dict[str, str] = {}
    firsts: set[int] = set()
    with Fleet(proxy.url, tmp_path) as fleet:
        fleet.start("api")
        await serving(fleet)
        for number in range(times_of(step)):
            key = f"order-{number}"
            traps = [proxy.arm(step, CUTS[number % 2]) for _ in range(LOSSES[number % len(LOSSES)])]
            first = await customer.ask(fleet, key, key=key)
            assert first is not None
            firsts.add(first.status_code)
            answer = await customer.insist(fleet, key)
            assert first.status_code == 503 or lasting(first) == lasting(answer)
            for trap in traps:
                await trap.has_sprung()
            accepted[key] = answer.json()["id"]
        complaints = fleet.complaints()
    assert firsts == {202, 503}
    assert await kept(engine) == accepted
    assert await totals(engine) == of_each(times_of(step), keys=times_of(step))
    assert complaints == []


@pytest.mark.parametrize("step", Step)
async def test_a_message_without_a_key_is_accepted_once_although_the_reply_to_its_commit_was_lost(
    proxy: PostgresProxy, engine: Engine, customer: Customer, tmp_path: Path, step: Step
) -> None:
    accepted: dict[str, str] = {}
    with Fleet(proxy.url, tmp_path) as fleet:
        fleet.start("api")
        await serving(fleet)
        for number in range(times_of(step)):
            reference = f"order-{number}"
            trap = proxy.arm(step, CUTS[number % 2])
            answer = await customer.ask(fleet, reference, key=None)
            await trap.has_sprung()
            assert answer is not None
            assert answer.status_code == 202, answer.text
            accepted[reference] = answer.json()["id"]
        complaints = fleet.complaints()
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT client_reference, id FROM messages"))).all()
    assert {row.client_reference: str(row.id) for row in rows} == accepted
    assert await totals(engine) == of_each(times_of(step), keys=0)
    assert complaints == []


def directory(parent: Path, name: str) -> Path:
    """Make a directory for the logs of one fleet."""
    made = parent / name
    made.mkdir()
    return made
