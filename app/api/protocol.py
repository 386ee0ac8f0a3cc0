"""HTTP/1.1 on the wire: uvicorn's protocol, but its refusals are problem documents and its memory is bounded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.joined_writes import JoinedWrites
from app.api.middleware import TARGET_LIMIT
from app.api.problems import MEDIA_TYPE, STATUSES, problem_document
from app.api.server import NoticedState
from app.domain.errors import ErrorCode, Refusal
from app.telemetry import get_logger

_log = get_logger(__name__)

WHOLE: Final = "gateway.whole"
"""Stands in the scope of a request whose body had come when the request was handed on: there is nothing to wait for."""

_HEAD_LIMIT: Final = 64 * 1024
"""Bytes of request line and headers after which their end is no longer waited for; the middleware refuses less."""

_REQUEST_LIMIT: Final = 4 * 1024 * 1024
"""Bytes after which a request is cut off that the application has not ended: it may go on in trailers for ever."""

_MALFORMED: Final = Refusal(
    ErrorCode.BAD_REQUEST, "This is not HTTP/1.1 as RFC 9112 writes it. Use an HTTP library, and http:// on this port."
)
_TOO_LARGE: Final = Refusal(
    ErrorCode.HEADERS_TOO_LARGE, "The request line or the headers are too long. Send fewer or shorter ones."
)
_NO_END: Final = Refusal(ErrorCode.PAYLOAD_TOO_LARGE, "The body has no end. Send less, in fewer chunks.")
_CUT_SHORT: Final = Refusal(ErrorCode.BAD_REQUEST, "The request ended before its body did.")
_NO_TUNNEL: Final = Refusal(ErrorCode.METHOD_NOT_ALLOWED, "This is no proxy. The API is described under /docs.")
_OFFERED: Final = b"GET, HEAD, POST"


class GatewayProtocol(HttpToolsProtocol):
    """One connection of a `GatewayServer`. It takes no protocol upgrades: run it with `ws="none"`."""

    server_state: NoticedState
    url = b""
    _in_head = False
    _received = 0
    """Bytes since the request began, without the piece that it began in."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", JoinedWrites(transport, self.loop))

    def data_received(self, data: bytes) -> None:
        """Take a piece of the stream."""
        self._received += len(data)
        super().data_received(data)
        if self._received > _HEAD_LIMIT and not self.transport.is_closing():
            if self._in_head:
                self._refuse(_TOO_LARGE)
            elif self._received > _REQUEST_LIMIT:
                self._cut_off()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never keeps a connection open
        """Keep the connection for the answers that are due to a caller who only says that it sends no more.

        A body that is still waited for never comes: no answer is due to that request, unless it is one in a queue.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete or (cycle.more_body and not self._is_queued()):
            # The event loop closes the transport itself, which does not know of the answer that waits to be written.
            self.transport.close()
            return False
        if cycle.more_body:
            self._answer_in_turn(_CUT_SHORT)
        cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._received = 0

    def on_headers_complete(self) -> None:
        """Hand the request on; the last one here, if the process is about to stop.

        Trailers are not headers: nobody reads them.
        """
        self._in_head = False
        super().on_headers_complete()
        if self.server_state.notice.given:
            self.cycle.keep_alive = False
        self.headers = []

    def on_message_complete(self) -> None:
        """Note that the body is there, for a request that nobody has looked at yet as well as for one under way."""
        super().on_message_complete()
        cast("MutableMapping[str, Any]", self.scope)[WHOLE] = True

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what cannot be parsed."""
        self._refuse(self._what_is_wrong())

    def _what_is_wrong(self) -> Refusal:
        # A URL beyond 64 KiB, and the target of CONNECT, which is no URL, cannot be parsed as one.
        if len(self.url) > TARGET_LIMIT:
            return _TOO_LARGE
        return _NO_TUNNEL if self.parser.get_method() == b"CONNECT" else _MALFORMED

    def _cut_off(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._refuse(_NO_END)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and close, but not before every request that came earlier has its answer.

        A refusal sent first would be taken for the answer to one of them. What comes behind a whole request gets
        no answer: the one to that request is the last one of this connection.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._answer(refusal)
        elif not cycle.more_body:
            cycle.keep_alive = False
            self.flow.pause_reading()
        elif self._is_queued():
            self._answer_in_turn(refusal)
            self.flow.pause_reading()
        elif cycle.response_started:
            self.transport.close()
        else:
            self._answer(refusal)

    def _is_queued(self) -> bool:
        """Tell whether the latest request waits until an earlier one is answered; uvicorn puts it in front."""
        return bool(self.pipeline) and self.pipeline[0][0] is self.cycle

    def _answer_in_turn(self, refusal: Refusal) -> None:
        """Let the latest request, which is queued, be refused instead of handled when its turn comes."""
        cycle = self.cycle
        cycle.more_body = False
        cycle.keep_alive = False
        self.pipeline[0] = (cycle, cast("Any", _refusing(_written(refusal))))

    def _answer(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        given = _written(refusal)
        status = given.status
        headers = [*self.server_state.default_headers, *given.headers]
        head = [b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()), *(b"%s: %s\r\n" % pair for pair in headers)]
        self.transport.write(b"".join([*head, b"\r\n", given.body]))
        self.transport.close()
        given.log()


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A refusal as it goes out."""

    status: HTTPStatus
    request_id: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def log(self) -> None:
        _log.info("malformed request", status=self.status.value, request_id=self.request_id)


def _written(refusal: Refusal) -> _Written:
    request_id = uuid.uuid4().hex
    status = HTTPStatus(STATUSES[refusal.code])
    body = orjson.dumps(problem_document(refusal, request_id=request_id))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
        *([(b"allow", _OFFERED)] if status is HTTPStatus.METHOD_NOT_ALLOWED else []),
    ]
    return _Written(status=status, request_id=request_id, headers=headers, body=body)


def _refusing(given: _Written) -> ASGIApp:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": given.status.value, "headers": given.headers})
        await send({"type": "http.response.body", "body": given.body})
        given.log()

    return refuse
