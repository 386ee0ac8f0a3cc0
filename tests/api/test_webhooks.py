"""Webhook routes: kept if they prove where they come from, acknowledged once more if they repeat, refused if forged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import orjson
import pytest
from sqlalchemy import text

from app.domain.attempt_token import write_token
from app.domain.references import AttemptRef
from app.providers.sandbox import SIGNATURE_HEADER, sign
from app.store.engine import Engine
from tests.support.gateway import PUBLIC_URL, SECRET_KEY, WEBHOOK_SECRET

ATTEMPT = AttemptRef(message_id=UUID("0192f3a0-1234-7abc-8def-0123456789ab"), number=1)
TOKEN = write_token(ATTEMPT, provider="sandbox", secret=SECRET_KEY.encode())
BODY = orjson.dumps(
    {
        "type": "message.status",
        "id": "sbx-1",
        "reference": str(ATTEMPT),
        "status": "delivered",
        "error_code": None,
        "timestamp": "2026-11-22T12:00:00Z",
    }
)


async def post(
    client: httpx.AsyncClient,
    path: str,
    body: bytes = BODY,
    *,
    signed_path: str | None = None,
    at: datetime | None = None,
    secret: str = WEBHOOK_SECRET,
) -> httpx.Response:
    url = f"{PUBLIC_URL}{signed_path or path}"
    signature = sign(secret, now=at or datetime.now(UTC), url=url, body=body)
    return await client.post(path, content=body, headers={SIGNATURE_HEADER: signature})


async def receipts(engine: Engine) -> list[tuple[str, UUID | None, int | None, bytes]]:
    async with engine.connect() as connection:
        query = text("SELECT url, message_id, attempt, body FROM webhook_receipts ORDER BY id")
        return [tuple(row) for row in await connection.execute(query)]


@pytest.mark.parametrize(
    ("path", "message_id"),
    [
        ("/v1/webhooks/sandbox", None),
        ("/v1/webhooks/sandbox/status", None),
        ("/v1/webhooks/sandbox/inbound", None),
        (f"/v1/webhooks/sandbox/status/{TOKEN}", ATTEMPT.message_id),
        (f"/webhooks/sandbox/status/{TOKEN}", ATTEMPT.message_id),
        ("/v1/webhooks/sandbox?a=1&a=%20b", None),
    ],
)
async def test_a_signed_webhook_is_kept_byte_by_byte_before_it_is_acknowledged(
    client: httpx.AsyncClient, engine: Engine, path: str, message_id: UUID | None
) -> None:
    answer = await post(client, path)
    assert answer.status_code == 200
    number = 1 if message_id else None
    assert await receipts(engine) == [(f"{PUBLIC_URL}{path}", message_id, number, BODY)]


async def test_fifty_equal_webhooks_at_once_are_kept_once_and_all_acknowledged(
    client: httpx.AsyncClient, engine: Engine
) -> None:
    answers = await asyncio.gather(*(post(client, "/v1/webhooks/sandbox") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await receipts(engine)) == 1


async def test_an_equal_webhook_after_the_window_is_a_new_one(client: httpx.AsyncClient, engine: Engine) -> None:
    await post(client, "/v1/webhooks/sandbox")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE webhook_digests SET expires_at = now() - interval '1 second'"))
    await post(client, "/v1/webhooks/sandbox")
    assert len(await receipts(engine)) == 2


OTHER = f"/v1/webhooks/sandbox/status/{TOKEN[:-2]}xx"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/v1/webhooks/sandbox", {"secret": "another-secret"}),
        ("/v1/webhooks/sandbox", {"signed_path": "/v1/webhooks/other"}),
        ("/v1/webhooks/sandbox", {"at": datetime.now(UTC) - timedelta(minutes=6)}),
        ("/v1/webhooks/sandbox", {"at": datetime.now(UTC) + timedelta(minutes=60)}),
        (OTHER, {}),
        (f"/v1/webhooks/sandbox/status/{TOKEN.replace('.1.', '.2.')}", {}),
        ("/v1/webhooks/sandbox/status/x", {}),
    ],
)
async def test_a_forged_webhook_is_refused_and_nothing_is_kept(
    client: httpx.AsyncClient, engine: Engine, path: str, change: dict[str, object]
) -> None:
    answer = await post(client, path, **change)  # type: ignore[arg-type]  # a table of keyword arguments
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook-signature-invalid")
    assert await receipts(engine) == []


async def test_an_unsigned_webhook_is_refused(client: httpx.AsyncClient, engine: Engine) -> None:
    answer = await client.post("/v1/webhooks/sandbox", content=BODY)
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook-signature-invalid")
    assert await receipts(engine) == []


async def test_a_forged_host_header_changes_nothing(client: httpx.AsyncClient) -> None:
    signature = sign(WEBHOOK_SECRET, now=datetime.now(UTC), url="https://evil.example/v1/webhooks/sandbox", body=BODY)
    headers = {SIGNATURE_HEADER: signature, "host": "evil.example"}
    assert (await client.post("/v1/webhooks/sandbox", content=BODY, headers=headers)).status_code == 401


async def test_an_unknown_provider_account_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/v1/webhooks/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_a_webhook_may_have_a_mebibyte_and_not_more(client: httpx.AsyncClient, engine: Engine) -> None:
    assert (await post(client, "/v1/webhooks/sandbox", b"x" * 1_048_576)).status_code == 200
    answer = await post(client, "/v1/webhooks/sandbox", b"x" * 1_048_577)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")
    assert len(await receipts(engine)) == 1
