"""A real API process over a database of its own, and an account with keys to ask it with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.engine import create_engine
from tests.support.gateway import Tenant, tenant
from tests.support.processes import Fleet

UNLIMITED = {
    "GATEWAY_API__REQUESTS_PER_SECOND": "1000000",
    "GATEWAY_API__BAD_CREDENTIALS_PER_MINUTE": "1000000",
    "GATEWAY_API__BODY_SECONDS": "2",
}
"""A generator of requests is no caller to slow down."""


@pytest.fixture
def fleet(own_database_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """An API that answers; nobody sends what it accepts."""
    with Fleet(own_database_url, tmp_path, **UNLIMITED) as fleet:
        fleet.start("api")
        fleet.wait_until_ready()
        yield fleet
        assert fleet.complaints() == []


@pytest.fixture
def shop(own_database_url: str) -> Tenant:
    """An account with keys."""
    return asyncio.run(_tenant(own_database_url))


async def _tenant(database_url: str) -> Tenant:
    engine = create_engine(database_url, application="tests", pool_size=4)
    try:
        return await tenant(engine)
    finally:
        await engine.dispose()
