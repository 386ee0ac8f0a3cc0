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
from app.store.schema import known_revisions
from tests.support.gateway import api_client


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz", "/version"])
async def test_health_answers_without_a_key(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_readiness_says_what_is_missing(client: httpx.AsyncClient, engine: Engine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    answer = await client.get("/readyz")
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO alembic_version VALUES ('ffff')"))
    newer = await client.get("/readyz")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": known_revisions()[0]})
    assert newer.status_code == 200
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


async def test_the_description_is_served_whole(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {
        "/v1/messages",
        "/v1/messages/{message_id}",
        "/v1/messages/{message_id}/events",
        "/v1/messages/{message_id}/cancel",
        "/v1/messages/{message_id}/redrive",
        "/v1/pools",
        "/v1/pools/{pool_id}",
        "/v1/pools/{pool_id}/members/{sender_id}",
        "/v1/routes",
        "/v1/routes/{route_id}",
        "/v1/senders/{sender_id}/pause",
        "/v1/senders/{sender_id}/resume",
        "/v1/accounts/{account_id}/pause",
        "/v1/accounts/{account_id}/resume",
        "/v1/providers/{provider}/pause",
        "/v1/providers/{provider}/resume",
        "/v1/queues",
        "/v1/senders",
        "/v1/senders/{sender_id}",
        "/v1/sending-rates",
        "/v1/sending-rates/{number_type}",
        "/v1/sending-rates/{number_type}/{campaign_class}",
        "/v1/providers",
        "/v1/providers/{provider}",
        "/v1/accounts",
        "/v1/accounts/{account_id}",
        "/v1/audits/{provider}",
        "/v1/errors",
        "/v1/errors/{code}",
        "/problems/{code}",
        "/v1/webhooks/{provider}",
        "/v1/webhooks/{provider}/status",
        "/v1/webhooks/{provider}/inbound",
        "/v1/webhooks/{provider}/status/{token}",
        "/livez",
        "/readyz",
        "/version",
    }


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


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/messages", "GET, HEAD, POST"),
        ("OPTIONS", "/messages", "GET, HEAD, POST"),
        ("PUT", "/v1/webhooks/sandbox", "GET, HEAD, POST"),
        ("POST", "/livez", "GET, HEAD"),
    ],
)
async def test_a_405_lists_every_method_of_its_path(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_head_is_get_without_a_body(client: httpx.AsyncClient, test_key: dict[str, str]) -> None:
    for path in ("/livez", "/v1/messages"):
        head, get = [await client.request(method, path, headers=test_key) for method in ("HEAD", "GET")]
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


async def test_a_get_webhook_is_refused_where_the_provider_sends_none(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/webhooks/sandbox")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")


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
