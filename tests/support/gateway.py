"""A gateway for tests: settings that fit a database, its API in this process, accounts with keys."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx

from app.domain.credentials import Credentials, KeyMode, Scope
from app.main import create_app, wrap
from app.services.administration import SENDING_SCOPES, Administration
from app.settings import Settings, load_settings
from app.store.engine import Engine

SECRET_KEY = "a-secret-of-the-tests-that-is-long-enough"
WEBHOOK_SECRET = "sandbox-webhook-secret"
PUBLIC_URL = "https://gateway.example"
SANDBOX: Final[dict[str, Any]] = {
    "webhook_secret": WEBHOOK_SECRET,
    "url": "http://127.0.0.1:1",
    "evidence": "webhook",
    "records": False,
}
"""Nobody listens there: a sandbox that somebody runs on this machine is none of the tests' business."""

FAST: Final = Decimal(10_000)
"""Segments per second of a sender whose rate is not what a test is about."""


def settings_for(database_url: str, **given: Any) -> Settings:
    """Give settings for a database; more may be given."""
    return load_settings(
        **{
            "database_url": database_url,
            "secret_key": SECRET_KEY,
            "public_url": PUBLIC_URL,
            "sandbox": SANDBOX,
            **given,
            "database": {"allow_unsafe": True, **given.get("database", {})},
            "dispatch": {"start_spread_seconds": 0, **given.get("dispatch", {})},
        }
    )


def basic(credentials: Credentials) -> dict[str, str]:
    """Write the header of HTTP Basic."""
    pair = f"{credentials.user}:{credentials.secret}".encode()
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """An account with keys to use."""

    name: str
    test: Credentials
    live: Credentials


async def tenant(engine: Engine, name: str = "shop", sender: str | None = "+12025550100") -> Tenant:
    """Make an account with a test key, a live key and a sender that goes through the sandbox."""
    admin = Administration(engine, {"sandbox"})
    await admin.create_account(name)
    if sender is not None:
        await admin.add_sender(account=name, address=sender, provider="sandbox", rate=FAST)
    test, live = [
        await admin.create_key(account=name, mode=mode, scopes=SENDING_SCOPES) for mode in (KeyMode.TEST, KeyMode.LIVE)
    ]
    return Tenant(name=name, test=test.credentials, live=live.credentials)


async def ops_key(engine: Engine) -> Credentials:
    """Make a key that reads all accounts."""
    made = await Administration(engine, ()).create_key(account=None, mode=KeyMode.LIVE, scopes=[Scope.OPS_READ])
    return made.credentials


@asynccontextmanager
async def api_client(database_url: str, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the API in this process."""
    app = create_app(settings_for(database_url, **given))
    transport = httpx.ASGITransport(app=wrap(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        yield client
    await app.state.context.aclose()
