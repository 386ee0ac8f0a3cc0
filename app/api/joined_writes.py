"""One packet for one answer: what a turn of the event loop writes to a connection leaves together.

uvicorn writes the head and the body of an answer one after the other, and each write is a system call of ours
and a packet that wakes the caller; both are a good part of what an accepted message costs.
"""

from __future__ import annotations

import asyncio
from typing import Any


class JoinedWrites:
    """A connection's transport whose writes wait for the loop's next turn; everything else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a transport of this loop."""
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write soon, together with what else is written until then."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Write what waits, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        # A caller that has gone takes no answer, and that is no error of ours.
        if waiting and not self._transport.is_closing():
            self._transport.write(b"".join(waiting))
