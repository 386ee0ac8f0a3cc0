"""What happens around every request: its id, its log line, and the paths without the /v1 prefix."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import get_logger

_log = get_logger(__name__)
_USABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_REQUEST_ID: Final = b"x-request-id"
_QUIET: Final = frozenset({"/livez", "/readyz", "/healthz"})


class VersionPrefix:
    """Lets `/messages` answer as `/v1/messages`: one rewrite of the path, nothing routed twice.

    `raw_path` stays as the caller wrote it, because webhook signatures are made over that.
    """

    def __init__(self, app: ASGIApp, roots: Iterable[str]) -> None:
        """Take the first path segments under /v1."""
        self._app = app
        self._roots = frozenset(roots)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the prefix where it was left out."""
        if scope["type"] == "http" and scope["path"].split("/", 2)[1:2] and self._is_unprefixed(scope["path"]):
            scope["path"] = f"/v1{scope['path']}"
        await self._app(scope, receive, send)

    def _is_unprefixed(self, path: str) -> bool:
        return path.split("/", 2)[1] in self._roots


class HeadAsGet:
    """Answers HEAD as GET without the body (RFC 9110 section 9.3.2), which load balancers ask for."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the whole, pass on its head."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, send_head)


class RequestLog:
    """Gives each request an id (the caller's X-Request-Id if it is usable), returns it, and logs one line."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the id to everything logged meanwhile."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (_REQUEST_ID, request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                if scope["path"] not in _QUIET:
                    milliseconds = round((time.perf_counter() - started) * 1000, 1)
                    route = getattr(scope.get("route"), "path", None)
                    _log.info("request", method=scope["method"], route=route, status=status, milliseconds=milliseconds)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == _REQUEST_ID), b"").decode("latin-1")
    return given if _USABLE_ID.fullmatch(given) else uuid.uuid4().hex
