"""Routes over the API, and messages that follow them or name a pool."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode
from app.store.engine import Engine
from tests.support.gateway import Tenant, basic, ops_key, tenant
from tests.support.lasting import lasting
from tests.support.ways import add_sender, admin_key, make_pool

UNKNOWN = "0192f3a0-1234-7abc-8def-0123456789ab"
TEXT = {"to": "+12125550123", "body": "Your order has shipped."}


@pytest.fixture
async def editor(engine: Engine, shop: Tenant) -> dict[str, str]:
    """Headers of a key of the shop that may change its routes."""
    return await admin_key(engine, account=shop.name)


async def set_route(client: httpx.AsyncClient, key: dict[str, str], prefix: str, target: str) -> dict[str, Any]:
    answer = await client.post("/v1/routes", headers=key, json={"prefix": prefix, "target": target})
    assert answer.status_code == 200, answer.text
    route: dict[str, Any] = answer.json()
    return route


async def send(client: httpx.AsyncClient, key: dict[str, str], **asked: Any) -> httpx.Response:
    return await client.post("/v1/messages", headers=key, json={**TEXT, **asked})


async def test_a_prefix_has_one_route_which_is_set_anew_and_removed(
    client: httpx.AsyncClient, editor: dict[str, str], live_key: dict[str, str]
) -> None:
    await make_pool(client, editor, "support")
    first = await set_route(client, editor, "+1", "+12025550100")
    second = await set_route(client, editor, "+1", "pool:support")
    assert second == {**first, "target": "pool:support"}
    assert (await client.get("/v1/routes", headers=live_key)).json() == {"data": [second]}
    removed = await client.delete(f"/v1/routes/{first['id']}", headers=editor)
    assert (removed.status_code, removed.json()) == (200, second)
    assert (await client.get("/v1/routes", headers=live_key)).json() == {"data": []}
    assert (await client.delete(f"/v1/routes/{first['id']}", headers=editor)).status_code == 404


@pytest.mark.parametrize("prefix", ["", "+", "1", "+0", "+12345678", "+1a", "+1\n", " 1", 1, None])
async def test_a_prefix_is_a_plus_and_up_to_seven_digits(
    client: httpx.AsyncClient, editor: dict[str, str], prefix: object
) -> None:
    answer = await client.post("/v1/routes", headers=editor, json={"prefix": prefix, "target": "+12025550100"})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["/prefix"])


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("pool:nothing", 422, "pool-unknown"),
        ("pool:", 422, "pool-unknown"),
        ("+12025550199", 403, "sender-not-owned"),
        ("Shop", 403, "sender-not-owned"),
        ("canary!!", 422, "validation-failed"),
        ("", 422, "validation-failed"),
        ("x" * 38, 422, "validation-failed"),
    ],
)
async def test_a_route_leads_to_something_of_the_account(
    client: httpx.AsyncClient, editor: dict[str, str], engine: Engine, target: str, status: int, code: str
) -> None:
    await tenant(engine, "rival", sender="+12025550199")
    await make_pool(client, await admin_key(engine, account="rival"), "nothing")
    answer = await client.post("/v1/routes", headers=editor, json={"prefix": "+1", "target": target})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/target"]
    assert (await client.get("/v1/routes", headers=editor)).json() == {"data": []}


async def test_only_a_live_key_with_the_scope_admin_changes_routes_of_its_own_account(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    route = await set_route(client, editor, "+1", "+12025550100")
    testing = await admin_key(engine, account=shop.name, mode=KeyMode.TEST)
    for key in (basic(shop.live), basic(shop.test), testing, basic(await ops_key(engine))):
        for answer in (
            await client.post("/v1/routes", headers=key, json={"prefix": "+1", "target": "+12025550100"}),
            await client.delete(f"/v1/routes/{route['id']}", headers=key),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    await tenant(engine, "rival", sender=None)
    rival = await admin_key(engine, account="rival")
    for route_id in (route["id"], UNKNOWN, "x"):
        assert (await client.delete(f"/v1/routes/{route_id}", headers=rival)).status_code == 404
    assert (await client.get("/v1/routes", headers=rival)).json() == {"data": []}
    assert (await client.get("/v1/routes", headers=basic(await ops_key(engine)))).json() == {"data": [route]}


async def test_changes_of_routes_are_written_down(
    client: httpx.AsyncClient, editor: dict[str, str], engine: Engine
) -> None:
    route = await set_route(client, editor, "+1", "+12025550100")
    await client.delete(f"/v1/routes/{route['id']}", headers=editor)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT action, detail FROM audit_events"))
        audited = [tuple(row) for row in rows]
    assert audited == [
        ("routes.set", {"route_id": route["id"], "prefix": "+1", "target": "+12025550100"}),
        ("routes.remove", {"route_id": route["id"], "prefix": "+1"}),
    ]


async def test_a_message_without_a_sender_follows_the_longest_prefix(
    client: httpx.AsyncClient, editor: dict[str, str], live_key: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    await make_pool(client, editor, "us", await add_sender(engine, shop.name, "+13105550100"))
    await set_route(client, editor, "+1", "pool:us")
    await set_route(client, editor, "+1212", "+12025550100")
    near, far = await send(client, live_key), await send(client, live_key, to="+13235550123")
    assert (near.status_code, near.json()["from"], near.json()["pool"]) == (202, "+12025550100", None)
    assert (far.status_code, far.json()["from"], far.json()["pool"]) == (202, "+13105550100", "us")
    stored = await client.get(f"/v1/messages/{far.json()['id']}", headers=live_key)
    assert (stored.json()["from"], stored.json()["pool"]) == ("+13105550100", "us")
    async with engine.connect() as connection:
        queued = await connection.execute(
            text("SELECT s.address FROM dispatch_queue AS q JOIN senders AS s ON s.id = q.lane ORDER BY s.address")
        )
        assert list(queued.scalars()) == ["+12025550100", "+13105550100"]


@pytest.mark.parametrize("mode", list(KeyMode))
async def test_mistakes_with_senders_are_the_same_with_a_test_key_and_a_live_one(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine, mode: KeyMode
) -> None:
    await make_pool(client, editor, "names", await add_sender(engine, shop.name, "Shop"))
    await make_pool(client, editor, "empty")
    key = basic(shop.live if mode is KeyMode.LIVE else shop.test)
    for asked, code in (
        ({}, "sender-missing"),
        ({"from": None}, "sender-missing"),
        ({"from": "pool:nothing"}, "pool-unknown"),
        ({"from": "pool:"}, "pool-unknown"),
        ({"from": "pool:names"}, "no-sender-for-destination"),
        ({"from": "pool:empty"}, "no-sender-for-destination"),
    ):
        answer = await send(client, key, **asked)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/from", code)]
    abroad = await send(client, key, **{"from": "pool:names", "to": "+447400123456"})
    assert (abroad.status_code, abroad.json()["from"]) == (202, "Shop")


async def test_a_test_message_of_a_pool_goes_to_the_sandbox_from_the_chosen_sender(
    client: httpx.AsyncClient, editor: dict[str, str], test_key: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    await make_pool(client, editor, "us", await add_sender(engine, shop.name, "+13105550100"))
    answer = await send(client, test_key, **{"from": "pool:us", "to": "+15559876543"})
    shown = {name: answer.json()[name] for name in ("from", "pool", "provider", "test")}
    assert shown == {"from": "+13105550100", "pool": "us", "provider": "sandbox", "test": True}


async def test_another_accounts_pool_is_unknown(
    client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    await make_pool(client, editor, "us", await add_sender(engine, shop.name, "+13105550100"))
    rival = await tenant(engine, "rival", sender=None)
    assert (await send(client, basic(rival.live), **{"from": "pool:us"})).json()["code"] == "pool-unknown"


async def test_a_repeated_request_is_answered_as_it_was_though_it_would_go_from_elsewhere_now(
    client: httpx.AsyncClient, editor: dict[str, str], live_key: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    route = await set_route(client, editor, "+1", "+12025550100")
    headers = {**live_key, "idempotency-key": "order-1042"}
    first = await send(client, headers)
    await set_route(client, editor, "+1212", await _address(client, editor, shop, engine))
    again = await send(client, headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert lasting(again) == lasting(first)
    await client.delete(f"/v1/routes/{route['id']}", headers=editor)
    assert lasting(await send(client, headers)) == lasting(first)
    named = await send(client, headers, **{"from": "+12025550100"})
    assert (named.status_code, named.json()["code"]) == (422, "idempotency-key-reused")


async def _address(client: httpx.AsyncClient, editor: dict[str, str], shop: Tenant, engine: Engine) -> str:
    await make_pool(client, editor, "us", await add_sender(engine, shop.name, "+13105550100"))
    return "pool:us"
