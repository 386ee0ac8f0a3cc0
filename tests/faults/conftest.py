"""A database of the test's own processes, and an account in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.store.engine import Engine, create_engine
from tests.support.circuits import shorten_openings
from tests.support.gateway import Tenant, tenant


@pytest.fixture
def circuits_in_real_time() -> bool:
    """Whether a circuit stays open as long as in production; most tests here are about providers that often fail."""
    return False


@pytest.fixture
async def engine(own_database_url: str, *, circuits_in_real_time: bool) -> AsyncIterator[Engine]:
    """The engine of this test's own database, which the others do not share."""
    engine = create_engine(own_database_url, application="tests")
    if not circuits_in_real_time:
        await shorten_openings(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    """An account with a test key."""
    return await tenant(engine)
