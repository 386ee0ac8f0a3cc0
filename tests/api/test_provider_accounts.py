"""Provider accounts and accounts over the API: what they are held to, who sees it, and who changes it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import SANDBOX, SECRET_KEY, Tenant, api_client, basic, ops_key, tenant

FREE = {
    "name": "sandbox",
    "adapter": "sandbox",
    "rate": None,
    "burst": None,
    "in_flight_cap": None,
    "paused_at": None,
    "circuit": {"state": "closed", "open_until": None},
}


@pytest.fixture
async def admin(engine: Engine) -> dict[str, str]:
    """Headers of an operator's key that changes things."""
    made = await Administration(engine, ()).create_key(account=None, mode=KeyMode.LIVE, scopes=[Scope.ADMIN])
    return basic(made.credentials)


async def ahead(engine: Engine) -> float:
    """How far the sandbox has been sent ahead of its rate, in seconds."""
    async with engine.connect() as connection:
        found = await connection.scalar(
            text("SELECT extract(epoch FROM arrival_at - now()) FROM provider_accounts WHERE name = 'sandbox'")
        )
    return float(found)


async def test_configured_providers_are_listed_without_their_credentials(
    shared_database_url: str, admin: dict[str, str]
) -> None:
    second = {"adapter": "sandbox", "url": "http://127.0.0.1:1", "api_key": "k", "api_secret": "hidden-word"}
    providers = {"second": {**second, "webhook_secret": "other-word"}}
    async with api_client(shared_database_url, providers=providers) as client:
        answer = await client.get("/v1/providers", headers=admin)
    assert answer.json() == {"data": [FREE, {**FREE, "name": "second"}]}
    assert not any(word in answer.text for word in ("hidden-word", "other-word", SECRET_KEY, SANDBOX["url"]))


async def test_limits_of_a_provider_are_set_one_by_one_and_removed_by_null(
    client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    for changes, shown in (
        ({"rate": 50.5, "in_flight_cap": 20}, {"rate": 50.5, "in_flight_cap": 20}),
        ({"burst": 9}, {"rate": 50.5, "in_flight_cap": 20, "burst": 9}),
        ({"rate": None}, {"in_flight_cap": 20, "burst": 9}),
        ({}, {"in_flight_cap": 20, "burst": 9}),
        ({"burst": None, "in_flight_cap": None}, {}),
    ):
        answer = await client.patch("/v1/providers/sandbox", headers=admin, json=changes)
        assert (answer.status_code, answer.json()) == (200, {**FREE, **shown})
    assert (await client.get("/v1/providers", headers=admin)).json() == {"data": [FREE]}


async def test_what_a_provider_was_sent_ahead_is_paid_off_at_its_new_rate(
    client: httpx.AsyncClient, admin: dict[str, str], engine: Engine
) -> None:
    await client.patch("/v1/providers/sandbox", headers=admin, json={"rate": 1})
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE provider_accounts SET arrival_at = now() + interval '100 s'"))
    await client.patch("/v1/providers/sandbox", headers=admin, json={"rate": 0.1})
    assert 800 < await ahead(engine) <= 1000.1
    await client.patch("/v1/providers/sandbox", headers=admin, json={"burst": 3})
    assert 800 < await ahead(engine) <= 1000.1


async def test_an_open_circuit_and_a_pause_are_shown(
    client: httpx.AsyncClient, admin: dict[str, str], engine: Engine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO circuits (provider, state, open_until) VALUES ('sandbox', 'open', '2026-11-22T19:16:43Z')"
            )
        )
        await connection.execute(
            text("INSERT INTO provider_accounts (name, paused_at) VALUES ('sandbox', '2026-11-22T19:00:00Z')")
        )
    [shown] = (await client.get("/v1/providers", headers=admin)).json()["data"]
    assert shown == {
        **FREE,
        "paused_at": "2026-11-22T19:00:00Z",
        "circuit": {"state": "open", "open_until": "2026-11-22T19:16:43Z"},
    }


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"rate": 0}, "/rate"),
        ({"rate": "1"}, "/rate"),
        ({"burst": 0}, "/burst"),
        ({"in_flight_cap": 0}, "/in_flight_cap"),
        ({"in_flight_cap": 1.5}, "/in_flight_cap"),
        ({"adapter": "x"}, ""),
    ],
)
async def test_what_cannot_be_a_providers_limit_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, admin: dict[str, str], changes: dict[str, Any], pointer: str
) -> None:
    answer = await client.patch("/v1/providers/sandbox", headers=admin, json={"rate": 5, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await client.get("/v1/providers", headers=admin)).json() == {"data": [FREE]}


@pytest.mark.parametrize("provider", ["nobody", "%00", "Sandbox"])
async def test_a_provider_that_is_not_configured_is_not_found(
    client: httpx.AsyncClient, admin: dict[str, str], engine: Engine, provider: str
) -> None:
    answer = await client.patch(f"/v1/providers/{provider}", headers=admin, json={"rate": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM provider_accounts")) == 0


async def test_accounts_are_listed_and_given_a_share_and_a_queue(
    client: httpx.AsyncClient, admin: dict[str, str], engine: Engine
) -> None:
    await tenant(engine, "rival", sender=None)
    first = (await client.get("/v1/accounts?limit=1", headers=admin)).json()
    second = await client.get(f"/v1/accounts?limit=1&cursor={first['next_cursor']}", headers=admin)
    assert {page["data"][0]["name"] for page in (first, second.json())} == {"shop", "rival"}
    assert (first["has_more"], second.json()["has_more"]) == (True, False)
    [rival] = (await client.get("/v1/accounts?name=rival", headers=admin)).json()["data"]
    assert (rival["weight"], rival["queued_cap"], rival["paused_at"]) == (1.0, None, None)
    path = f"/v1/accounts/{rival['id']}"
    changed = await client.patch(path, headers=admin, json={"weight": 2.5, "queued_cap": 100})
    assert changed.json() == {**rival, "weight": 2.5, "queued_cap": 100}
    restored = await client.patch(path, headers=admin, json={"weight": None, "queued_cap": None})
    assert restored.json() == rival
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT detail FROM audit_events WHERE action = 'accounts.change' ORDER BY id")
        )
        assert [row.detail for row in rows] == [
            {"account": rival["id"], "weight": 2.5, "queued_cap": 100},
            {"account": rival["id"], "weight": 1.0, "queued_cap": None},
        ]


@pytest.mark.parametrize("changes", [{"weight": 0}, {"weight": 1001}, {"queued_cap": 0}, {"name": "x"}])
async def test_what_cannot_be_an_accounts_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], changes: dict[str, Any]
) -> None:
    [shop] = (await client.get("/v1/accounts", headers=admin)).json()["data"]
    answer = await client.patch(f"/v1/accounts/{shop['id']}", headers=admin, json=changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert (await client.get("/v1/accounts", headers=admin)).json()["data"] == [shop]


@pytest.mark.parametrize("identifier", ["0192f3a0-1234-7abc-8def-0123456789ab", "shop"])
async def test_an_account_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, admin: dict[str, str], identifier: str
) -> None:
    answer = await client.patch(f"/v1/accounts/{identifier}", headers=admin, json={"weight": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_both_are_for_operators_alone(
    client: httpx.AsyncClient, admin: dict[str, str], live_key: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    own = await Administration(engine, ()).create_key(account=shop.name, mode=KeyMode.LIVE, scopes=[Scope.ADMIN])
    ops = basic(await ops_key(engine))
    [account] = (await client.get("/v1/accounts", headers=ops)).json()["data"]
    assert (await client.get("/v1/providers", headers=ops)).status_code == 200
    for path, change in ((f"/v1/accounts/{account['id']}", {"weight": 9}), ("/v1/providers/sandbox", {"rate": 9})):
        for key in (live_key, basic(own.credentials), ops):
            assert (await client.patch(path, headers=key, json=change)).status_code == 403
    for path in ("/v1/accounts", "/v1/providers"):
        for key in (live_key, basic(own.credentials)):
            assert (await client.get(path, headers=key)).status_code == 403
        assert (await client.get(path, headers=admin)).status_code == 200
