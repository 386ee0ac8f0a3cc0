"""Reading over the API: lists by keyset, filters, histories, and whose messages one may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, basic, ops_key, tenant

MESSAGE = {"from": "+15551234567", "to": "+15559876543", "body": "Hello"}

LIVE: dict[str, Any] = {"from": "+12025550100", "to": "+12125550123", "body": "Your code is 123456."}
RANDOM_ID = "0192f3a0-1234-7abc-8def-0123456789ab"
OTHER: dict[str, Any] = {"to": "+15559876544", "from": "ACME", "client_reference": "order-7", "priority": "bulk"}


async def send(client: httpx.AsyncClient, key: dict[str, str], count: int = 1, **change: Any) -> list[str]:
    answers = [await client.post("/v1/messages", headers=key, json={**MESSAGE, **change}) for _ in range(count)]
    return [answer.json()["id"] for answer in answers]


async def listed(client: httpx.AsyncClient, key: dict[str, str], **query: str | int) -> list[str]:
    answer = await client.get("/v1/messages", headers=key, params=query)
    assert answer.status_code == 200, answer.text
    return [message["id"] for message in answer.json()["data"]]


async def test_a_list_is_paged_newest_first_without_gaps_or_repeats(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    sent = await send(client, test_key, 7)
    seen: list[str] = []
    url = "/v1/messages?limit=3"
    while url:
        answer = await client.get(url, headers=test_key)
        seen += [message["id"] for message in answer.json()["data"]]
        assert answer.json()["has_more"] == ("next" in answer.links)
        url = answer.links.get("next", {}).get("url", "")
    assert seen == sorted(sent, reverse=True)


async def test_a_page_is_not_disturbed_by_newer_messages(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    sent = await send(client, test_key, 4)
    first = (await client.get("/v1/messages?limit=2", headers=test_key)).json()
    await send(client, test_key, 2)
    rest = await listed(client, test_key, cursor=first["next_cursor"], limit=50)
    assert rest == sorted(sent, reverse=True)[2:]


async def test_each_filter_narrows_the_list(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    [plain] = await send(client, test_key)
    [other] = await send(client, test_key, 1, **OTHER)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE messages SET status = 'failed', error_code = 'landline' WHERE id = :id"), {"id": other}
        )
    for query in (
        {"to": "+15559876544"},
        {"from": "ACME"},
        {"client_reference": "order-7"},
        {"status": "failed"},
        {"error_code": "landline"},
        {"priority": "bulk"},
    ):
        assert await listed(client, test_key, **query) == [other]
    assert await listed(client, test_key, direction="outbound", provider="sandbox") == sorted(
        [plain, other], reverse=True
    )
    assert await listed(client, test_key, priority="transactional") == [plain]
    assert await listed(client, test_key, direction="inbound") == []
    assert await listed(client, test_key, to="%") == []


async def test_an_unescaped_plus_in_a_filter_is_understood(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    [sent] = await send(client, test_key)
    answer = await client.get("/v1/messages?to=+15559876543", headers=test_key)
    assert [message["id"] for message in answer.json()["data"]] == [sent]


async def test_a_time_range_is_from_inclusive_to_exclusive(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    [sent] = await send(client, test_key)
    created = (await client.get(f"/v1/messages/{sent}", headers=test_key)).json()["created_at"]
    after = (datetime.fromisoformat(created) + timedelta(milliseconds=1)).isoformat()
    assert await listed(client, test_key, created_after=created) == [sent]
    assert await listed(client, test_key, created_before=created) == []
    assert await listed(client, test_key, created_after=after) == []
    assert await listed(client, test_key, created_before=after) == [sent]
    far = datetime(9999, 12, 31, tzinfo=UTC).isoformat()
    assert await listed(client, test_key, created_before=far) == [sent]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "201"},
        {"limit": "1000000000"},
        {"limit": "x"},
        {"status": "lost"},
        {"direction": "up"},
        {"priority": "urgent"},
        {"priority": "1"},
        {"created_after": "yesterday"},
        {"created_after": "2026-11-22T12:00:00"},
        {"unknown": "1"},
        {"error_code": "\x00"},
        {"to": "\x00"},
        {"client_reference": "a\nb"},
    ],
)
async def test_an_unacceptable_query_is_refused_without_an_echo(
    client: httpx.AsyncClient, test_key: dict[str, str], query: dict[str, str]
) -> None:
    answer = await client.get("/v1/messages", headers=test_key, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "yesterday" not in answer.text


async def test_a_cursor_fits_its_own_list_only(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    await send(client, test_key, 3)
    cursor = (await client.get("/v1/messages?limit=1", headers=test_key)).json()["next_cursor"]
    swapped = f"{cursor[:-1]}{'A' if cursor[-1] != 'A' else 'E'}"
    for query in (
        {"cursor": cursor, "status": "queued"},
        {"cursor": swapped},
        {"cursor": "x"},
        {"cursor": "\u00e9"},
        {"cursor": cursor[:-4]},
    ):
        answer = await client.get("/v1/messages", headers=test_key, params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


async def test_an_account_sees_its_own_messages_only(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    [mine] = await send(client, test_key)
    stranger = basic((await tenant(engine, "stranger", sender=None)).test)
    assert await listed(client, stranger) == []
    random_id = "0192f3a0-1234-7abc-8def-0123456789ab"
    for path in ("", "/events"):
        theirs = await client.get(f"/v1/messages/{mine}{path}", headers=stranger)
        nobodys = await client.get(f"/v1/messages/{random_id}{path}", headers=stranger)
        assert theirs.status_code == nobodys.status_code == 404
        assert {**theirs.json(), "request_id": ""} == {**nobodys.json(), "request_id": ""}


async def test_a_live_key_reads_test_and_live_messages(client: httpx.AsyncClient, shop: Tenant) -> None:
    test, live = await send(client, basic(shop.test)), await send(client, basic(shop.live), **LIVE)
    assert await listed(client, basic(shop.live)) == sorted(test + live, reverse=True)
    for message_id in test + live:
        for path in ("", "/events"):
            answer = await client.get(f"/v1/messages/{message_id}{path}", headers=basic(shop.live))
            assert answer.status_code == 200


async def test_a_test_key_reads_test_messages_only(client: httpx.AsyncClient, shop: Tenant) -> None:
    [test], [live] = await send(client, basic(shop.test)), await send(client, basic(shop.live), **LIVE)
    assert await listed(client, basic(shop.test)) == [test]
    assert await listed(client, basic(shop.test), to=LIVE["to"]) == []
    for path in ("", "/events"):
        assert (await client.get(f"/v1/messages/{test}{path}", headers=basic(shop.test))).status_code == 200
        theirs = await client.get(f"/v1/messages/{live}{path}", headers=basic(shop.test))
        nobodys = await client.get(f"/v1/messages/{RANDOM_ID}{path}", headers=basic(shop.test))
        assert theirs.status_code == nobodys.status_code == 404
        assert {**theirs.json(), "request_id": ""} == {**nobodys.json(), "request_id": ""}


async def test_a_cursor_of_a_live_key_opens_nothing_to_a_test_key(client: httpx.AsyncClient, shop: Tenant) -> None:
    await send(client, basic(shop.live), 2, **LIVE)
    cursor = (await client.get("/v1/messages?limit=1", headers=basic(shop.live))).json()["next_cursor"]
    answer = await client.get("/v1/messages", headers=basic(shop.test), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


async def test_an_ops_key_reads_live_and_test_messages_whatever_its_mode(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine
) -> None:
    sent = await send(client, basic(shop.test)) + await send(client, basic(shop.live), **LIVE)
    made = await Administration(engine, ()).create_key(account=None, mode=KeyMode.TEST, scopes=[Scope.OPS_READ])
    assert await listed(client, basic(made.credentials)) == sorted(sent, reverse=True)


async def test_an_ops_key_reads_all_accounts_sends_nothing_and_leaves_a_trace(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    ops = basic(await ops_key(engine))
    other = await tenant(engine, "other", sender=None)
    [first], [second] = await send(client, test_key), await send(client, basic(other.test))
    assert await listed(client, ops) == sorted([first, second], reverse=True)
    async with engine.connect() as connection:
        account = await connection.scalar(text("SELECT id FROM accounts WHERE name = 'other'"))
    assert await listed(client, ops, account=str(account)) == [second]
    assert (await client.get(f"/v1/messages/{first}", headers=ops)).status_code == 200
    refused = await client.post("/v1/messages", headers=ops, json=MESSAGE)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with engine.connect() as connection:
        actions = (await connection.scalars(text("SELECT action FROM audit_events ORDER BY at, id"))).all()
        asked = (await connection.scalars(text("SELECT detail FROM audit_events WHERE action = 'messages.list'"))).all()
    assert sorted(actions) == ["messages.list", "messages.list", "messages.read"]
    assert {"account": str(account), "limit": 50} in asked


@pytest.mark.parametrize("path", ["%00", "a%00/events", "x" * 100])
async def test_what_is_no_id_leads_an_ops_key_nowhere(client: httpx.AsyncClient, engine: Engine, path: str) -> None:
    answer = await client.get(f"/v1/messages/{path}", headers=basic(await ops_key(engine)))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_what_an_ops_key_asks_for_in_vain_is_written_down_too(client: httpx.AsyncClient, engine: Engine) -> None:
    unknown = "0192f3a0-1234-7abc-8def-0123456789ab"
    answer = await client.get(f"/v1/messages/{unknown}", headers=basic(await ops_key(engine)))
    assert answer.status_code == 404
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT detail ->> 'message_id' FROM audit_events")) == unknown


async def test_only_an_ops_key_may_ask_by_account(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    answer = await client.get(
        "/v1/messages", headers=test_key, params={"account": "0192f3a0-1234-7abc-8def-0123456789ab"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", ["not-an-id", "%00", "..%2f..", "0192f3a0-1234-7abc-8def-0123456789ag", "x" * 8_000])
async def test_what_is_no_id_is_not_found(client: httpx.AsyncClient, test_key: dict[str, str], path: str) -> None:
    answer = await client.get(f"/v1/messages/{path}", headers=test_key)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_an_id_may_be_written_in_upper_case(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    [sent] = await send(client, test_key)
    answer = await client.get(f"/v1/messages/{sent.upper()}", headers=test_key)
    assert answer.json()["id"] == sent


@pytest.mark.parametrize("written", ["z", "\u00e9", "zzzzzzzz-zzzz"])
async def test_a_query_that_cannot_be_read_is_not_repeated_in_part_either(
    client: httpx.AsyncClient, test_key: dict[str, str], written: str
) -> None:
    refused = await client.get("/v1/messages", params={"account": written}, headers=test_key)
    assert refused.status_code == 422
    assert [error["detail"] for error in refused.json()["errors"]] == ["must be a UUID"]
