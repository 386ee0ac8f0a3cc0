"""Who is let in: every way to present a key, and every way to get it wrong."""

from __future__ import annotations

import base64

import httpx
import pytest
from sqlalchemy import text

from app.domain.credentials import Credentials, KeyMode, Scope, new_credentials
from app.main import create_app
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, basic, settings_for

STRANGER = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))
PUBLIC = {
    "/livez",
    "/healthz",
    "/readyz",
    "/version",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/docs/oauth2-redirect",
    "/v1/errors",
    "/v1/errors/{code}",
    "/problems/{code}",
}


async def status(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get("/v1/messages", headers=headers)).status_code


async def test_basic_and_bearer_open_the_same_door(client: httpx.AsyncClient, shop: Tenant) -> None:
    assert await status(client, basic(shop.test)) == 200
    assert await status(client, {"authorization": f"Bearer {shop.test.bearer}"}) == 200
    assert await status(client, {"authorization": f"bearer {shop.test.bearer}"}) == 200


async def test_no_key_is_told_how_to_bring_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/messages")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert "gateway keys create" in answer.json()["detail"]


def encoded(pair: bytes) -> str:
    return f"Basic {base64.b64encode(pair).decode()}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic YQ",
        encoded(b"\xff\xfe:x"),
        encoded(b"no-colon"),
        encoded(b":"),
        f"Bearer {STRANGER.bearer} ",
        f"Bearer\t{STRANGER.bearer}",
        "Digest username=x",
        f"Basic {STRANGER.bearer}",
        basic(STRANGER)["authorization"],
    ],
)
async def test_anything_else_is_refused_alike(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/v1/messages", headers={"authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_wrong_secret_of_a_known_key_is_refused(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE api_keys SET secret_hash = '\\x00' WHERE id = :id"), {"id": shop.test.key_id}
        )
    assert await status(client, basic(shop.test)) == 401


async def test_two_authorization_headers_are_refused(client: httpx.AsyncClient, shop: Tenant) -> None:
    pair = [("authorization", value) for value in (basic(shop.test)["authorization"],) * 2]
    answer = await client.get("/v1/messages", headers=pair)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


async def test_a_revoked_or_expired_key_stops_at_once(client: httpx.AsyncClient, shop: Tenant, engine: Engine) -> None:
    await Administration(engine, ()).revoke_key(shop.test.user)
    assert await status(client, basic(shop.test)) == 401
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE api_keys SET expires_at = now() WHERE id = :id"), {"id": shop.live.key_id}
        )
    assert await status(client, basic(shop.live)) == 401


async def test_several_keys_of_an_account_work_side_by_side(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine
) -> None:
    new = await Administration(engine, ()).create_key(
        account=shop.name, mode=KeyMode.TEST, scopes=[Scope.MESSAGES_READ]
    )
    assert [await status(client, basic(key)) for key in (shop.test, new.credentials)] == [200, 200]


async def test_a_key_does_what_its_scopes_say_and_no_more(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine
) -> None:
    admin = Administration(engine, ())
    reader, writer = [
        (await admin.create_key(account=shop.name, mode=KeyMode.TEST, scopes=[scope])).credentials
        for scope in (Scope.MESSAGES_READ, Scope.MESSAGES_WRITE)
    ]
    message = {"from": "+15551234567", "to": "+15559876543", "body": "Hello"}
    assert (await client.post("/v1/messages", headers=basic(reader), json=message)).status_code == 403
    assert (await client.post("/v1/messages", headers=basic(writer), json=message)).status_code == 202
    assert await status(client, basic(writer)) == 403


async def test_the_last_use_of_a_key_is_noted_only_for_the_right_secret(
    client: httpx.AsyncClient, shop: Tenant, engine: Engine
) -> None:
    async def last_use(credentials: Credentials) -> object:
        async with engine.connect() as connection:
            query = text("SELECT last_used_at FROM api_keys WHERE id = :id")
            return await connection.scalar(query, {"id": credentials.key_id})

    assert await status(client, basic(shop.test)) == 200
    assert await last_use(shop.test) is not None
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE api_keys SET secret_hash = '\\x00'"))
    assert await status(client, basic(shop.live)) == 401
    assert await last_use(shop.live) is None


async def test_a_secret_is_stored_as_a_hash_only(shop: Tenant, engine: Engine) -> None:
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT api_keys::text FROM api_keys"))).scalars().all()
    assert len(rows) == 2
    assert not any(shop.test.secret in row or shop.live.secret in row for row in rows)


async def test_every_route_is_authenticated_or_listed_as_public(
    client: httpx.AsyncClient, shared_database_url: str
) -> None:
    app = create_app(settings_for(shared_database_url))
    for path, operations in app.openapi()["paths"].items():
        if path in PUBLIC or path.startswith("/v1/webhooks/"):
            continue
        for method in operations:
            answer = await client.request(method.upper(), path.replace("{message_id}", "x"))
            assert answer.status_code == 401, f"{method} {path}"
    await app.state.context.aclose()
