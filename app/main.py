"""The API process: the FastAPI application, put together from settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from app import telemetry
from app.api import description, health, messages, problems, sending, webhooks
from app.api.middleware import HeadAsGet, RequestLog, VersionPrefix
from app.bootstrap import build_api
from app.settings import Settings

_ROUTERS: Final = (sending.router, messages.router, webhooks.router, health.router)
_DESCRIPTION: Final = "Send SMS through any provider, and know what became of each message."


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its engine connects when the first request needs it."""
    context = build_api(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
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
    description.install(app)
    return app


def wrap(app: FastAPI) -> ASGIApp:
    """Put the middleware around an application: HEAD, unprefixed paths, request ids."""
    roots = {path.split("/")[2] for path in app.openapi()["paths"] if path.startswith("/v1/")}
    return HeadAsGet(RequestLog(VersionPrefix(app, roots)))


def serve(settings: Settings) -> None:
    """Run the API until SIGTERM; requests in flight are answered first."""
    telemetry.configure(json=settings.log_json, level=settings.log_level, component="api")
    uvicorn.run(
        wrap(create_app(settings)),
        host=settings.api.host,
        port=settings.api.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=round(settings.dispatch.drain_seconds),
    )
