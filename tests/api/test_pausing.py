"""Pausing senders, accounts and provider accounts over the API."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode
from app.store.engine import Engine
from tests.support.gateway import Tenant, tenant
from tests.support.ways import add_sender, admin_key

UNKNOWN = "0192f3a0-1234-7abc-8def-0123456789ab"


@pytest.fixture
async def operator(engine: Engine) -> dict[str, str]:
    """Headers of a key that may change everybody's things."""
    return await admin_key(engine, account=None)


async def account_id(engine: Engine, name: str) -> str:
    async with engine.connect() as connection:
        return str(await connection.scalar(text("SELECT id FROM accounts WHERE name = :name"), {"name": name}))


@pytest.mark.parametrize("kind", ["senders", "accounts", "providers"])
async def test_what_is_paused_twice_is_paused_since_the_first_time_and_goes_on_once_resumed(
    client: httpx.AsyncClient, engine: Engine, shop: Tenant, operator: dict[str, str], kind: str
) -> None:
    things = {
        "senders": await add_sender(engine, shop.name, "+12025550123"),
        "accounts": await account_id(engine, shop.name),
        "providers": "sandbox",
    }
    path = f"/v1/{kind}/{things[kind]}"
    first = await client.post(f"{path}/pause", headers=operator)
    assert (first.status_code, first.json()["paused"]) == (200, True)
    assert (await client.post(f"{path}/pause", headers=operator)).json() == first.json()
    for _ in range(2):
        resumed = await client.post(f"{path}/resume", headers=operator)
        assert (resumed.status_code, resumed.json()) == (200, {"paused": False, "paused_at": None})


async def test_each_change_of_a_key_is_written_down(
    client: httpx.AsyncClient, engine: Engine, shop: Tenant, operator: dict[str, str]
) -> None:
    sender = await add_sender(engine, shop.name, "+12025550123")
    await client.post(f"/v1/senders/{sender}/pause", headers=operator)
    await client.post(f"/v1/senders/{sender}/resume", headers=operator)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT action, detail FROM audit_events ORDER BY id"))
        written = [(row.action, row.detail) for row in rows]
    assert written == [("senders.pause", {"sender_id": sender}), ("senders.resume", {"sender_id": sender})]


async def test_an_account_s_key_pauses_its_own_things_and_no_others(
    client: httpx.AsyncClient, engine: Engine, shop: Tenant
) -> None:
    await tenant(engine, "rival", sender="+12025550199")
    theirs = await add_sender(engine, "rival", "+12025550198")
    own = await add_sender(engine, shop.name, "+12025550123")
    key = await admin_key(engine, account=shop.name)
    assert (await client.post(f"/v1/senders/{own}/pause", headers=key)).status_code == 200
    assert (await client.post(f"/v1/accounts/{await account_id(engine, shop.name)}/pause", headers=key)).is_success
    assert (await client.post(f"/v1/senders/{theirs}/pause", headers=key)).status_code == 404
    rival = await account_id(engine, "rival")
    assert (await client.post(f"/v1/accounts/{rival}/pause", headers=key)).status_code == 404
    assert (await client.post("/v1/providers/sandbox/pause", headers=key)).status_code == 403


@pytest.mark.parametrize("path", [f"senders/{UNKNOWN}", f"accounts/{UNKNOWN}", "senders/1", "providers/nobody"])
async def test_what_there_is_not_cannot_be_paused(
    client: httpx.AsyncClient, operator: dict[str, str], path: str
) -> None:
    for verb in ("pause", "resume"):
        answer = await client.post(f"/v1/{path}/{verb}", headers=operator)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_pausing_takes_the_scope_admin_and_a_live_key(
    client: httpx.AsyncClient, engine: Engine, shop: Tenant, live_key: dict[str, str]
) -> None:
    sender = await add_sender(engine, shop.name, "+12025550123")
    for key in (live_key, await admin_key(engine, account=shop.name, mode=KeyMode.TEST)):
        assert (await client.post(f"/v1/senders/{sender}/pause", headers=key)).status_code == 403
