"""Senders over the API: who sees and changes which, what is in force, and what is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, basic, ops_key, tenant
from tests.support.ways import add_sender, admin_key

USUAL = {
    "rate": 1.0,
    "burst": 1,
    "daily_cap": None,
    "sources": {"rate": "number_type", "burst": "number_type", "daily_cap": "number_type"},
}
NOBODY = "0192f3a0-1234-7abc-8def-0123456789ab"


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    """An account whose sender has the usual limits."""
    shop = await tenant(engine, sender=None)
    await add_sender(engine, shop.name, "+12025550100")
    return shop


@pytest.fixture
async def admin(engine: Engine, shop: Tenant) -> dict[str, str]:
    """Headers of an operator's key that changes things."""
    assert shop
    return await admin_key(engine, account=None)


@pytest.fixture
async def sender(client: httpx.AsyncClient, live_key: dict[str, str]) -> dict[str, Any]:
    """The shop's sender, as it is shown."""
    [shown] = (await client.get("/v1/senders", headers=live_key)).json()["data"]
    return dict(shown)


async def change(
    client: httpx.AsyncClient, key: dict[str, str], sender: dict[str, Any], **changes: Any
) -> httpx.Response:
    return await client.patch(f"/v1/senders/{sender['id']}", headers=key, json=changes)


async def lane(engine: Engine, sender: dict[str, Any]) -> tuple[Any, ...]:
    """The limits that messages of a sender are claimed by."""
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT rate, burst, daily_cap, weight, provider FROM lanes WHERE id = :id"), {"id": sender["id"]}
        )
    return tuple(found.one())


async def audited(engine: Engine) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text("SELECT action, detail FROM audit_events"))]


async def test_an_account_sees_its_own_senders_with_what_is_in_force(
    client: httpx.AsyncClient, live_key: dict[str, str], test_key: dict[str, str], engine: Engine
) -> None:
    rival = await tenant(engine, "rival", sender="+12025550199")
    [shown] = (await client.get("/v1/senders", headers=live_key)).json()["data"]
    assert (shown["address"], shown["number_type"], shown["provider"]) == ("+12025550100", "10dlc", "sandbox")
    assert (shown["rate"], shown["burst"], shown["daily_cap"], shown["weight"]) == (None, None, None, 1.0)
    assert (shown["priority"], shown["campaign_class"], shown["countries"]) == ("transactional", None, None)
    assert shown["limits"] == USUAL
    read = await client.get(f"/v1/senders/{shown['id']}", headers=test_key)
    assert read.json() == shown
    [theirs] = (await client.get("/v1/senders", headers=basic(rival.live))).json()["data"]
    assert theirs["address"] == "+12025550199"
    for path in (f"/v1/senders/{theirs['id']}", f"/v1/senders/{NOBODY}", "/v1/senders/x"):
        refused = await client.get(path, headers=live_key)
        assert (refused.status_code, refused.json()["code"]) == (404, "not-found")
    asked = await client.get(f"/v1/senders?account={theirs['account']}", headers=live_key)
    assert (asked.status_code, asked.json()["code"]) == (403, "forbidden")
    assert await audited(engine) == []


async def test_operators_list_the_senders_of_all_accounts_page_by_page(
    client: httpx.AsyncClient, engine: Engine, shop: Tenant
) -> None:
    assert shop
    ops = basic(await ops_key(engine))
    rival = await tenant(engine, "rival", sender="+12025550199")
    for number in range(3):
        await add_sender(engine, rival.name, f"+1202555012{number}")
    target: str | None = "/v1/senders?limit=2"
    seen: list[str] = []
    while target is not None:
        answer = await client.get(target, headers=ops)
        seen += [each["address"] for each in answer.json()["data"]]
        target = answer.links["next"]["url"] if "next" in answer.links else None
        assert answer.json()["has_more"] == (target is not None)
    assert sorted(seen) == ["+12025550100", *(f"+1202555012{number}" for number in range(3)), "+12025550199"]
    [one] = (await client.get("/v1/senders?address=%2B12025550199", headers=ops)).json()["data"]
    of_account = (await client.get(f"/v1/senders?account={one['account']}&limit=3", headers=ops)).json()
    assert {each["account"] for each in of_account["data"]} == {one["account"]}
    astray = await client.get(f"/v1/senders?limit=3&cursor={of_account['next_cursor']}", headers=ops)
    assert (astray.status_code, astray.json()["code"]) == (400, "invalid-cursor")
    assert ("senders.list", {"address": "+12025550199", "limit": 50}) in await audited(engine)


async def test_a_change_is_in_force_at_once_and_null_takes_the_default_again(
    client: httpx.AsyncClient, admin: dict[str, str], sender: dict[str, Any], engine: Engine
) -> None:
    assert (await client.patch(f"/v1/senders/{sender['id']}", headers=admin, json={})).json() == sender
    changes = {"rate": 0.25, "daily_cap": 2000, "weight": 2, "priority": "bulk", "countries": ["US", "CA"]}
    answer = await change(client, admin, sender, **changes)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in changes} == changes
    assert answer.json()["limits"] == {
        "rate": 0.25,
        "burst": 1,
        "daily_cap": 2000,
        "sources": {"rate": "sender", "burst": "sender", "daily_cap": "sender"},
    }
    assert await lane(engine, sender) == (0.25, 1, 2000, 2.0, "sandbox")
    again = await change(client, admin, sender, **dict.fromkeys(changes))
    assert again.json() == sender
    assert await lane(engine, sender) == (1.0, 1, None, 1.0, "sandbox")
    assert await audited(engine) == [
        ("senders.change", {"sender_id": sender["id"]}),
        ("senders.change", {"sender_id": sender["id"], **changes, "priority": 2}),
        (
            "senders.change",
            {"sender_id": sender["id"], **dict.fromkeys(changes), "priority": 1, "weight": 1},
        ),
    ]


async def test_a_campaign_class_brings_its_rate(
    client: httpx.AsyncClient, admin: dict[str, str], sender: dict[str, Any], engine: Engine
) -> None:
    answer = await change(client, admin, sender, campaign_class="T")
    assert answer.json()["campaign_class"] == "T"
    assert answer.json()["limits"] == {
        "rate": 1.25,
        "burst": 2,
        "daily_cap": None,
        "sources": {"rate": "campaign_class", "burst": "campaign_class", "daily_cap": "campaign_class"},
    }
    assert (await lane(engine, sender))[:2] == (1.25, 2)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"rate": 0}, "/rate"),
        ({"rate": 0.0009}, "/rate"),
        ({"rate": 100_001}, "/rate"),
        ({"rate": "1"}, "/rate"),
        ({"rate": True}, "/rate"),
        ({"burst": 0}, "/burst"),
        ({"burst": 1.5}, "/burst"),
        ({"burst": 100_001}, "/burst"),
        ({"daily_cap": 0}, "/daily_cap"),
        ({"daily_cap": 9}, "/daily_cap"),
        ({"daily_cap": 10**9 + 1}, "/daily_cap"),
        ({"weight": 0}, "/weight"),
        ({"weight": 1001}, "/weight"),
        ({"priority": "urgent"}, "/priority"),
        ({"priority": 0}, "/priority"),
        ({"campaign_class": "t"}, "/campaign_class"),
        ({"campaign_class": "H"}, "/campaign_class"),
        ({"campaign_class": ""}, "/campaign_class"),
        ({"provider": "nobody"}, "/provider"),
        ({"provider": None}, "/provider"),
        ({"provider": ""}, "/provider"),
        ({"countries": []}, "/countries"),
        ({"countries": ["us"]}, "/countries"),
        ({"countries": ["XX"]}, "/countries"),
        ({"countries": ["US", "US"]}, "/countries"),
        ({"address": "+12025550111"}, ""),
        ({"account": NOBODY}, ""),
        ({"paused_at": None}, ""),
    ],
)
async def test_what_cannot_be_set_is_refused_and_changes_nothing(
    client: httpx.AsyncClient,
    admin: dict[str, str],
    sender: dict[str, Any],
    changes: dict[str, Any],
    pointer: str,
) -> None:
    answer = await change(client, admin, sender, daily_cap=changes.pop("daily_cap", 70), **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await client.get(f"/v1/senders/{sender['id']}", headers=admin)).json() == sender


async def test_a_class_that_a_type_has_not_is_refused_with_those_that_it_has(
    client: httpx.AsyncClient, admin: dict[str, str], sender: dict[str, Any]
) -> None:
    answer = await change(client, admin, sender, campaign_class="H")
    assert "there are: A, B, C, D, E, F, G, K, N, P, S, T, W, X, Y, Z" in answer.json()["detail"]
    other = await client.post(
        "/v1/senders",
        headers=admin,
        json={"account": sender["account"], "address": "12345", "provider": "sandbox", "campaign_class": "T"},
    )
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/campaign_class")


async def test_senders_are_added_and_used_at_once(
    client: httpx.AsyncClient, admin: dict[str, str], live_key: dict[str, str], sender: dict[str, Any], engine: Engine
) -> None:
    added = await client.post(
        "/v1/senders",
        headers=admin,
        json={"account": sender["account"], "address": "+18335550100", "provider": "sandbox", "burst": 20},
    )
    assert added.status_code == 201
    assert (added.json()["number_type"], added.json()["burst"], added.json()["limits"]["rate"]) == (
        "toll_free",
        20,
        3.0,
    )
    shown = await client.get(added.headers["location"], headers=live_key)
    assert shown.json() == added.json()
    assert await lane(engine, added.json()) == (3.0, 20, None, 1.0, "sandbox")
    text_of_it = {"from": "+18335550100", "to": "+12125550123", "body": "Your order has shipped."}
    assert (await client.post("/v1/messages", headers=live_key, json=text_of_it)).status_code == 202
    assert ("senders.add", {"sender_id": added.json()["id"], "provider": "sandbox", "burst": 20}) in await audited(
        engine
    )


@pytest.mark.parametrize(
    ("given", "status", "code", "pointer"),
    [
        ({"address": "+12025550100"}, 409, "sender-exists", "/address"),
        ({"address": "?"}, 422, "validation-failed", "/address"),
        ({"account": str(uuid4())}, 422, "validation-failed", "/account"),
        ({"account": "shop"}, 422, "validation-failed", "/account"),
        ({"provider": "nobody"}, 422, "validation-failed", "/provider"),
        ({"rate": -1}, 422, "validation-failed", "/rate"),
    ],
)
async def test_a_sender_that_cannot_be_added_is_refused(
    client: httpx.AsyncClient,
    admin: dict[str, str],
    sender: dict[str, Any],
    given: dict[str, Any],
    status: int,
    code: str,
    pointer: str,
) -> None:
    body = {"account": sender["account"], "address": "ACME", "provider": "sandbox", **given}
    answer = await client.post("/v1/senders", headers=admin, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert len((await client.get("/v1/senders", headers=admin)).json()["data"]) == 1


async def test_limits_are_changed_by_operators_alone(
    client: httpx.AsyncClient, live_key: dict[str, str], sender: dict[str, Any], shop: Tenant, engine: Engine
) -> None:
    keys = [
        live_key,
        basic(await ops_key(engine)),
        await admin_key(engine, account=shop.name),
        await admin_key(engine, account=None, mode=KeyMode.TEST),
    ]
    body = {"account": sender["account"], "address": "ACME", "provider": "sandbox"}
    for key in keys:
        for answer in (
            await change(client, key, sender, rate=9),
            await client.post("/v1/senders", headers=key, json=body),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await change(client, {}, sender, rate=9)).status_code == 401
    [shown] = (await client.get("/v1/senders", headers=live_key)).json()["data"]
    assert shown == sender
    assert await audited(engine) == []


async def test_a_key_that_only_sends_reads_no_senders(client: httpx.AsyncClient, shop: Tenant, engine: Engine) -> None:
    made = await Administration(engine, ()).create_key(
        account=shop.name, mode=KeyMode.LIVE, scopes=[Scope.MESSAGES_WRITE]
    )
    assert (await client.get("/v1/senders", headers=basic(made.credentials))).status_code == 403


@pytest.mark.parametrize("identifier", [NOBODY, "x", "%00"])
async def test_a_sender_that_is_not_there_cannot_be_changed(
    client: httpx.AsyncClient, admin: dict[str, str], identifier: str
) -> None:
    answer = await client.patch(f"/v1/senders/{identifier}", headers=admin, json={"rate": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
