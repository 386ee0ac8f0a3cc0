"""The API under attack, in this process and as two processes, over one database, logging as production does."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import pytest
import structlog
from starlette.types import ASGIApp

from app import telemetry
from app.store.engine import Engine
from tests.attack.asgi import Asked, Headers, application, ask
from tests.attack.gate import COUNT, GENEROUS, MESSAGE, Gate, Judge
from tests.conftest import EMPTY
from tests.support.gateway import Tenant, api_client, basic, tenant
from tests.support.processes import Fleet

BODY_SECONDS: Final = 1
CACHE_SECONDS: Final = 1
"""Of the processes: shorter than by default, so that no test has to wait for long."""


@pytest.fixture(scope="module")
async def database(shared_engine: Engine) -> Engine:
    """The tests' database, emptied once for a module: what is refused leaves nothing behind anyway."""
    async with shared_engine.begin() as connection:
        await connection.exec_driver_sql(EMPTY)
    return shared_engine


@pytest.fixture(scope="module")
async def shop(database: Engine) -> Tenant:
    return await tenant(database, "shop", sender=MESSAGE["from"])


@pytest.fixture(scope="module")
async def rival(database: Engine) -> Tenant:
    """Another account, which owns another sender."""
    return await tenant(database, "rival", sender="+12065550177")


@pytest.fixture(scope="module")
async def app(shared_database_url: str) -> AsyncIterator[ASGIApp]:
    async with api_client(shared_database_url, api=GENEROUS) as client:
        yield application(client)


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What the API has logged since the last call, as production logs it; put back at the end."""
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    configured, requests = structlog.get_config(), dict(vars(telemetry.FAST_LINES))
    telemetry.configure(json=True, component="api")
    yield lambda: capsys.readouterr().err
    vars(telemetry.FAST_LINES).update(requests)
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook
    logging.captureWarnings(capture=False)
    logging.getLogger("uvicorn.access").disabled = False
    structlog.configure(**configured)


@pytest.fixture(scope="module")
async def described(app: ASGIApp) -> bytes:
    return (await ask(app, Asked(method="GET", target="/openapi.json"))).body


@pytest.fixture(scope="module")
async def stored(shared_database_url: str, database: Engine) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Counts every row that a request could make; on a connection of its own, for it is asked at every turn."""
    assert database
    connection = await asyncpg.connect(shared_database_url.replace("+asyncpg", ""))
    query = await connection.prepare(COUNT)
    yield query.fetchval
    await connection.close()


@pytest.fixture
def gate(
    app: ASGIApp, stored: Callable[[], Awaitable[int]], logged: Callable[[], str], described: bytes, shop: Tenant
) -> Gate:
    """The API in this process, limits out of the way."""
    assert shop
    return Gate(ask=partial(ask, app), stored=stored, logged=logged, described=described)


@pytest.fixture(scope="module")
def test_key(shop: Tenant) -> Headers:
    return tuple(basic(shop.test).items())


@pytest.fixture(scope="module")
def live_key(shop: Tenant) -> Headers:
    return tuple(basic(shop.live).items())


@pytest.fixture(scope="module")
def fleets(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Fleet]]:
    """Two API processes over one database."""
    settings = {
        "GATEWAY_API__BODY_SECONDS": str(BODY_SECONDS),
        "GATEWAY_API__KEY_CACHE_SECONDS": str(CACHE_SECONDS),
        "GATEWAY_API__BAD_CREDENTIALS_PER_MINUTE": "1000000",
    }
    one, two = [Fleet(shared_database_url, tmp_path_factory.mktemp(name), **settings) for name in ("one", "two")]
    with one, two:
        one.start("api")
        two.start("api")
        one.wait_until_ready()
        two.wait_until_ready()
        yield one, two
        assert [line for fleet in (one, two) for line in fleet.complaints()] == []


@pytest.fixture
def ports(fleets: tuple[Fleet, Fleet]) -> tuple[int, int]:
    one, two = [urlsplit(fleet.api_url).port or 0 for fleet in fleets]
    return one, two


@pytest.fixture
def port(ports: tuple[int, int]) -> int:
    return ports[0]


@pytest.fixture
def server(fleets: tuple[Fleet, Fleet], stored: Callable[[], Awaitable[int]], shop: Tenant) -> Judge:
    """The judge of the first process."""
    assert shop
    return Judge(stored=stored, logged=log_of(fleets[0]))


def log_of(fleet: Fleet) -> Callable[[], str]:
    """Give what a process logs from now on, as soon as it has logged something."""
    process = fleet.process("api")
    read = len(process.output())

    def new() -> str:
        nonlocal read
        deadline = time.monotonic() + 2
        while len(output := process.output()) == read and time.monotonic() < deadline:
            time.sleep(0.01)
        start, read = read, len(output)
        return output[start:]

    return new
