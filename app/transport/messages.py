"""One request in the client's terms, and the bytes of one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import httpx

from app.domain.http import HttpRequest
from app.domain.wire import is_host, is_writable


def compose(request: HttpRequest) -> httpx.Request | None:
    """Write a request in the client's terms; None if it cannot be put on the wire as it stands."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not is_writable(request.method, headers):
        return None
    try:
        url = httpx.URL(request.url)
    except httpx.InvalidURL:
        return None
    # Credentials in a URL would become an Authorization header beside the adapter's own.
    if url.scheme not in {"http", "https"} or url.userinfo or not is_host(url.raw_host.decode("ascii")):
        return None
    headers["accept-encoding"] = "identity"
    return httpx.Request(request.method, url, headers=headers, content=request.body)


async def read(response: httpx.Response, *, limit: int) -> bytes | None:
    """Read the body's raw bytes; None once there are more than `limit`."""
    body = bytearray()
    # Its declared type hides that it is a generator, which has to be closed where it is left halfway.
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                return None
    return bytes(body)
