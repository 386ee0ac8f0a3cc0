"""Everything around the resources: health, docs, request ids, and answers to what is not offered."""

from __future__ import annotations

import re

import httpx
import pytest
from sqlalchemy import text

from app.api.problems import STATUSES
from app.domain.credentials import KeyMode, new_credentials
from app.domain.errors import TITLES, ErrorCode
from app.store.engine import Engine
from tests.support.gateway import api_client


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz", "/version"])
async def test_health_answers_without_a_key(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_readiness_says_what_is_missing(client: httpx.AsyncClient, engine: Engine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = await client.get("/readyz")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "gateway migrate" in answer.json()["detail"]


async def test_without_a_database_the_answer_is_503_with_retry_after() -> None:
    key = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))
    async with api_client("postgresql+asyncpg://nobody@127.0.0.1:1/none") as client:
        assert (await client.get("/livez")).status_code == 200
        for path in ("/readyz", "/v1/messages"):
            answer = await client.get(path, headers={"authorization": f"Bearer {key.bearer}"})
            assert (answer.status_code, answer.json()["code"]) == (503, "temporarily-unavailable")
            assert int(answer.headers["retry-after"]) > 0


async def test_the_interactive_docs_need_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc"):
        page = await client.get(path)
        assert page.status_code == 200
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert addresses
        for address in addresses:
            assert address.startswith("/"), address
            assert (await client.get(address)).status_code == 200


async def test_the_description_lists_each_resource_once(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/messages",
        "/v1/messages/{message_id}",
        "/v1/messages/{message_id}/events",
        "/v1/webhooks/{provider}",
        "/v1/webhooks/{provider}/status",
        "/v1/webhooks/{provider}/inbound",
        "/v1/webhooks/{provider}/status/{token}",
        "/livez",
        "/readyz",
        "/version",
    }
    sent = document["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"from", "to", "body", "max_segments", "delivery_guarantee"} <= set(sent["properties"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/messages/", 404, "not-found"),
        ("DELETE", "/v1/messages", 405, "method-not-allowed"),
        ("TRACE", "/v1/messages", 405, "method-not-allowed"),
        ("PROPFIND", "/messages", 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
    ],
)
async def test_what_is_not_offered_is_a_problem_document(
    client: httpx.AsyncClient, test_key: dict[str, str], method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path, headers=test_key)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "errors", "request_id"} == set(answer.json())


async def test_a_request_id_is_given_back_and_made_where_it_is_missing_or_unusable(
    client: httpx.AsyncClient,
) -> None:
    given = await client.get("/v1/messages", headers={"x-request-id": "abc-1"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "abc-1"
    for unusable in ("", "a b", "x" * 65, "<script>"):
        made = await client.get("/v1/messages", headers={"x-request-id": unusable})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


def test_every_refusal_has_a_title_and_a_status() -> None:
    assert set(STATUSES) == set(TITLES) == set(ErrorCode)
