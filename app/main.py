"""The API process: the FastAPI application, put together from settings."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from app import telemetry
from app.api import (
    accounts,
    audits,
    description,
    errors,
    health,
    messages,
    pausing,
    pools,
    problem_pages,
    problems,
    provider_accounts,
    queues,
    raw_route,
    routes,
    senders,
    sending,
    sending_rates,
    webhooks,
)
from app.api.context import ApiContext
from app.api.middleware import HeadAsGet, HeadGuard, VersionPrefix
from app.api.protocol import GatewayProtocol
from app.api.request_log import LoggedRequests, RequestLog
from app.api.server import GatewayServer
from app.bootstrap import build_api, spare_the_collector
from app.settings import Settings
from app.store.engine import StoreUnavailable, transaction

_log = telemetry.get_logger(__name__)
_ROUTERS: Final = (
    messages.router,
    pools.router,
    routes.router,
    pausing.router,
    senders.router,
    sending_rates.router,
    provider_accounts.router,
    accounts.router,
    queues.router,
    audits.router,
    errors.router,
    problem_pages.router,
    health.router,
)
_RAW_ROUTERS: Final = (webhooks.router, sending.router)
_KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection is kept: longer than callers and proxies keep theirs (5 s to 60 s), because whoever
sends on a connection that is being closed gets no answer and cannot tell what became of the request."""

_STOP_SECONDS: Final = 25
"""From the request to stop until what is still in flight is told to come again; supervisors kill after 30 s."""

_DESCRIPTION: Final = "Send SMS through any provider, and know what became of each message."


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its engine connects when the first request needs it."""
    context = build_api(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(_look_at_the_database(context))
        yield
        looking.cancel()
        await asyncio.wait([looking])
        await context.aclose()

    app = FastAPIOffline(
        title="Messaging Gateway",
        version=version("messaging-gateway"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.context = context
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    for router in _RAW_ROUTERS:
        raw_route.install(app, router)
    description.install(app)
    return app


async def _look_at_the_database(context: ApiContext) -> None:
    """Have what is wrong with the database logged at the start, whoever asks for `/readyz`, and when."""
    try:
        async with transaction(context.engine) as connection:
            await context.soundness.judge(connection)
    except StoreUnavailable as error:
        _log.warning("database unavailable", reason=str(error))


def wrap(app: FastAPI, *, logged: LoggedRequests = LoggedRequests.ALL) -> ASGIApp:
    """Put the middleware around an application: HEAD, request ids, refused heads, unprefixed paths."""
    roots = {path.split("/")[2] for path in app.openapi()["paths"] if path.startswith("/v1/")}
    return HeadAsGet(RequestLog(HeadGuard(VersionPrefix(raw_route.RawLane(app), roots)), logged=logged))


def serve(settings: Settings) -> None:
    """Run the API until SIGTERM; it gives notice, and requests in flight are answered first."""
    telemetry.configure(json=settings.log_json, level=settings.log_level, component="api")
    app = create_app(settings)
    notice_seconds = settings.api.notice_seconds
    config = uvicorn.Config(
        wrap(app, logged=settings.log_requests),
        host=settings.api.host,
        port=settings.api.port,
        http=GatewayProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(_STOP_SECONDS - notice_seconds)),
    )
    spare_the_collector()
    server = GatewayServer(config, notice=app.state.context.notice, notice_seconds=notice_seconds)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
