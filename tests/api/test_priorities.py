"""Which priority a message has: its own, its sender's, or the usual one."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import Engine

MESSAGE = {"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}
LIVE = {"from": "+12025550100", "to": "+12125550123", "body": "Your order has shipped."}


@pytest.mark.parametrize("priority", ["otp", "transactional", "bulk"])
async def test_a_message_has_the_priority_that_was_asked_for(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine, priority: str
) -> None:
    accepted = await client.post("/v1/messages", headers=test_key, json={**MESSAGE, "priority": priority})
    assert (accepted.status_code, accepted.json()["priority"]) == (202, priority)
    async with engine.connect() as connection:
        ranks = (await connection.execute(text("SELECT priority FROM dispatch_queue"))).scalars().all()
    assert ranks == [["otp", "transactional", "bulk"].index(priority)]


async def test_a_message_without_a_priority_has_the_usual_one(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    for nothing in ({}, {"priority": None}):
        accepted = await client.post("/v1/messages", headers=test_key, json={**MESSAGE, **nothing})
        assert (accepted.status_code, accepted.json()["priority"]) == (202, "transactional")


async def test_a_live_message_without_a_priority_has_its_senders_own(
    client: httpx.AsyncClient, live_key: dict[str, str], engine: Engine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE senders SET priority = 2"))
    for asked, given in (({}, "bulk"), ({"priority": "otp"}, "otp")):
        accepted = await client.post("/v1/messages", headers=live_key, json={**LIVE, **asked})
        assert (accepted.status_code, accepted.json()["priority"]) == (202, given)
