"""One request under way: how far it has come, when it is late, and what its end means.

What a failure means hangs on one fact only, whether a connection was obtained. That is known from
the connector, never from the name of an exception: the libraries report a connection cut after the
request under the same name as a refused one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import aiohttp
import httpx
from aiohttp.connector import Connection

from app.domain.http import FailurePhase, TransportFailure
from app.transport.reasons import why_cut, why_not_connected

TOO_LATE: Final = "too-late"
"""The reason where no connection was obtained by the caller's latest moment, and the other side is not to blame."""

_FAIR_SECONDS: Final = 0.5
"""Who had so long to open a connection, and did not, has failed to; who had less was only asked too late."""


class Stage(StrEnum):
    """How far a request has come."""

    NEW = "new"
    QUEUED = "queued"
    CONNECTING = "connecting"
    CONNECTED = "connected"


_LATE: Final[Mapping[Stage, str]] = {
    Stage.NEW: "deadline",
    Stage.QUEUED: "pool-timeout",
    Stage.CONNECTING: "connect-timeout",
    Stage.CONNECTED: "deadline",
}
"""The reason to give for running out of time at each stage."""


class TooLate(aiohttp.ClientError):
    """A connection was obtained when the request was not to be sent any more."""


@dataclass(kw_only=True, slots=True)
class Flight:
    """One request under way; the connector moves it along, and its timer with it."""

    timer: asyncio.Timeout
    connect_seconds: float
    deadline: float  # the end of everything, in the event loop's time
    not_after: float  # the latest moment of obtaining a connection, in the same time

    stage: Stage = Stage.NEW
    _connecting_since: float = math.inf
    _connection: Connection | None = None
    _wire: asyncio.Transport | None = None

    def queue(self) -> None:
        """Wait for a free connection."""
        self.stage = Stage.QUEUED

    def connect(self) -> None:
        """Open a connection, its name lookup and TLS handshake included, within `connect_seconds`."""
        self.stage = Stage.CONNECTING
        self._connecting_since = asyncio.get_running_loop().time()
        self.timer.reschedule(min(self.deadline, self._connecting_since + self.connect_seconds, self.not_after))

    def obtain(self, connection: Connection) -> None:
        """Have a connection to be written to: from here on nobody can be sure that the request was not taken.

        Raises `TooLate` where its moment has passed, which a busy loop notices before its timer does.
        """
        if self.is_too_late():
            raise TooLate
        self.stage = Stage.CONNECTED
        self.timer.reschedule(self.deadline)
        self._connection = connection
        self._wire = connection.transport

    def end(self) -> None:
        """Let nothing more leave: whatever is unsent is dropped with its connection.

        To close one is not enough: what the event loop holds unsent would be written first, and TLS would say
        goodbye. A connection that went back to the pool is not touched, for it may be another request's by now.
        """
        if self._connection is None or self._wire is None:
            return
        if self._connection.transport is self._wire or self._wire.is_closing():
            self._wire.abort()

    def is_too_late(self) -> bool:
        """Whether no connection may be obtained any more; a timer may fire a little early."""
        fired = self.timer.expired() and self.timer.when() == self.not_after
        return fired or asyncio.get_running_loop().time() >= self.not_after

    def failure(self, error: Exception) -> TransportFailure:
        """Say what the end of this flight means."""
        phase = FailurePhase.CONNECTED if self.stage is Stage.CONNECTED else FailurePhase.NOT_CONNECTED
        cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ is not None else error
        if phase is FailurePhase.NOT_CONNECTED and self.is_too_late():
            had_time = self.not_after - self._connecting_since >= _FAIR_SECONDS and not isinstance(cause, TooLate)
            return TransportFailure(phase=phase, reason=_LATE[Stage.CONNECTING] if had_time else TOO_LATE)
        if self.timer.expired():
            return TransportFailure(phase=phase, reason=_LATE[self.stage])
        word = why_cut if phase is FailurePhase.CONNECTED else why_not_connected
        return TransportFailure(phase=phase, reason=word(cause))


FLIGHT: Final[ContextVar[Flight]] = ContextVar("flight")
"""The request that the running task performs."""
