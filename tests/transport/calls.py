"""How the transport's tests call it: a quick transport, an ordinary request, and what is expected of both."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from app.domain.http import FailurePhase, HttpRequest, TransportFailure
from app.transport import Transport

OK: Final = b'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"id":"SM1"}'
NOT_CONNECTED: Final = FailurePhase.NOT_CONNECTED
CONNECTED: Final = FailurePhase.CONNECTED
SHORT: Final = 0.25
"""Seconds for requests that are meant to run out of time."""

SOON: Final = 2.0
"""Seconds within which a short limit has been kept, on a busy machine too; far less than without the limit."""

_PUBLIC: Final = ssl.create_default_context()


def failure(phase: FailurePhase, reason: str) -> TransportFailure:
    """What is known if no answer came."""
    return TransportFailure(phase=phase, reason=reason)


def post(url: str, *, method: str = "POST", headers: dict[str, str] | None = None) -> HttpRequest:
    """An ordinary request."""
    return HttpRequest(method=method, url=url, headers=headers or {}, body=b"Body=hello")


@asynccontextmanager
async def quick(
    *, connections: int = 256, ssl_context: ssl.SSLContext | None = None, deadline: float = 10, connect: float = 5
) -> AsyncIterator[Transport]:
    """A transport that takes 1,000 bytes of an answer at the most."""
    async with Transport(
        deadline_seconds=deadline,
        connect_seconds=connect,
        max_response_bytes=1000,
        max_connections=connections,
        ssl_context=ssl_context or _PUBLIC,
    ) as transport:
        yield transport


def closed_port_url() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/messages"


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds, five seconds at the most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the kernel and the event loop give no event for it
            await asyncio.sleep(0.005)
