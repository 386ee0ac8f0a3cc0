"""Keys that change pools and routes, and the pools of tests."""

from __future__ import annotations

from typing import Any

import httpx

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import basic


async def admin_key(engine: Engine, *, account: str | None, mode: KeyMode = KeyMode.LIVE) -> dict[str, str]:
    """Headers of a new key with the scope `admin`."""
    made = await Administration(engine, ()).create_key(account=account, mode=mode, scopes=[Scope.ADMIN])
    return basic(made.credentials)


async def add_sender(engine: Engine, account: str, address: str) -> str:
    """Add a sender that goes through the sandbox, and give its id."""
    admin = Administration(engine, {"sandbox"})
    return str((await admin.add_sender(account=account, address=address, provider="sandbox", rate=None)).id)


async def make_pool(
    client: httpx.AsyncClient, key: dict[str, str], name: str, *members: str, **asked: Any
) -> dict[str, Any]:
    """Make a pool of these senders, by their ids, and give it as it is shown."""
    made = await client.post("/v1/pools", headers=key, json={"name": name, **asked})
    assert made.status_code == 201, made.text
    pool: dict[str, Any] = made.json()
    for sender_id in members:
        added = await client.put(f"/v1/pools/{pool['id']}/members/{sender_id}", headers=key, json={})
        assert added.status_code == 200, added.text
        pool = added.json()
    return pool
