"""Pools over the API: who may make, change and read them, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, basic, ops_key, tenant
from tests.support.ways import add_sender, admin_key, make_pool

UNKNOWN = "0192f3a0-1234-7abc-8def-0123456789ab"


@pytest.fixture
async def editor(engine: Engine, shop: Tenant) -> dict[str, str]:
    """Headers of a key of the shop that may change its pools."""
    return await admin_key(engine, account=shop.name)


async def audited(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text("SELECT action, detail FROM audit_events"))]


async def test_a_pool_is_made_filled_changed_and_deleted(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    sender_id = await add_sender(engine, shop.name, "+13105550100")
    made = await client.post("/v1/pools", headers=editor, json={"name": "support"})
    pool = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/pools/{pool['id']}")
    assert (pool["name"], pool["match_area"], pool["members"]) == ("support", False, [])
    member = f"/v1/pools/{pool['id']}/members/{sender_id}"
    added = await client.put(member, headers=editor, json={"weight": 0.5})
    shown = {
        "sender_id": sender_id,
        "address": "+13105550100",
        "number_type": "10dlc",
        "provider": "sandbox",
        "countries": None,
        "weight": 0.5,
    }
    assert (added.status_code, added.json()["members"]) == (200, [shown])
    assert (await client.put(member, headers=editor, json={})).json()["members"] == [{**shown, "weight": 1.0}]
    address = f"/v1/pools/{pool['id']}"
    changed = await client.patch(address, headers=editor, json={"match_area": True})
    assert (changed.status_code, changed.json()["match_area"]) == (200, True)
    assert (await client.get(address, headers=editor)).json() == changed.json()
    assert (await client.delete(member, headers=editor)).json()["members"] == []
    assert (await client.delete(member, headers=editor)).status_code == 404
    deleted = await client.delete(address, headers=editor)
    assert (deleted.status_code, deleted.json()["id"]) == (200, pool["id"])
    assert (await client.get(address, headers=editor)).status_code == 404


async def test_every_change_is_written_down_and_what_a_key_without_an_account_reads(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine
) -> None:
    operator, sender_id = await admin_key(engine, account=None), await add_sender(engine, shop.name, "+13105550100")
    account = str((await Administration(engine, ()).list_accounts())[0].id)
    pool = await make_pool(client, operator, "support", sender_id, account=account)
    address = f"/v1/pools/{pool['id']}"
    await client.get(address, headers=operator)
    await client.get("/v1/pools", headers=operator, params={"account": account})
    await client.patch(address, headers=operator, json={"match_area": True})
    await client.delete(f"{address}/members/{sender_id}", headers=operator)
    await client.delete(address, headers=operator)
    of_the_pool = {"pool_id": pool["id"]}
    assert await audited(engine) == [
        ("pools.create", {**of_the_pool, "name": "support"}),
        ("pools.put_member", {**of_the_pool, "sender_id": sender_id, "weight": 1.0}),
        ("pools.read", of_the_pool),
        ("pools.list", {"account": account}),
        ("pools.change", {**of_the_pool, "match_area": True}),
        ("pools.remove_member", {**of_the_pool, "sender_id": sender_id}),
        ("pools.delete", {**of_the_pool, "name": "support"}),
    ]


async def test_an_account_reads_its_own_pools_with_any_key_that_reads_and_an_ops_key_reads_all(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    rival = await tenant(engine, "rival", sender=None)
    ours = await make_pool(client, editor, "support")
    theirs = await make_pool(client, await admin_key(engine, account=rival.name), "support")
    ops = basic(await ops_key(engine))
    for key, seen in ((basic(shop.test), [ours]), (basic(shop.live), [ours]), (ops, [ours, theirs])):
        listed = (await client.get("/v1/pools", headers=key)).json()["data"]
        assert sorted(listed, key=str) == sorted(seen, key=str)
    one = await client.get("/v1/pools", headers=ops, params={"account": theirs["account"]})
    assert one.json() == {"data": [theirs]}
    own = await client.get("/v1/pools", headers=editor, params={"account": ours["account"]})
    assert own.json() == {"data": [ours]}
    other = await client.get("/v1/pools", headers=editor, params={"account": theirs["account"]})
    assert (other.status_code, other.json()["code"]) == (403, "forbidden")
    assert (await client.get(f"/v1/pools/{theirs['id']}", headers=basic(shop.live))).status_code == 404


async def test_nothing_of_another_account_is_changed_or_used(
    client: httpx.AsyncClient, editor: dict[str, str], engine: Engine
) -> None:
    rival = await tenant(engine, "rival", sender=None)
    their_key = await admin_key(engine, account=rival.name)
    their_sender = await add_sender(engine, rival.name, "+13105550100")
    theirs, ours = await make_pool(client, their_key, "support", their_sender), await make_pool(client, editor, "mine")
    for answer in (
        await client.patch(f"/v1/pools/{theirs['id']}", headers=editor, json={"match_area": True}),
        await client.delete(f"/v1/pools/{theirs['id']}", headers=editor),
        await client.put(f"/v1/pools/{theirs['id']}/members/{their_sender}", headers=editor, json={"weight": 0}),
        await client.delete(f"/v1/pools/{theirs['id']}/members/{their_sender}", headers=editor),
        await client.put(f"/v1/pools/{ours['id']}/members/{their_sender}", headers=editor, json={}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    given = await client.post("/v1/pools", headers=editor, json={"account": theirs["account"], "name": "x"})
    assert (given.status_code, given.json()["code"]) == (403, "forbidden")
    assert (await client.get(f"/v1/pools/{theirs['id']}", headers=their_key)).json() == theirs


async def test_only_a_live_key_with_the_scope_admin_changes_pools(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    sender_id = await add_sender(engine, shop.name, "+13105550100")
    address = f"/v1/pools/{(await make_pool(client, editor, 'support', sender_id))['id']}"
    testing = await admin_key(engine, account=shop.name, mode=KeyMode.TEST)
    for key in (basic(shop.live), basic(shop.test), testing, basic(await ops_key(engine))):
        for answer in (
            await client.post("/v1/pools", headers=key, json={"name": "other"}),
            await client.patch(address, headers=key, json={"match_area": True}),
            await client.delete(address, headers=key),
            await client.put(f"{address}/members/{sender_id}", headers=key, json={}),
            await client.delete(f"{address}/members/{sender_id}", headers=key),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await client.post("/v1/pools", json={"name": "other"})).status_code == 401


@pytest.mark.parametrize("name", ["", "Support", "-x", "a b", "x" * 33, "caf\u00e9", "x\n", 1, None])
async def test_a_pools_name_is_of_small_letters_digits_and_hyphens(
    client: httpx.AsyncClient, editor: dict[str, str], name: object
) -> None:
    answer = await client.post("/v1/pools", headers=editor, json={"name": name})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/name"]


@pytest.mark.parametrize("weight", [-1, 1001, "1", True, None])
async def test_a_weight_is_a_number_from_0_to_1000(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine, weight: object
) -> None:
    sender_id = await add_sender(engine, shop.name, "+13105550100")
    address = f"/v1/pools/{(await make_pool(client, editor, 'support'))['id']}"
    answer = await client.put(f"{address}/members/{sender_id}", headers=editor, json={"weight": weight})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["/weight"])
    assert (await client.get(address, headers=editor)).json()["members"] == []


async def test_two_pools_of_an_account_have_two_names(
    client: httpx.AsyncClient, editor: dict[str, str], engine: Engine
) -> None:
    await make_pool(client, editor, "support")
    again = await client.post("/v1/pools", headers=editor, json={"name": "support"})
    assert (again.status_code, again.json()["code"], again.json()["errors"][0]["pointer"]) == (
        409,
        "pool-exists",
        "/name",
    )
    await tenant(engine, "rival", sender=None)
    await make_pool(client, await admin_key(engine, account="rival"), "support")


async def test_an_operators_key_names_an_account_that_there_is(client: httpx.AsyncClient, engine: Engine) -> None:
    operator = await admin_key(engine, account=None)
    for account in ({}, {"account": UNKNOWN}, {"account": "shop"}, {"account": None}):
        answer = await client.post("/v1/pools", headers=operator, json={"name": "support", **account})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/account"]
        assert "shop" not in answer.text
    assert (await client.get("/v1/pools", headers=operator, params={"account": "kumquat"})).status_code == 422


@pytest.mark.parametrize("pool_id", [UNKNOWN, "x", "support", UNKNOWN.replace("-", "")])
async def test_what_is_no_pool_is_not_found(client: httpx.AsyncClient, editor: dict[str, str], pool_id: str) -> None:
    for answer in (
        await client.get(f"/v1/pools/{pool_id}", headers=editor),
        await client.patch(f"/v1/pools/{pool_id}", headers=editor, json={"match_area": True}),
        await client.delete(f"/v1/pools/{pool_id}", headers=editor),
        await client.put(f"/v1/pools/{pool_id}/members/{UNKNOWN}", headers=editor, json={}),
        await client.delete(f"/v1/pools/{pool_id}/members/{UNKNOWN}", headers=editor),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_a_pool_that_a_route_leads_to_is_kept(client: httpx.AsyncClient, editor: dict[str, str]) -> None:
    pool = await make_pool(client, editor, "support")
    routes = [
        (await client.post("/v1/routes", headers=editor, json={"prefix": prefix, "target": "pool:support"})).json()
        for prefix in ("+44", "+1")
    ]
    refused = await client.delete(f"/v1/pools/{pool['id']}", headers=editor)
    assert (refused.status_code, refused.json()["code"]) == (409, "pool-in-use")
    assert "+1, +44" in refused.json()["detail"]
    for route in routes:
        await client.delete(f"/v1/routes/{route['id']}", headers=editor)
    assert (await client.delete(f"/v1/pools/{pool['id']}", headers=editor)).status_code == 200
