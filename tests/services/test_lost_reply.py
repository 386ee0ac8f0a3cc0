"""A batch of accepts whose reply from Postgres is lost: everybody is answered, and every message is there once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import Engine
from tests.support.gateway import Tenant, api_client, basic, tenant
from tests.support.postgres_proxy import Ending, PostgresProxy, Step

POSTS = 30
SEVERAL_BYTES = 10 * 160
"""Ten texts of one segment: less than this is no batch worth losing."""

STORED = """
SELECT m.client_reference, m.id
FROM messages m
JOIN status_events e ON e.message_id = m.id AND e.sequence = 1
JOIN dispatch_queue q ON q.message_id = m.id
"""
TOTALS = """
SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM status_events), (SELECT count(*) FROM dispatch_queue),
       (SELECT count(*) FROM idempotency_keys)
"""


@pytest.fixture
def proxy(shared_database_url: str) -> Iterator[PostgresProxy]:
    with PostgresProxy(shared_database_url) as running:
        yield running


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    return await tenant(engine)


@pytest.fixture
async def client(proxy: PostgresProxy) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(proxy.url) as made:
        yield made


async def post(client: httpx.AsyncClient, shop: Tenant, number: int) -> httpx.Response:
    """Post one message; every other one under a key."""
    headers = {**basic(shop.test), **({"idempotency-key": f"order-{number}"} if number % 2 else {})}
    document = {
        "from": "+15551234567",
        "to": f"+1555987{number:04}",
        "body": "x" * 160,
        "client_reference": f"order-{number}",
    }
    return await client.post("/v1/messages", headers=headers, json=document)


async def stored(engine: Engine) -> dict[str, str]:
    """Give the id of each reference, of messages with their first event and their queue row."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text(STORED))).all()
    assert len({row.client_reference for row in rows}) == len(rows)
    return {row.client_reference: str(row.id) for row in rows}


@pytest.mark.parametrize("ending", [Ending.RESET, Ending.CLOSE])
@pytest.mark.parametrize("step", Step)
async def test_a_batch_whose_reply_is_lost_is_answered_in_full_and_stored_once(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine, proxy: PostgresProxy, step: Step, ending: Ending
) -> None:
    trap = proxy.arm(step, ending, at_least_bytes=SEVERAL_BYTES)
    answers = await asyncio.gather(*(post(client, shop, number) for number in range(POSTS)))
    await trap.has_sprung()
    assert [answer.status_code for answer in answers] == [202] * POSTS
    accepted = {answer.json()["client_reference"]: answer.json()["id"] for answer in answers}
    assert len(set(accepted.values())) == POSTS
    assert await stored(engine) == accepted
    async with engine.connect() as connection:
        assert tuple((await connection.execute(text(TOTALS))).one()) == (POSTS, POSTS, POSTS, POSTS // 2)
    again = await post(client, shop, 1)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (accepted["order-1"], "true")
