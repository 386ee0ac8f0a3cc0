"""Canceling over the API: the answer, the refusals, and what is read afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import basic, ops_key, tenant

MESSAGE = {"from": "+15551234567", "to": "+15559876543", "body": "Your parcel comes tomorrow."}
LIVE = {"from": "+12025550100", "to": "+12125550123", "body": "Your parcel comes tomorrow."}
PROBLEM = {"type", "title", "status", "detail", "code", "errors", "request_id"}
UNKNOWN = "0192f3a0-1234-7abc-8def-0123456789ab"


async def send(client: httpx.AsyncClient, key: dict[str, str], **change: str) -> str:
    answer = await client.post("/v1/messages", headers=key, json={**MESSAGE, **change})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def stand(engine: Engine, message_id: str, status: str) -> None:
    """Let a message stand somewhere, as if it had come there."""
    async with engine.begin() as connection:
        query = text("UPDATE messages SET status = :status WHERE id = :id")
        await connection.execute(query, {"id": message_id, "status": status})


async def test_a_canceled_message_is_answered_as_it_stands_and_keeps_its_history(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    message_id = await send(client, test_key)
    answer = await client.post(f"/v1/messages/{message_id}/cancel", headers=test_key)
    assert answer.status_code == 200
    read = await client.get(f"/v1/messages/{message_id}", headers=test_key)
    assert answer.json() == read.json()
    assert (read.json()["status"], read.json()["error_code"], read.json()["attempts"]) == ("canceled", None, 0)
    assert read.json()["final_at"] == read.json()["updated_at"]
    events = (await client.get(f"/v1/messages/{message_id}/events", headers=test_key)).json()["data"]
    assert [(e["source"], e["previous"], e["status"]) for e in events] == [
        ("api", None, "queued"),
        ("api", "queued", "canceled"),
    ]
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM dispatch_queue")) == 0


async def test_a_scheduled_message_is_canceled_and_found_by_its_status(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    first, second = await send(client, test_key, send_at=later), await send(client, test_key, send_at=later)
    assert (await client.post(f"/v1/messages/{first}/cancel", headers=test_key)).json()["status"] == "canceled"
    for status, found in (("canceled", first), ("scheduled", second)):
        listed = (await client.get("/v1/messages", headers=test_key, params={"status": status})).json()["data"]
        assert [message["id"] for message in listed] == [found]


async def test_the_unprefixed_path_and_an_id_in_upper_case_do_the_same(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    message_id = await send(client, test_key)
    answer = await client.post(f"/messages/{message_id.upper()}/cancel", headers=test_key)
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, message_id, "canceled")


@pytest.mark.parametrize(
    "status",
    ["sending", "sent", "delivered", "undelivered", "failed", "expired", "unconfirmed", "canceled", "received"],
)
async def test_what_can_no_longer_be_canceled_is_refused_with_its_present_status(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine, status: str
) -> None:
    message_id = await send(client, test_key)
    await stand(engine, message_id, status)
    answer = await client.post(f"/v1/messages/{message_id}/cancel", headers=test_key)
    assert (answer.status_code, answer.json()["code"]) == (409, "not-cancelable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["message_status"] == status
    assert set(answer.json()) >= PROBLEM
    assert (await client.get(f"/v1/messages/{message_id}", headers=test_key)).json()["status"] == status


async def test_a_held_message_is_canceled(client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine) -> None:
    message_id = await send(client, test_key)
    await stand(engine, message_id, "held")
    answer = await client.post(f"/v1/messages/{message_id}/cancel", headers=test_key)
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


async def test_nobody_cancels_what_is_not_theirs(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    mine = await send(client, test_key)
    stranger = basic((await tenant(engine, "stranger", sender=None)).test)
    answers = [await client.post(f"/v1/messages/{one}/cancel", headers=stranger) for one in (mine, UNKNOWN, "x")]
    assert {answer.status_code for answer in answers} == {404}
    theirs, nobodys, malformed = ({**answer.json(), "request_id": ""} for answer in answers)
    assert theirs == nobodys == malformed
    assert (await client.get(f"/v1/messages/{mine}", headers=test_key)).json()["status"] == "queued"


async def test_a_key_without_the_scope_cancels_nothing(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    message_id = await send(client, test_key)
    made = await Administration(engine, ()).create_key(account="shop", mode=KeyMode.TEST, scopes=[Scope.MESSAGES_READ])
    for key, status in ((basic(made.credentials), 403), (basic(await ops_key(engine)), 403), ({}, 401)):
        assert (await client.post(f"/v1/messages/{message_id}/cancel", headers=key)).status_code == status
    assert (await client.get(f"/v1/messages/{message_id}", headers=test_key)).json()["status"] == "queued"


async def test_a_test_key_cancels_test_messages_only_and_a_live_key_both(
    client: httpx.AsyncClient, test_key: dict[str, str], live_key: dict[str, str]
) -> None:
    live, test = await send(client, live_key, **LIVE), await send(client, test_key)
    refused = await client.post(f"/v1/messages/{live}/cancel", headers=test_key)
    assert (refused.status_code, refused.json()["code"]) == (404, "not-found")
    for message_id in (live, test):
        answer = await client.post(f"/v1/messages/{message_id}/cancel", headers=live_key)
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


async def test_canceling_takes_no_other_method(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    message_id = await send(client, test_key)
    answer = await client.get(f"/v1/messages/{message_id}/cancel", headers=test_key)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_replay_of_the_request_for_a_canceled_message_gives_its_first_answer(
    client: httpx.AsyncClient, test_key: dict[str, str]
) -> None:
    headers = {**test_key, "idempotency-key": "order-7"}
    asked = {**MESSAGE, "send_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    first = await client.post("/v1/messages", headers=headers, json=asked)
    await client.post(f"/v1/messages/{first.json()['id']}/cancel", headers=test_key)
    again = await client.post("/v1/messages", headers=headers, json=asked)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.json() == first.json()
