"""HTTP/1.1 on the wire: uvicorn's protocol, but its refusals are problem documents and its memory is bounded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.joined_writes import JoinedWrites
from app.api.middleware import TARGET_LIMIT
from app.api.problems import MEDIA_TYPE, STATUSES, problem_document
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
_NO_TUNNEL: Final = Refusal(ErrorCode.METHOD_NOT_ALLOWED, "This is no proxy. The API is described under /docs.")
_OFFERED: Final = b"GET, HEAD, POST"


class GatewayProtocol(HttpToolsProtocol):
    """One connection. It takes no protocol upgrades: run it with `ws="none"`."""

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

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._received = 0

    def on_headers_complete(self) -> None:
        """Hand the request on. Trailers are not headers: nobody reads them."""
        self._in_head = False
        super().on_headers_complete()
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
        """Answer and close, unless a request is being answered: then its answer is the last one of this connection.

        A refusal sent first would be taken for the answer to that request.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started):
            self._answer(refusal)
        elif cycle.more_body:
            self.transport.close()
        else:
            cycle.keep_alive = False
            self.flow.pause_reading()

    def _answer(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        request_id = uuid.uuid4().hex
        status = HTTPStatus(STATUSES[refusal.code])
        body = orjson.dumps(problem_document(refusal, request_id=request_id))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
            *([(b"allow", _OFFERED)] if status is HTTPStatus.METHOD_NOT_ALLOWED else []),
        ]
        head = [b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()), *(b"%s: %s\r\n" % pair for pair in headers)]
        self.transport.write(b"".join([*head, b"\r\n", body]))
        self.transport.close()
        _log.info("malformed request", status=status.value, request_id=request_id)
