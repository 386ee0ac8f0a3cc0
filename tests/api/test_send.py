"""Sending over the API: what is accepted, what comes back, and what is refused in which words."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.store.engine import Engine
from tests.support.gateway import basic, tenant
from tests.support.lasting import lasting

MESSAGE = {"from": "+15551234567", "to": "+15559876543", "body": "Your order has shipped."}
LIVE = {"from": "+12025550100", "to": "+12125550123", "body": "Your order has shipped."}


async def count(engine: Engine, table: str) -> int:
    async with engine.connect() as connection:
        number = await connection.scalar(text(f"SELECT count(*) FROM {table}"))
        return int(number or 0)


async def test_a_message_is_accepted_with_an_id_a_status_and_its_segments(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    answer = await client.post("/v1/messages", headers=test_key, json=MESSAGE)
    document = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/messages/{document['id']}"
    assert document["status"] == "queued"
    assert (document["from"], document["to"]) == ("+15551234567", "+15559876543")
    assert (document["encoding"], document["segments"]) == ("gsm-7", 1)
    assert document["test"] is True
    assert document["delivery_guarantee"] == "at_most_once"
    assert document["created_at"] == document["updated_at"]
    assert [await count(engine, t) for t in ("messages", "status_events", "dispatch_queue")] == [1, 1, 1]


async def test_what_was_accepted_can_be_read_with_its_history(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    accepted = (await client.post("/v1/messages", headers=test_key, json=MESSAGE)).json()
    read = await client.get(f"/v1/messages/{accepted['id']}", headers=test_key)
    assert {**read.json(), "estimated_send_at": accepted["estimated_send_at"]} == accepted
    events = (await client.get(f"/v1/messages/{accepted['id']}/events", headers=test_key)).json()["data"]
    assert [(e["sequence"], e["source"], e["status"], e["applied"]) for e in events] == [(1, "api", "queued", True)]


async def test_the_unprefixed_path_answers_the_same(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    accepted = await client.post("/messages", headers=test_key, json=MESSAGE)
    assert accepted.status_code == 202
    read = await client.get(f"/messages/{accepted.json()['id']}/events", headers=test_key)
    assert read.status_code == 200


async def test_all_optional_fields_come_back(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    asked = {
        **MESSAGE,
        "client_reference": "order-7",
        "metadata": {"team": "billing", "__proto__": "x"},
        "validity_seconds": 60,
        "delivery_guarantee": "at_least_once",
        "max_segments": 10,
    }
    document = (await client.post("/v1/messages", headers=test_key, json=asked)).json()
    assert document["client_reference"] == "order-7"
    assert document["metadata"] == {"team": "billing", "__proto__": "x"}
    assert document["delivery_guarantee"] == "at_least_once"


async def test_the_same_key_and_body_give_the_first_answer_again(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    headers = {**test_key, "idempotency-key": '"order-7"'}
    first = await client.post("/v1/messages", headers=headers, json=MESSAGE)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET status = 'delivered', attempts = 1, updated_at = now()"))
    bare = {**test_key, "idempotency-key": "order-7"}
    body = ' { "body": "Your order has shipped.", "to":"+15559876543", "from":"+15551234567"}'
    again = await client.post("/v1/messages", headers={**bare, "content-type": "application/json"}, content=body)
    assert (again.status_code, lasting(again)) == (202, lasting(first))
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await count(engine, "messages") == 1


async def test_the_same_key_with_another_body_is_refused(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    headers = {**test_key, "idempotency-key": "order-7"}
    await client.post("/v1/messages", headers=headers, json=MESSAGE)
    again = await client.post("/v1/messages", headers=headers, json={**MESSAGE, "body": "Another."})
    assert (again.status_code, again.json()["code"]) == (422, "idempotency-key-reused")
    assert await count(engine, "messages") == 1


async def test_a_hundred_identical_requests_at_once_make_one_message(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    headers = {**test_key, "idempotency-key": "order-7"}
    answers = await asyncio.gather(*(client.post("/v1/messages", headers=headers, json=MESSAGE) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert all(lasting(answer) == lasting(answers[0]) for answer in answers)
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert await count(engine, "messages") == 1


async def test_a_refused_request_does_not_use_its_key_up(client: httpx.AsyncClient, live_key: dict[str, str]) -> None:
    headers = {**live_key, "idempotency-key": "order-7"}
    refused = await client.post("/v1/messages", headers=headers, json={**LIVE, "from": "+12025550199"})
    assert refused.json()["code"] == "sender-not-owned"
    assert (await client.post("/v1/messages", headers=headers, json=LIVE)).status_code == 202


async def test_the_same_key_of_another_account_is_another_key(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    other = await tenant(engine, "other", sender=None)
    ids = {
        (await client.post("/v1/messages", headers={**key, "idempotency-key": "k"}, json=MESSAGE)).json()["id"]
        for key in (test_key, basic(other.test))
    }
    assert len(ids) == 2


@pytest.mark.parametrize("key", ["", "a" * 256, "with space", "tab\tbed", '"unclosed', '"a"b"', "caf\xe9"])
async def test_a_malformed_idempotency_key_is_refused(
    client: httpx.AsyncClient, test_key: dict[str, str], key: str
) -> None:
    headers = [*test_key.items(), ("idempotency-key", key.encode("latin-1"))]
    answer = await client.post("/v1/messages", headers=headers, json=MESSAGE)  # type: ignore[arg-type]  # raw bytes on purpose
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")


async def test_a_live_key_needs_one_of_its_accounts_senders(
    client: httpx.AsyncClient, live_key: dict[str, str]
) -> None:
    accepted = await client.post("/v1/messages", headers=live_key, json=LIVE)
    assert (accepted.status_code, accepted.json()["test"]) == (202, False)
    refused = await client.post("/v1/messages", headers=live_key, json={**LIVE, "from": "+15551234567"})
    assert (refused.status_code, refused.json()["code"]) == (403, "sender-not-owned")
    assert refused.json()["errors"][0]["pointer"] == "/from"


async def test_a_live_key_needs_a_valid_number_and_a_test_key_only_a_possible_one(
    client: httpx.AsyncClient, live_key: dict[str, str], test_key: dict[str, str]
) -> None:
    fictional = {**LIVE, "to": "+15559876543"}
    refused = await client.post("/v1/messages", headers=live_key, json=fictional)
    assert (refused.status_code, refused.json()["code"]) == (422, "recipient-invalid")
    assert refused.json()["errors"][0]["code"] == "not-valid"
    assert (await client.post("/v1/messages", headers=test_key, json=fictional)).status_code == 202


async def test_a_national_number_is_refused_with_its_e164_form(
    client: httpx.AsyncClient, live_key: dict[str, str]
) -> None:
    answer = await client.post("/v1/messages", headers=live_key, json={**LIVE, "to": "(212) 555-0123"})
    error = answer.json()["errors"][0]
    assert (error["code"], error["suggestion"]) == ("not-e164", "+12125550123")
    assert "+12125550123" in answer.json()["detail"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"to": "+19005550123"}, "destination-not-allowed", "/to"),
    ({"to": "+870773111632"}, "destination-not-allowed", "/to"),
    ({"to": ["+15559876543"]}, "validation-failed", "/to"),
    ({"to": None}, "validation-failed", "/to"),
    ({"from": "evil\r\nX: y"}, "validation-failed", "/from"),
    ({"body": ""}, "validation-failed", "/body"),
    ({"body": " \u200b\n"}, "validation-failed", "/body"),
    ({"body": "a\u0000b"}, "validation-failed", "/body"),
    ({"body": 7}, "validation-failed", "/body"),
    ({"body": "x" * 1601}, "validation-failed", "/body"),
    ({"body": "x" * 1000}, "message-too-long", "/body"),
    ({"body": "xx", "max_segments": 11}, "validation-failed", "/max_segments"),
    ({"max_segments": True}, "validation-failed", "/max_segments"),
    ({"validity_seconds": 0}, "validation-failed", "/validity_seconds"),
    ({"validity_seconds": 1.5}, "validation-failed", "/validity_seconds"),
    ({"validity_seconds": 10**30}, "validation-failed", "/validity_seconds"),
    ({"delivery_guarantee": "exactly_once"}, "validation-failed", "/delivery_guarantee"),
    ({"metadata": {"k": 1}}, "validation-failed", "/metadata"),
    ({"metadata": {str(n): "" for n in range(51)}}, "validation-failed", "/metadata"),
    ({"metadata": {"k": "a\u0000b"}}, "validation-failed", "/metadata"),
    ({"client_reference": ""}, "validation-failed", "/client_reference"),
    ({"status": "delivered"}, "validation-failed", ""),
    ({"account_id": "x"}, "validation-failed", ""),
]


@pytest.mark.parametrize(("change", "code", "pointer"), BAD)
async def test_an_unacceptable_field_is_named_and_nothing_is_stored(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine, change: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await client.post("/v1/messages", headers=test_key, json={**MESSAGE, **change})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert answer.headers["content-type"] == "application/problem+json"
    assert await count(engine, "messages") == 0


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"", "application/json", 400, "invalid-json"),
        (b"{", "application/json", 400, "invalid-json"),
        (b'{"body": "\\ud800"}', "application/json", 400, "invalid-json"),
        (b'{"body": "\xed\xa0\x80"}', "application/json", 400, "invalid-json"),
        (b'{"max_segments": 1e400}', "application/json", 400, "invalid-json"),
        (b'{"max_segments": NaN}', "application/json", 400, "invalid-json"),
        ('{"body": "x"}'.encode("utf-16"), "application/json", 400, "invalid-json"),
        (b"[" * 100_000, "application/json", 413, "payload-too-large"),
        (b"[" * 60_000, "application/json", 400, "invalid-json"),
        (b"[]", "application/json", 422, "validation-failed"),
        (b"null", "application/json", 422, "validation-failed"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"x" * 65_537, "application/json", 413, "payload-too-large"),
    ],
)
async def test_a_body_that_is_not_a_json_object_of_bounded_size_is_refused(
    client: httpx.AsyncClient, test_key: dict[str, str], content: bytes, media_type: str, status: int, code: str
) -> None:
    answer = await client.post("/v1/messages", headers={**test_key, "content-type": media_type}, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "change",
    [
        {"body": 7, "to": "canary"},
        {"to": "canary"},
        {"from": "canary!!"},
        {"metadata": {"canary": 1}},
        {"canary": 1},
        {"delivery_guarantee": "canary"},
    ],
)
async def test_no_refusal_repeats_what_was_sent(
    client: httpx.AsyncClient, live_key: dict[str, str], change: dict[str, Any]
) -> None:
    answer = await client.post("/v1/messages", headers=live_key, json={**LIVE, **change})
    assert answer.status_code == 422
    assert "canary" not in answer.text


async def test_a_test_key_may_send_from_anything_and_a_live_key_only_from_what_can_be_a_sender(
    client: httpx.AsyncClient, test_key: dict[str, str], live_key: dict[str, str]
) -> None:
    for sender in ("My Company Name", "123456789012", "?"):
        accepted = await client.post("/v1/messages", headers=test_key, json={**MESSAGE, "from": sender})
        assert (accepted.status_code, accepted.json()["from"]) == (202, sender)
        refused = await client.post("/v1/messages", headers=live_key, json={**LIVE, "from": sender})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/from")


async def test_test_and_live_keys_of_an_account_have_idempotency_keys_of_their_own(
    client: httpx.AsyncClient, test_key: dict[str, str], live_key: dict[str, str], engine: Engine
) -> None:
    for key, is_test in ((test_key, True), (live_key, False)):
        answer = await client.post("/v1/messages", headers={**key, "idempotency-key": "order-7"}, json=LIVE)
        assert (answer.status_code, answer.json()["test"]) == (202, is_test)
        assert "idempotent-replayed" not in answer.headers
    assert await count(engine, "messages") == 2


async def test_an_unknown_field_is_answered_with_the_known_ones(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    answer = await client.post("/v1/messages", headers=test_key, json={**MESSAGE, "clientreference": "x"})
    assert "client_reference" in answer.json()["errors"][0]["detail"]
