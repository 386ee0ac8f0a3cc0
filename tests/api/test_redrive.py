"""Redriving over the API: who may, what is answered, and that a second call does nothing."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, basic, tenant

MESSAGE = {"from": "+15551234567", "to": "+15559876543", "body": "Your parcel comes tomorrow."}
LIVE = {**MESSAGE, "from": "+12025550100", "to": "+12125550123"}
UNKNOWN = "0192f3a0-1234-7abc-8def-0123456789ab"

SET_ASIDE = """
WITH gone AS (DELETE FROM dispatch_queue WHERE message_id = :id)
UPDATE messages SET status = 'failed', error_code = 'poison', attempts = 3, final_at = now() WHERE id = :id
"""


async def admin_key(engine: Engine, *, account: str | None, mode: KeyMode = KeyMode.LIVE) -> dict[str, str]:
    admin = Administration(engine, ())
    return basic((await admin.create_key(account=account, mode=mode, scopes=[Scope.ADMIN])).credentials)


async def set_aside(
    client: httpx.AsyncClient, key: dict[str, str], engine: Engine, document: dict[str, str] = MESSAGE
) -> str:
    """Send a message, and let it stand as if three workers had died over it."""
    answer = await client.post("/v1/messages", headers=key, json=document)
    message_id = str(answer.json()["id"])
    async with engine.begin() as connection:
        await connection.execute(text(SET_ASIDE), {"id": message_id})
    return message_id


async def redrive(client: httpx.AsyncClient, message_id: str, key: dict[str, str]) -> httpx.Response:
    return await client.post(f"/v1/messages/{message_id}/redrive", headers=key)


async def test_a_message_that_was_set_aside_is_queued_again_once(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    message_id, operator = await set_aside(client, test_key, engine), await admin_key(engine, account=None)
    answer = await redrive(client, message_id, operator)
    assert answer.status_code == 200
    # The key may not read: neither the numbers nor the text are its business.
    assert answer.json() == {"id": message_id, "status": "queued", "error_code": None}
    assert (await client.get(f"/v1/messages/{message_id}", headers=test_key)).json()["status"] == "queued"
    events = (await client.get(f"/v1/messages/{message_id}/events", headers=test_key)).json()["data"]
    assert (events[-1]["source"], events[-1]["status"], events[-1]["reason"]) == ("api", "queued", "redriven")
    again = await redrive(client, message_id, operator)
    assert (again.status_code, again.json()["code"], again.json()["message_status"]) == (
        409,
        "not-redrivable",
        "queued",
    )
    async with engine.connect() as connection:
        queued = (await connection.execute(text("SELECT work, crashes FROM dispatch_queue"))).all()
        audited = (await connection.execute(text("SELECT action, detail FROM audit_events"))).all()
    assert [tuple(row) for row in queued] == [("send_alone", 1)]
    assert [tuple(row) for row in audited] == [("messages.redrive", {"message_id": message_id})] * 2


async def test_a_key_of_an_account_redrives_its_own_messages_and_a_test_key_test_messages(
    client: httpx.AsyncClient, test_key: dict[str, str], live_key: dict[str, str], shop: Tenant, engine: Engine
) -> None:
    live, test = await set_aside(client, live_key, engine, LIVE), await set_aside(client, test_key, engine)
    rival = await tenant(engine, "rival", sender=None)
    for key, message_id in (
        (await admin_key(engine, account=rival.name), live),
        (await admin_key(engine, account=shop.name, mode=KeyMode.TEST), live),
        (await admin_key(engine, account=None), UNKNOWN),
        (await admin_key(engine, account=None), "x"),
    ):
        answer = await redrive(client, message_id, key)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    for key, message_id in (
        (await admin_key(engine, account=shop.name), live),
        (await admin_key(engine, account=shop.name, mode=KeyMode.TEST), test),
    ):
        assert (await redrive(client, message_id, key)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "status = 'failed', error_code = 'landline'",
        "status = 'queued', error_code = NULL",
        "status = 'delivered', error_code = NULL",
        "status = 'failed', error_code = 'poison', expires_at = now() - interval '1 second'",
    ],
    ids=["refused", "queued", "delivered", "stale"],
)
async def test_nothing_else_is_redriven(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine, change: str
) -> None:
    message_id = await set_aside(client, test_key, engine)
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE messages SET {change} WHERE id = :id"), {"id": message_id})
    answer = await redrive(client, message_id, await admin_key(engine, account=None))
    assert (answer.status_code, answer.json()["code"]) == (409, "not-redrivable")


async def test_a_key_that_sends_and_reads_may_not_redrive(
    client: httpx.AsyncClient, test_key: dict[str, str], engine: Engine
) -> None:
    message_id = await set_aside(client, test_key, engine)
    assert (await redrive(client, message_id, test_key)).status_code == 403
    assert (await client.post(f"/v1/messages/{message_id}/redrive")).status_code == 401
