"""Queues over the API: what waits, how fast it goes, who may see it; and refusals of what would wait too long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, api_client, basic, ops_key, tenant
from tests.support.ways import admin_key

LIVE = {"from": "+12025550100", "to": "+12125550123", "body": "Your order has shipped."}
TEST = {"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}


@pytest.fixture
async def fresh(shared_database_url: str, shop: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """An API that has not looked at the queue yet, so that its figures are those of the first request for them."""
    assert shop
    async with api_client(shared_database_url) as client:
        yield client


async def run(engine: Engine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def fill(engine: Engine, count: int, rank: int, due: str = "now() - interval '9 seconds'") -> None:
    """Have so many messages of two segments wait in the lane of each sender."""
    await run(
        engine,
        "INSERT INTO dispatch_queue (message_id, account_id, lane, priority, segments, due_at) "
        f"SELECT gen_random_uuid(), account_id, id, :rank, 2, {due} FROM senders, generate_series(1, :count)",
        rank=rank,
        count=count,
    )


async def queues(client: httpx.AsyncClient, key: dict[str, str], **query: str | int) -> list[dict[str, Any]]:
    answer = await client.get("/v1/queues", headers=key, params=query)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def of_sender(client: httpx.AsyncClient, key: dict[str, str]) -> dict[str, Any]:
    [queue] = [each for each in await queues(client, key) if each["sender"] is not None]
    return queue


async def test_a_queue_is_shown_with_what_waits_and_how_long_it_takes(
    fresh: httpx.AsyncClient, live_key: dict[str, str], engine: Engine
) -> None:
    await run(engine, "UPDATE lanes SET rate = 5, burst = 5, arrival_at = now() - interval '1 hour'")
    await fill(engine, 3, 0)
    await fill(engine, 10, 2)
    await fill(engine, 4, 2, due="now() + interval '1 day'")
    queue = await of_sender(fresh, live_key)
    assert (queue["sender"], queue["provider"], queue["rate"], queue["burst"]) == ("+12025550100", "sandbox", 5, 5)
    assert queue["waiting"] == {
        "otp": {"messages": 3, "segments": 6},
        "transactional": {"messages": 0, "segments": 0},
        "bulk": {"messages": 10, "segments": 20},
    }
    assert queue["later"] == {"messages": 4, "segments": 8}
    assert 9 <= queue["oldest_seconds"] < 60
    assert queue["drain_seconds"] == pytest.approx(4.2, abs=0.1)
    assert (queue["paused_by"], queue["not_before"], queue["circuit"]) == ([], None, "closed")


async def test_an_account_sees_its_own_queues_and_an_ops_key_all(
    fresh: httpx.AsyncClient, live_key: dict[str, str], test_key: dict[str, str], engine: Engine
) -> None:
    await tenant(engine, "bank", "+12025550199")
    own, seen = await queues(fresh, live_key), await queues(fresh, basic(await ops_key(engine)))
    assert [each["sender"] for each in own].count("+12025550100") == 1
    assert len({each["account"] for each in own}) == 1
    assert await queues(fresh, test_key) == own
    assert {each["sender"] for each in seen} == {None, "+12025550100", "+12025550199"}
    account = own[0]["account"]
    ops = basic(await ops_key(engine))
    assert [each["id"] for each in await queues(fresh, ops, account=account)] == [each["id"] for each in own]
    assert await queues(fresh, ops, provider="nowhere") == []
    assert len(await queues(fresh, ops, provider="sandbox")) == len(seen)
    refused = await fresh.get("/v1/queues", headers=live_key, params={"account": str(UUID(int=1))})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_queues_are_paged_without_gaps_or_repeats(fresh: httpx.AsyncClient, engine: Engine) -> None:
    admin = Administration(engine, {"sandbox"})
    for number in range(5):
        await admin.add_sender(account="shop", address=f"+1202555011{number}", provider="sandbox", rate=None)
    key, seen, url = basic(await ops_key(engine)), [], "/v1/queues?limit=2"
    while url:
        answer = await fresh.get(url, headers=key)
        seen += [each["id"] for each in answer.json()["data"]]
        assert answer.json()["has_more"] == ("next" in answer.links)
        url = answer.links.get("next", {}).get("url", "")
    assert len(seen) == 7
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": "0"}, 422),
        ({"limit": "201"}, 422),
        ({"account": "shop"}, 422),
        ({"lane": "x"}, 422),
        ({"cursor": "x"}, 400),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, live_key: dict[str, str], query: dict[str, str], status: int
) -> None:
    assert (await client.get("/v1/queues", headers=live_key, params=query)).status_code == status


async def test_what_is_paused_shows_by_what_and_tells_no_time(
    fresh: httpx.AsyncClient, live_key: dict[str, str], engine: Engine
) -> None:
    admin = await admin_key(engine, account=None)
    await fill(engine, 3, 1)
    [sender] = (await fresh.get("/v1/senders", headers=live_key)).json()["data"]
    for path in (f"senders/{sender['id']}", f"accounts/{sender['account']}"):
        assert (await fresh.post(f"/v1/{path}/pause", headers=admin)).status_code == 200
    queue = await of_sender(fresh, live_key)
    assert (queue["paused_by"], queue["drain_seconds"]) == (["sender", "account"], None)
    accepted = (await fresh.post("/v1/messages", headers=live_key, json=LIVE)).json()
    assert (accepted["status"], accepted["estimated_send_at"]) == ("queued", None)


async def test_a_message_is_told_when_its_turn_comes_and_again_when_it_is_read(
    fresh: httpx.AsyncClient, live_key: dict[str, str], engine: Engine
) -> None:
    await run(engine, "UPDATE lanes SET rate = 1, burst = 1, arrival_at = now() - interval '1 hour'")
    await fill(engine, 50, 1)
    await of_sender(fresh, live_key)
    for priority, seconds in (("otp", 0), ("transactional", 100), ("bulk", 101)):
        answer = await fresh.post("/v1/messages", headers=live_key, json={**LIVE, "priority": priority})
        message = answer.json()
        read = (await fresh.get(f"/v1/messages/{message['id']}", headers=live_key)).json()
        for told in (message, read):
            assert await after(engine, told) == pytest.approx(seconds, abs=5)
    assert (await fresh.get("/v1/messages", headers=live_key)).json()["data"][0]["estimated_send_at"] is None


async def after(engine: Engine, message: dict[str, Any]) -> float:
    """Give how long after it was accepted a message is to be sent, in seconds."""
    async with engine.connect() as connection:
        seconds = await connection.scalar(
            text("SELECT extract(epoch FROM CAST(:at AS text)::timestamptz - CAST(:since AS text)::timestamptz)"),
            {"at": message["estimated_send_at"], "since": message["created_at"]},
        )
    return float(seconds or 0)


async def test_a_lone_message_after_a_silence_has_its_estimate_and_a_later_one_its_own_time(
    fresh: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    key = {**test_key, "Idempotency-Key": "once"}
    first = await fresh.post("/v1/messages", headers=key, json=TEST)
    assert first.json()["estimated_send_at"] is not None
    assert (await fresh.post("/v1/messages", headers=key, json=TEST)).json()["estimated_send_at"] is None
    later = {**TEST, "send_at": "2026-12-20T09:30:00Z"}
    answer = (await fresh.post("/v1/messages", headers=test_key, json=later)).json()
    if answer["status"] == "scheduled":
        assert answer["estimated_send_at"] == answer["send_at"]


async def test_what_a_sender_would_come_to_too_late_is_refused_and_nothing_else(
    fresh: httpx.AsyncClient, live_key: dict[str, str], test_key: dict[str, str], engine: Engine
) -> None:
    await run(engine, "UPDATE lanes SET rate = 0.01, burst = 1, arrival_at = now() - interval '1 hour'")
    await fill(engine, 181, 1)
    await of_sender(fresh, live_key)
    refused = await fresh.post("/v1/messages", headers=live_key, json=LIVE)
    assert (refused.status_code, refused.json()["code"]) == (429, "queue-full")
    assert refused.headers["retry-after"] in {"199", "200"}
    assert "more than 36000 seconds late" in refused.json()["detail"]
    assert (await fresh.post("/v1/messages", headers=live_key, json={**LIVE, "priority": "otp"})).status_code == 202
    assert (await fresh.post("/v1/messages", headers=test_key, json=TEST)).status_code == 202


async def test_an_account_with_a_cap_of_its_own_is_refused_beyond_it(
    fresh: httpx.AsyncClient, live_key: dict[str, str], engine: Engine
) -> None:
    await run(engine, "UPDATE lanes SET rate = 0.1, burst = 1")
    await run(engine, "UPDATE accounts SET queued_cap = 3")
    await fill(engine, 3, 1)
    await of_sender(fresh, live_key)
    refused = await fresh.post("/v1/messages", headers=live_key, json=LIVE)
    assert (refused.status_code, refused.json()["code"]) == (429, "queue-full")
    assert refused.headers["retry-after"] == "20"
    assert refused.json()["detail"].startswith("3 messages of your account wait")
