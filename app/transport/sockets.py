"""The sockets to providers: what the kernel holds unsent when a request is given up never leaves it.

An attempt that was given up is looked for and may be sent again. So its first request must not arrive later.
"""

from __future__ import annotations

import math
import socket
import struct
from typing import Final

import aiohttp

_DISCARD: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on and for no time: to close is to reset the connection, and to drop what was not sent."""


def opener(*, deadline_seconds: float) -> aiohttp.SocketFactoryType:
    """Give what opens a socket on which nothing waits to be sent, or to be acknowledged, for longer than a send may.

    It resets its connection from the start and at every close, not only where a request is given up: a
    process that is killed closes its sockets too, and cannot choose any more; by default the kernel would
    go on to deliver what it holds for a quarter of an hour. A reset after the answer was read takes
    nothing from anybody: the request was read before it, and so was the answer. An idle connection ends
    with a reset too, which costs a line in somebody's log at the most.
    """
    milliseconds = max(math.ceil(deadline_seconds * 1000), 1)

    def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # For a process that stands still: it closes nothing, and its kernel would go on to deliver. Only Linux
            # has it.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        return made

    return open_socket
