"""A provider that takes everything: it speaks as much of the sandbox's API as a send needs, and counts.

It listens on a free port of 127.0.0.1 and writes the port to standard output. Then each line of its
standard input is an order, answered by one line; it ends with its standard input. It is one event loop
around bytes, so that it is not what limits.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from dataclasses import dataclass, field
from typing import Any, Final, cast

import uvloop

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "
_REFERENCE: Final = b'"reference":"'
_ID_LENGTH: Final = 36
"""Of a message's id, which a reference begins with."""

_BODY: Final = b'{"id":"sbx_%024d","status":"queued"}'
_ANSWER: Final = (
    b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY % 0) + _BODY
)


@dataclass(kw_only=True)
class Taken:
    """What came since the last reset, and how long an answer is to take."""

    latency_seconds: float = 0.0
    arrivals: array[float] = field(default_factory=lambda: array("d"))
    """When each message came, by the clock that all processes of the machine share."""

    messages: dict[bytes, float] = field(default_factory=dict)
    """When each of them came first, by its id."""

    def take(self, request: bytes) -> bytes:
        """Count one request and give its answer."""
        now = time.monotonic()
        self.arrivals.append(now)
        start = request.find(_REFERENCE) + len(_REFERENCE)
        self.messages.setdefault(request[start : start + _ID_LENGTH], now)
        return _ANSWER % len(self.arrivals)


class _Connection(asyncio.Protocol):
    """Reads one request after the other; none is sent before the one before it is answered."""

    def __init__(self, taken: list[Taken]) -> None:
        self._taken = taken
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        data = self._received + data
        head = data.find(_HEAD_END)
        if head >= 0:
            number = data.lower().index(_LENGTH, 0, head) + len(_LENGTH)
            whole = len(data) >= head + len(_HEAD_END) + int(data[number : data.index(b"\r", number)])
        self._received = b"" if head >= 0 and whole else data
        if not self._received:
            self._answer(data)

    def _answer(self, request: bytes) -> None:
        taken = self._taken[-1]
        answer = taken.take(request)
        if taken.latency_seconds:
            asyncio.get_running_loop().call_later(taken.latency_seconds, self._write, answer)
        else:
            self._transport.write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def obey(order: dict[str, Any], taken: list[Taken]) -> dict[str, Any]:
    """Begin anew where a latency is given, and tell what came: how many, how many different ones, and when.

    Where messages are named, it tells when each of them came first, by the machine's monotonic clock.
    """
    if "latency_seconds" in order:
        taken[:] = [Taken(latency_seconds=order["latency_seconds"])]
    now = taken[-1]
    told: dict[str, Any] = {"requests": len(now.arrivals), "cpu_seconds": time.process_time()}
    if order.get("whole"):
        told |= {"messages": len(now.messages), "arrivals": list(now.arrivals)}
    if "first_seen" in order:
        told["first_seen"] = [now.messages.get(each.encode()) for each in order["first_seen"]]
    return told


def _obey_all(loop: asyncio.AbstractEventLoop, taken: list[Taken]) -> None:
    async def told(line: str) -> str:
        return json.dumps(obey(json.loads(line), taken))

    for line in sys.stdin:
        sys.stdout.write(f"{asyncio.run_coroutine_threadsafe(told(line), loop).result()}\n")
        sys.stdout.flush()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    taken = [Taken()]
    server = await loop.create_server(lambda: _Connection(taken), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, _obey_all, loop, taken)
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
