"""The server of the API process, and how it ends: it says so, serves on for a while, then answers what is left.

A proxy learns that a process is about to go only from its `/readyz` or from a refused connection. So a process that is
asked to stop is not ready any more, ends each connection with its answer, and listens on until proxies had the time to
notice; only then does it refuse connections.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.server import ServerState

_TICK_SECONDS: Final = 0.1


@dataclass(kw_only=True)
class Notice:
    """Whether this process is about to stop."""

    given: bool = False


class NoticedState(ServerState):
    """What the server's connections share, with the notice among it."""

    def __init__(self, notice: Notice) -> None:
        """Take the notice of the process."""
        super().__init__()
        self.notice = notice


class GatewayServer(uvicorn.Server):
    """Runs the API until SIGTERM, which gives notice, or SIGINT, which gives none.

    A second signal ends the notice; a third one, what is in flight. The process ends with 0 all the same.
    """

    def __init__(self, config: uvicorn.Config, *, notice: Notice, notice_seconds: float) -> None:
        """Take what `/readyz` and the connections look at, and how long to serve on."""
        super().__init__(config)
        self.server_state: NoticedState = NoticedState(notice)
        self._notice = notice
        self._notice_seconds = notice_seconds
        self._notice_ends = 0.0
        """On the monotonic clock."""

        self._closing = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Go one step further towards the end. uvicorn would end the process by the signal once more, not with 0."""
        if self._closing:
            self.force_exit = True
        elif self._notice.given or sig == signal.SIGINT:
            self._notice_ends = 0.0
        else:
            self._notice_ends = time.monotonic() + self._notice_seconds
        self._notice.given = True
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve until asked to stop, and through the notice."""
        await super().main_loop()
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False
        while time.monotonic() < self._notice_ends:
            await self.on_tick(0)
            await asyncio.sleep(_TICK_SECONDS)
        self._closing = True
