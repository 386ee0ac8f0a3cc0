"""A database of the test's own processes, and an account in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.store.engine import Engine, create_engine
from tests.support.gateway import Tenant, tenant


@pytest.fixture
async def engine(own_database_url: str) -> AsyncIterator[Engine]:
    """The engine of this test's own database, which the others do not share."""
    engine = create_engine(own_database_url, application="tests")
    yield engine
    await engine.dispose()


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    """An account with a test key."""
    return await tenant(engine)
