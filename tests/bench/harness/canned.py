"""A peer that answers every request with the same 202, to find what the load generator itself can do.

It listens on a free port of 127.0.0.1, writes the port to standard output, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final, cast

import uvloop

_BODY: Final = b'{"id":"0192f3a0-1234-7abc-8def-0123456789ab","status":"queued"}'.ljust(400)
_ANSWER: Final = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class _Peer(asyncio.Protocol):
    """Each of the client's requests arrives in one piece, so that one piece is one request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        del data
        self._transport.write(_ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Peer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
