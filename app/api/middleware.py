"""What happens around every request to its head: limits and framing, HEAD, and the paths without the /v1 prefix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.domain.errors import ErrorCode, Refusal

HEADERS_LIMIT: Final = 16 * 1024
"""Bytes of all names and values of one request's headers."""

HEADER_COUNT: Final = 100
TARGET_LIMIT: Final = 8 * 1024
"""Bytes of path and query."""

_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})


class HeadGuard:
    """Refuses a head that is too large, or that two servers could read as two different requests.

    It ends the connection too: what follows such a head may not be what it seems to be.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is in order."""
        refusal = _head_refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        scope.setdefault("gateway.headers", []).append((b"connection", b"close"))
        await problem(refusal)(scope, receive, send)


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
        if scope["type"] == "http":
            path = scope["path"]
            if not path.startswith("/v1/") and path[1:].partition("/")[0] in self._roots:
                scope["path"] = f"/v1{path}"
        await self._app(scope, receive, send)


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


def _head_refusal(scope: Scope) -> Refusal | None:
    headers = scope["headers"]
    size = 0
    framing = []
    for name, value in headers:
        size += len(name) + len(value)
        if name in _FRAMING:
            framing.append((name, value))
    if size > HEADERS_LIMIT or len(headers) > HEADER_COUNT:
        limits = f"{HEADER_COUNT} headers and {HEADERS_LIMIT} bytes of them"
        return Refusal(ErrorCode.HEADERS_TOO_LARGE, f"A request may have {limits}. Send fewer or shorter ones.")
    # RFC 9110 has 414 for this; one code serves both, for cause and remedy are alike: the head is too large.
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > TARGET_LIMIT:
        detail = f"Path and query may have {TARGET_LIMIT} bytes. Send a shorter URL."
        return Refusal(ErrorCode.HEADERS_TOO_LARGE, detail)
    # The usual request has a Host and perhaps a length, and is in order if that is a number.
    return _framing_refusal(framing, http_version=scope["http_version"])


def _framing_refusal(framing: list[tuple[bytes, bytes]], *, http_version: str) -> Refusal | None:
    """Judge the headers that say where a request goes and where its body ends (RFC 9112 sections 3.2 and 6)."""
    names = [name for name, _ in framing]
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and http_version == "1.1"):
        return Refusal(ErrorCode.BAD_REQUEST, "Send one Host header.")
    if len(names) - hosts > 1:
        return Refusal(ErrorCode.BAD_REQUEST, "Send one Content-Length, or else Transfer-Encoding: chunked.")
    for name, value in framing:
        if name == b"content-length" and not value.isdigit():
            return Refusal(ErrorCode.BAD_REQUEST, "Content-Length is the number of the body's bytes.")
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            return Refusal(ErrorCode.BAD_REQUEST, "The only Transfer-Encoding that is read here is chunked.")
    return None
