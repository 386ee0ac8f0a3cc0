"""The id and the one log line of each request; the outermost thing that happens around it.

It lends the request two places in the scope: `gateway.headers`, a list of (name, value) in bytes that are
sent with the response, and `gateway.log`, fields for the log line, under names that the line does not have yet.
"""

from __future__ import annotations

import asyncio
import re
import time
from enum import StrEnum
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import telemetry
from app.api.problems import problem
from app.domain.errors import ErrorCode, Refusal
from app.services.identity import new_request_id

_USABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_REQUEST_ID: Final = b"x-request-id"
_QUIET: Final = frozenset({"/livez", "/readyz", "/healthz"})
_FIRST_FAILURE: Final = 400
_STOPPING: Final = Refusal(
    ErrorCode.TEMPORARILY_UNAVAILABLE,
    "The gateway is stopping. Send the request again in a moment, with the same Idempotency-Key; "
    "without one, it may be accepted twice.",
    retry_after_seconds=2,
)


class LoggedRequests(StrEnum):
    """Which requests leave a line."""

    ALL = "all"
    FAILURES = "failures"
    """Those that were refused or failed, by their HTTP status."""


class RequestLog:
    """Gives each request an id (the caller's X-Request-Id if it is usable), returns it, and logs one line."""

    def __init__(self, app: ASGIApp, *, logged: LoggedRequests = LoggedRequests.ALL) -> None:
        """Wrap an application."""
        self._app = app
        self._least_status = 0 if logged is LoggedRequests.ALL else _FIRST_FAILURE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the id to everything logged meanwhile; answer what is canceled, as a stop does with what is left."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        headers: list[tuple[bytes, bytes]] = []
        fields: dict[str, Any] = {}
        scope["gateway.headers"], scope["gateway.log"] = headers, fields
        started = time.perf_counter()
        status, answering = 500, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, answering
            if message["type"] == "http.response.start":
                status, answering = message["status"], True
                own = (_REQUEST_ID, request_id.encode("ascii"))
                message = {**message, "headers": [*message.get("headers", ()), own, *headers]}
            await send(message)

        with telemetry.bind(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except asyncio.CancelledError:
                if not answering:
                    # What is queued behind it on this connection is not begun any more.
                    headers.append((b"connection", b"close"))
                    await problem(_STOPPING)(scope, receive, send_with_headers)
                raise
            finally:
                if status >= self._least_status and scope["path"] not in _QUIET:
                    telemetry.FAST_LINES.write_request(
                        __name__,
                        request_id=request_id,
                        method=scope["method"],
                        route=getattr(scope.get("route"), "path", None),
                        status=status,
                        milliseconds=round((time.perf_counter() - started) * 1000, 1),
                        fields=fields,
                    )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _REQUEST_ID:
            given: str = value.decode("latin-1")
            return given if _USABLE_ID.fullmatch(given) else new_request_id()
    return new_request_id()
