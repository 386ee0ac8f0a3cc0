"""The pool of connections: aiohttp's, which tells each flight how far it has come and repeats nothing."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from app.transport.flight import FLIGHT, TooLate
from app.transport.sockets import opener

_KEEP_ALIVE_SECONDS: Final = 4.0
"""How long an idle connection is kept: below the 5 s of Node and uvicorn, the shortest common server default,
because a server that closes first leaves us with a request whose outcome nobody knows."""

_NOT_ADDED: Final = ("accept", "accept-encoding", "content-type", "user-agent")
"""What aiohttp would add of its own accord."""


class _ConnectionLost(aiohttp.ClientError):
    """A connection broke; stands in for the errors at which aiohttp would send the request again."""


class _Connector(aiohttp.TCPConnector):
    """Gives each flight its connection, or takes it back: one that a trace hook refused would stay open, uncounted."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            FLIGHT.get().obtain(connection)
        except TooLate:
            connection.release()
            raise
        return connection


def open_session(
    *, deadline_seconds: float, max_connections: int, ssl_context: ssl.SSLContext
) -> aiohttp.ClientSession:
    """Make the pool; it has to be made in the event loop that it will serve."""
    return aiohttp.ClientSession(
        connector=_Connector(
            limit=max_connections,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            socket_factory=opener(deadline_seconds=deadline_seconds),
            ssl=ssl_context,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_send_once,),
        skip_auto_headers=_NOT_ADDED,
        trace_configs=[_tracing()],
        trust_env=False,
    )


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
    return tracing


async def _on_queued(_session: aiohttp.ClientSession, _context: SimpleNamespace, _event: object) -> None:
    FLIGHT.get().queue()


async def _on_connecting(_session: aiohttp.ClientSession, _context: SimpleNamespace, _event: object) -> None:
    FLIGHT.get().connect()
