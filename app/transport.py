"""The only outbound HTTP of the product: performs one `HttpRequest` and says what is known if no answer came.

It decides, retries and logs nothing. It speaks httpx's transport interface directly, without
`httpx.AsyncClient`: a client would add headers, keep cookies and log every URL, and halve the throughput.

What a failure means hangs on one fact only, whether a connection was obtained. That is known from
the connector's trace hooks, never from the name of an exception: the libraries report a connection
cut after the request under the same name as a refused one.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace, TracebackType
from typing import Final, Self, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from app.domain.http import FailurePhase, HttpRequest, HttpResponse, TransportFailure
from app.domain.wire import is_host, is_writable

TOO_LATE: Final = "too-late"
"""The reason where no connection was obtained by the caller's latest moment."""

_KEEP_ALIVE_SECONDS: Final = 4.0
"""How long an idle connection is kept: below the 5 s of Node and uvicorn, the shortest common server default,
because a server that closes first leaves us with a request whose outcome nobody knows."""

_NOT_ADDED: Final = ("accept", "accept-encoding", "content-type", "user-agent")
"""What aiohttp would add of its own accord."""


class _Stage(StrEnum):
    """How far a request has come."""

    NEW = "new"
    QUEUED = "queued"
    CONNECTING = "connecting"
    CONNECTED = "connected"


_LATE: Final[Mapping[_Stage, str]] = {
    _Stage.NEW: "deadline",
    _Stage.QUEUED: "pool-timeout",
    _Stage.CONNECTING: "connect-timeout",
    _Stage.CONNECTED: "deadline",
}
"""The reason to give for running out of time at each stage."""


@dataclass(kw_only=True, slots=True)
class _Flight:
    """One request under way; the trace hooks move it along, and its timer with it."""

    timer: asyncio.Timeout
    connect_seconds: float
    deadline: float  # the end of everything, in the event loop's time
    not_after: float  # the latest moment of obtaining a connection, in the same time

    stage: _Stage = _Stage.NEW

    def queue(self) -> None:
        """Wait for a free connection."""
        self.stage = _Stage.QUEUED

    def connect(self) -> None:
        """Open a connection, its name lookup and TLS handshake included, within `connect_seconds`."""
        self.stage = _Stage.CONNECTING
        limit = asyncio.get_running_loop().time() + self.connect_seconds
        self.timer.reschedule(min(self.deadline, limit, self.not_after))

    def obtain(self) -> None:
        """Have a connection: from here on nobody can be sure that the request was not taken.

        Raises `_TooLate` where its moment has passed, which a busy loop notices before its timer does.
        """
        if self.is_too_late():
            raise _TooLate
        self.stage = _Stage.CONNECTED
        self.timer.reschedule(self.deadline)

    def is_too_late(self) -> bool:
        """Whether no connection may be obtained any more; a timer may fire a little early."""
        fired = self.timer.expired() and self.timer.when() == self.not_after
        return fired or asyncio.get_running_loop().time() >= self.not_after

    def failure(self, error: Exception) -> TransportFailure:
        """Say what the end of this flight means."""
        phase = FailurePhase.CONNECTED if self.stage is _Stage.CONNECTED else FailurePhase.NOT_CONNECTED
        if phase is FailurePhase.NOT_CONNECTED and self.is_too_late():
            return TransportFailure(phase=phase, reason=TOO_LATE)
        if self.timer.expired():
            return TransportFailure(phase=phase, reason=_LATE[self.stage])
        cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ is not None else error
        word = _why_cut if phase is FailurePhase.CONNECTED else _why_not_connected
        return TransportFailure(phase=phase, reason=word(cause))


_flight: ContextVar[_Flight] = ContextVar("flight")


class _ConnectionLost(aiohttp.ClientError):
    """A connection broke; stands in for the errors at which aiohttp would send the request again."""


class _TooLate(aiohttp.ClientError):
    """A connection was obtained when the request was not to be sent any more."""


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

        Without a connection by `not_after` (monotonic) it fails as `too-late`, and nothing was sent.
        """
        outgoing = _compose(request)
        if outgoing is None:
            return TransportFailure(phase=FailurePhase.NOT_CONNECTED, reason="invalid-request")
        now = asyncio.get_running_loop().time()
        deadline = now + self._deadline_seconds
        latest = math.inf if not_after is None else now + not_after - time.monotonic()
        flight = _Flight(
            timer=asyncio.timeout_at(min(deadline, latest)),
            connect_seconds=self._connect_seconds,
            deadline=deadline,
            not_after=latest,
        )
        if flight.is_too_late():
            return TransportFailure(phase=FailurePhase.NOT_CONNECTED, reason=TOO_LATE)
        reset = _flight.set(flight)
        try:
            async with flight.timer:
                return await self._exchange(outgoing)
        except (OSError, aiohttp.ClientError, httpx.HTTPError) as error:
            return flight.failure(error)
        finally:
            _flight.reset(reset)

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
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=self._ssl_context
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_send_once,),
            skip_auto_headers=_NOT_ADDED,
            trace_configs=[_tracing()],
            trust_env=False,
        )

    async def _exchange(self, outgoing: httpx.Request) -> HttpResponse | TransportFailure:
        response = await self._http.handle_async_request(outgoing)
        try:
            body = await _read(response, limit=self._max_response_bytes)
        finally:
            await response.aclose()
        if body is None:
            return TransportFailure(phase=FailurePhase.CONNECTED, reason="too-large")
        return HttpResponse(status=response.status_code, headers=dict(response.headers.items()), body=body)


def _compose(request: HttpRequest) -> httpx.Request | None:
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


async def _read(response: httpx.Response, *, limit: int) -> bytes | None:
    """Read the body's raw bytes; None once there are more than `limit`."""
    body = bytearray()
    # Its declared type hides that it is a generator, which has to be closed where it is left halfway.
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                return None
    return bytes(body)


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a GET, PUT or DELETE whose kept-alive connection turned out dead.

    It repeats on two errors and has no public switch, so these leave here under another type.
    """
    try:
        response = await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLost from error
    # Nobody reads the reason phrase, and httpx-aiohttp raises on one that is not UTF-8, leaking the connection.
    response.reason = None
    return response


def _tracing() -> aiohttp.TraceConfig:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_queued_start.append(_on_queued)
    tracing.on_connection_create_start.append(_on_connecting)
    tracing.on_connection_create_end.append(_on_obtained)
    tracing.on_connection_reuseconn.append(_on_obtained)
    return tracing


async def _on_queued(_session: aiohttp.ClientSession, _context: SimpleNamespace, _event: object) -> None:
    _flight.get().queue()


async def _on_connecting(_session: aiohttp.ClientSession, _context: SimpleNamespace, _event: object) -> None:
    _flight.get().connect()


async def _on_obtained(_session: aiohttp.ClientSession, _context: SimpleNamespace, _event: object) -> None:
    _flight.get().obtain()


def _why_not_connected(cause: BaseException) -> str:
    match cause:
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "refused"
        case aiohttp.ClientConnectorError(os_error=ConnectionResetError() | ConnectionAbortedError()):
            # TCP was open, so it was the handshake that the other side broke off.
            return "tls"
        case aiohttp.InvalidURL():
            return "invalid-request"
        case _:
            return "unreachable"


def _why_cut(cause: BaseException) -> str:
    return "garbage" if isinstance(cause, aiohttp.ClientResponseError) else "cut"
