"""The transport that the product uses: one request within its limits, over a pool of its own."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from types import TracebackType
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from app.domain.http import FailurePhase, HttpRequest, HttpResponse, TransportFailure
from app.transport.connections import open_session
from app.transport.flight import FLIGHT, TOO_LATE, Flight
from app.transport.messages import compose, read


class Transport:
    """Performs requests over pooled connections; make one for a process and close it at the end.

    `deadline_seconds` bounds a request from the wait for a free connection to the last byte of the
    answer, and `connect_seconds` the name lookup, TCP and TLS together. `max_response_bytes` bounds
    the answer's body as it comes over the wire; its head is bounded by the parser (128 lines of
    8 KiB). At most `max_connections` are open, to all hosts together. `ssl_context` defaults to
    the public certificate authorities. The environment's proxies are not used.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = 20.0,
        connect_seconds: float = 5.0,
        max_response_bytes: int = 65_536,
        max_connections: int = 256,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Open nothing yet: sockets are opened by the first request, in its event loop."""
        self._deadline_seconds = deadline_seconds
        self._connect_seconds = connect_seconds
        self._max_response_bytes = max_response_bytes
        self._max_connections = max_connections
        self._ssl_context = ssl_context or httpx.create_ssl_context(trust_env=False)
        self._http = AiohttpTransport(client=self._open_session, verify=self._ssl_context)

    async def perform(self, request: HttpRequest, *, not_after: float | None = None) -> HttpResponse | TransportFailure:
        """Write the request at most once and return the answer, whatever its status, or what is known instead.

        Redirects are answers like any other, and bodies are never unpacked. A request that cannot be
        written as it stands (method, URL, header) fails as `invalid-request` before anything is sent.
        The URL may be written in an equal form (`%7E` as `~`). Nothing is raised but `CancelledError`;
        after a cancellation, as after a bug, the outcome is unknown.

        Without a connection by `not_after` (monotonic) it fails as `too-late`, or as `connect-timeout` where there
        was half a second at least to open one, and nothing was sent.
        What has not left this machine when this returns or raises is dropped, and never arrives.
        """
        outgoing = compose(request)
        if outgoing is None:
            return TransportFailure(phase=FailurePhase.NOT_CONNECTED, reason="invalid-request")
        now = asyncio.get_running_loop().time()
        deadline = now + self._deadline_seconds
        latest = math.inf if not_after is None else now + not_after - time.monotonic()
        flight = Flight(
            timer=asyncio.timeout_at(min(deadline, latest)),
            connect_seconds=self._connect_seconds,
            deadline=deadline,
            not_after=latest,
        )
        if flight.is_too_late():
            return TransportFailure(phase=FailurePhase.NOT_CONNECTED, reason=TOO_LATE)
        reset = FLIGHT.set(flight)
        try:
            async with flight.timer:
                return await self._exchange(outgoing)
        except (OSError, aiohttp.ClientError, httpx.HTTPError) as error:
            return flight.failure(error)
        finally:
            flight.end()
            FLIGHT.reset(reset)

    async def aclose(self) -> None:
        """Close every connection; requests under way fail, and no further one may be performed."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _open_session(self) -> aiohttp.ClientSession:
        return open_session(
            deadline_seconds=self._deadline_seconds,
            max_connections=self._max_connections,
            ssl_context=self._ssl_context,
        )

    async def _exchange(self, outgoing: httpx.Request) -> HttpResponse | TransportFailure:
        response = await self._http.handle_async_request(outgoing)
        try:
            body = await read(response, limit=self._max_response_bytes)
        finally:
            await response.aclose()
        if body is None:
            return TransportFailure(phase=FailurePhase.CONNECTED, reason="too-large")
        return HttpResponse(status=response.status_code, headers=dict(response.headers.items()), body=body)
