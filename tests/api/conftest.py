"""The API in this process, over an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from app.store.engine import Engine
from tests.support.gateway import Tenant, api_client, basic, tenant


@pytest.fixture(scope="session")
async def shared_client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    # All tests share one address here, and many bring a wrong key on purpose.
    async with api_client(shared_database_url, api={"bad_credentials_per_minute": 1_000_000}) as client:
        yield client


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    """An account on the emptied database."""
    return await tenant(engine)


@pytest.fixture
async def client(shared_client: httpx.AsyncClient, shop: Tenant) -> httpx.AsyncClient:
    """A client without credentials; each request brings its own."""
    assert shop
    return shared_client


@pytest.fixture
def test_key(shop: Tenant) -> dict[str, str]:
    """Headers of the shop's test key."""
    return basic(shop.test)


@pytest.fixture
def live_key(shop: Tenant) -> dict[str, str]:
    """Headers of the shop's live key."""
    return basic(shop.live)
