"""A TCP proxy between any client and any server that does to connections what a bad network does.

It runs in a thread of its own, so that a test may wait, fork and kill as it likes, and its weather may be switched
while connections are open. It knows no protocol; `postgres_proxy` is for single statements.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url

from tests.support.raw_server import reset_now

_CHUNK_BYTES: Final = 1 << 16
_PATIENCE_SECONDS: Final = 30.0

Address = tuple[str, int] | Path
"""A host and port, or the path of a Unix socket."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What happens to everything that passes, on old and new connections alike; by default nothing."""

    delay_seconds: float = 0
    """Before each piece of data, in each direction."""

    bytes_per_second: float | None = None
    """In each direction of each connection."""

    cut_after_bytes: int | None = None
    """A connection ends once this many bytes of answers have passed since it was made."""

    cut_by_reset: bool = True
    """Whether both sides then see a reset (RST); else an ordinary end (FIN)."""

    mute: bool = False
    """Nothing passes and nothing ends: a black hole for new connections, which are taken all the same, and half-open
    old ones. What was on its way arrives when the weather changes, as after any partition that heals."""

    refuse: bool = False
    """New connections are refused; old ones stay."""


CLEAR: Final = Weather()
BLACK_HOLE: Final = Weather(mute=True)
REFUSING: Final = Weather(refuse=True)


@dataclass(eq=False, kw_only=True)
class _Link:
    """One connection of a client, and the one to the server behind it once there is one."""

    client: StreamWriter
    server: StreamWriter | None = None
    frozen: bool = False
    answered: int = 0

    def end(self, *, by_reset: bool) -> None:
        for writer in (self.client, self.server):
            if writer is not None and by_reset:
                reset_now(writer)
            elif writer is not None:
                writer.close()


@dataclass(kw_only=True)
class _State:
    """What the proxy's own thread works with."""

    loop: asyncio.AbstractEventLoop
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Replaced at each change of the weather, so that whoever waits looks again."""

    links: set[_Link] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    listener: asyncio.Server | None = None


class ChaosProxy:
    """The running proxy: listens at `port` of 127.0.0.1 until the block ends."""

    def __init__(self, target: Address) -> None:
        """Lead to a server, which need not run yet."""
        self.port = 0
        self.connections = 0
        """How many were made so far."""

        self._target = target
        self._weather = CLEAR
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="chaos-proxy", daemon=True)

    @classmethod
    def to_url(cls, url: str) -> Self:
        """Lead to the server of an HTTP URL."""
        parts = urlsplit(url)
        return cls((parts.hostname or "127.0.0.1", parts.port or 80))

    @classmethod
    def to_database(cls, database_url: str) -> Self:
        """Lead to the server of an SQLAlchemy URL, over TCP or its Unix socket."""
        url = make_url(database_url)
        host, port = str(url.host or url.query.get("host", "127.0.0.1")), int(url.port or str(url.query.get("port", 0)))
        return cls(Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else (host, port or 5432))

    @property
    def url(self) -> str:
        """The HTTP URL of this side."""
        return f"http://127.0.0.1:{self.port}"

    def database_url(self, database_url: str) -> str:
        """Write a database's URL so that it leads here."""
        url = make_url(database_url)
        rest = {name: value for name, value in url.query.items() if name not in {"host", "port"}}
        near = url.set(host="127.0.0.1", port=self.port, query=rest)
        return near.render_as_string(hide_password=False)

    def turn(self, weather: Weather) -> None:
        """Change the weather, for everything from now on."""
        self._call(lambda: self._turn(weather))

    def freeze(self) -> None:
        """Leave the connections that are open now half-open for good: nothing passes, nothing ends."""
        self._call(self._freeze)

    def cut(self, *, by_reset: bool = True) -> None:
        """End every connection now."""
        self._call(lambda: self._cut(by_reset=by_reset))

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(_PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._state.loop.call_soon_threadsafe(self._state.ended.set)
        self._thread.join(_PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the proxy does not end"

    def _call(self, act: Callable[[], None]) -> None:
        """Act in the proxy's own thread, and wait until it has."""

        async def acted() -> None:
            act()
            await self._listen_or_not()

        asyncio.run_coroutine_threadsafe(acted(), self._state.loop).result(_PATIENCE_SECONDS)

    def _turn(self, weather: Weather) -> None:
        self._weather = weather
        self._has_changed()

    def _freeze(self) -> None:
        for link in self._state.links:
            link.frozen = True
        self._has_changed()

    def _cut(self, *, by_reset: bool) -> None:
        for link in self._state.links:
            link.end(by_reset=by_reset)

    def _has_changed(self) -> None:
        self._state.changed.set()
        self._state.changed = asyncio.Event()

    async def _serve(self) -> None:
        self._state = _State(loop=asyncio.get_running_loop())
        try:
            await self._listen_or_not()
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._state.ended.wait()
        if self._state.listener is not None:
            self._state.listener.close()
        for task in self._state.tasks:
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)

    async def _listen_or_not(self) -> None:
        """Have a listener unless connections are refused; always at the same port."""
        state = self._state
        if self._weather.refuse and state.listener is not None:
            state.listener.close()
            state.listener = None
        elif not self._weather.refuse and state.listener is None:
            state.listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=_CHUNK_BYTES)
            self.port = state.listener.sockets[0].getsockname()[1]

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        task = self._state.loop.create_task(self._relay(reader, writer))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        link = _Link(client=writer)
        self._state.links.add(link)
        try:
            await self._passes(link)
            with suppress(OSError):
                answers, link.server = await _connect(self._target)
                back = asyncio.create_task(self._pump(link, answers, writer, answering=True))
                try:
                    await self._pump(link, reader, link.server, answering=False)
                    await back
                finally:
                    back.cancel()
        finally:
            self._state.links.discard(link)
            for side in (writer, link.server):
                if side is not None:
                    side.transport.abort()

    async def _pump(self, link: _Link, source: StreamReader, sink: StreamWriter, *, answering: bool) -> None:
        """Pass on one direction until its source ends, and its end too."""
        with suppress(OSError):
            while data := await source.read(_CHUNK_BYTES):
                await self._passes(link)
                await self._linger(len(data))
                await self._passes(link)
                if answering and self._is_cut(link, data, sink):
                    return
                sink.write(data)
                await sink.drain()
        await self._passes(link)
        if sink.can_write_eof() and not sink.is_closing():
            with suppress(OSError):
                sink.write_eof()

    async def _passes(self, link: _Link) -> None:
        """Wait until this link lets something through."""
        while link.frozen or self._weather.mute:
            await self._state.changed.wait()

    async def _linger(self, size: int) -> None:
        rate = self._weather.bytes_per_second
        await asyncio.sleep(self._weather.delay_seconds + (size / rate if rate else 0))

    def _is_cut(self, link: _Link, data: bytes, sink: StreamWriter) -> bool:
        """Count an answer's bytes; where they are too many, pass on what is left to pass and end the link."""
        limit = self._weather.cut_after_bytes
        left = None if limit is None else max(0, limit - link.answered)
        link.answered += len(data)
        if left is None or len(data) < left:
            return False
        sink.write(data[:left])
        link.end(by_reset=self._weather.cut_by_reset)
        return True


async def _connect(target: Address) -> tuple[StreamReader, StreamWriter]:
    if isinstance(target, Path):
        return await asyncio.open_unix_connection(str(target), limit=_CHUNK_BYTES)
    return await asyncio.open_connection(*target, limit=_CHUNK_BYTES)
