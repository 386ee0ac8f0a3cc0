"""A TCP proxy between a gateway and Postgres that cuts or holds a connection at a chosen step of the accept.

It runs in a thread of its own, so that a test may wait, fork and kill as it likes. It changes nothing that it passes
on, and acts on one statement only: the next one that meets an armed trap.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from sqlalchemy.engine import URL, make_url

from tests.support.postgres_protocol import COMMAND_COMPLETE, FLUSH, SYNC, Conversation, Message, Moment, StartUp
from tests.support.raw_server import reset_now

ACCEPT: Final = b"INSERT INTO messages"
"""Part of the statement that stores accepted messages."""

_LATE_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 30.0
_LIMIT: Final = 1 << 20


class Step(StrEnum):
    """How far the statement gets while the gateway is cut off or held; it hears of none of them."""

    UNSEEN = "unseen"
    """It never reaches Postgres."""

    UNCOMMITTED = "uncommitted"
    """Postgres has run it, and is never told to commit: it rolls back when the connection ends."""

    COMMITTED_LATE = "committed_late"
    """Postgres has run it, and commits a moment after the gateway's connection has ended."""

    COMMITTED = "committed"
    """Postgres has committed it."""


class Ending(StrEnum):
    """What happens to the gateway's connection at that step."""

    HOLD = "hold"
    """It stays open and silent until the gateway ends it: for a test that kills the gateway."""

    RESET = "reset"
    CLOSE = "close"


@dataclass(kw_only=True)
class Trap:
    """Waits for one statement; springs once."""

    step: Step
    ending: Ending
    at_least_bytes: int = 0
    """A statement whose values take less passes: a way to wait for a batch."""

    sprung: Future[None] = field(default_factory=Future)

    async def has_sprung(self) -> None:
        """Wait until the statement has got as far as the step; raises `TimeoutError`."""
        await asyncio.wait_for(asyncio.wrap_future(self.sprung), _PATIENCE_SECONDS)


class PostgresProxy:
    """The running proxy: `url` in place of the database's own."""

    def __init__(self, database_url: str, *, statement: bytes = ACCEPT) -> None:
        """Take an SQLAlchemy URL, over TCP or a Unix socket; `statement` is part of the SQL to act on."""
        self.url = ""
        self.statements = 0
        """How many times the statement has come so far."""

        self._postgres = make_url(database_url)
        self._text = statement
        self._traps: deque[Trap] = deque()
        self._sessions: set[asyncio.Task[None]] = set()
        self._port: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="postgres-proxy", daemon=True)

    def arm(self, step: Step, ending: Ending, *, at_least_bytes: int = 0) -> Trap:
        """Set a trap for the next statement of that size, behind those that still wait."""
        trap = Trap(step=step, ending=ending, at_least_bytes=at_least_bytes)
        self._traps.append(trap)
        return trap

    def meet(self, statement: Message) -> Trap | None:
        """Give the trap that this statement has met; called by connections."""
        self.statements += 1
        if self._traps and len(statement.body) >= self._traps[0].at_least_bytes:
            return self._traps.popleft()
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        port = self._port.result(_PATIENCE_SECONDS)
        rest = {name: value for name, value in self._postgres.query.items() if name not in {"host", "port"}}
        near = self._postgres.set(host="127.0.0.1", port=port, query=rest)
        self.url = near.render_as_string(hide_password=False)
        return self

    def __exit__(self, *_: object) -> None:
        """End all connections; raises the bugs that ended one before."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the proxy does not end"
        bugs = [
            bug for task in self._sessions if not task.cancelled() and isinstance(bug := task.exception(), Exception)
        ]
        if bugs:
            raise ExceptionGroup("connections of the proxy failed", bugs)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            listener = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_LIMIT)
        except OSError as error:
            self._port.set_exception(error)
            return
        self._port.set_result(listener.sockets[0].getsockname()[1])
        await self._end.wait()
        listener.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await listener.wait_closed()

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._sessions.add(self._loop.create_task(self._relay(reader, writer)))

    async def _relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            # The other side has gone, or Postgres is not there: either way this connection is over.
            with suppress(asyncio.IncompleteReadError, OSError):
                await self._greet(reader, writer)
        finally:
            writer.transport.abort()

    async def _greet(self, reader: StreamReader, writer: StreamWriter) -> None:
        packet = await _read(reader, kind_bytes=0)
        while StartUp.of(packet) is StartUp.ENCRYPTION:
            writer.write(b"N")
            packet = await _read(reader, kind_bytes=0)
        upstream_reader, upstream = await _connect(self._postgres)
        try:
            upstream.write(packet.written())
            await _Session(self, (reader, writer), (upstream_reader, upstream)).run(Conversation(text=self._text))
        finally:
            upstream.transport.abort()


class _Session:
    """One connection of the gateway, from its start-up packet on, and the one to Postgres behind it."""

    def __init__(
        self,
        proxy: PostgresProxy,
        gateway: tuple[StreamReader, StreamWriter],
        postgres: tuple[StreamReader, StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._from_gateway, self._to_gateway = gateway
        self._from_postgres, self._to_postgres = postgres
        self._trap: Trap | None = None
        self._withheld = False
        """Whether the gateway is told nothing any more."""

        self._executed, self._settled = asyncio.Event(), asyncio.Event()
        self._late: Message | None = None

    async def run(self, conversation: Conversation) -> None:
        """Pass everything on, both ways, until one side has gone or the trap says otherwise."""
        answers = asyncio.create_task(self._relay_answers(conversation))
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    await self._relay(conversation, await _read(self._from_gateway))
            if self._late is not None:
                await asyncio.sleep(_LATE_SECONDS)
                self._to_postgres.write(self._late.written())
                await self._settled.wait()
        finally:
            self._to_postgres.transport.abort()
            await answers

    async def _relay(self, conversation: Conversation, message: Message) -> None:
        """Pass on what the gateway says."""
        if self._trap is not None and self._trap.sprung.done():
            return
        moment = conversation.from_client(message)
        if moment is Moment.STATEMENT:
            self._executed.clear()
            self._trap = self._proxy.meet(message)
            if self._trap is not None and self._trap.step is Step.UNSEEN:
                self._spring(self._trap)
                return
        elif moment is Moment.COMMIT and self._trap is not None:
            self._withheld = True
            if self._trap.step is not Step.COMMITTED:
                await self._keep_back(message, self._trap)
                return
        self._to_postgres.write(message.written())
        await self._to_postgres.drain()

    async def _keep_back(self, commit: Message, trap: Trap) -> None:
        """Have the statement run, but not its commit."""
        if commit.kind == SYNC:
            self._to_postgres.write(FLUSH.written())
        await self._executed.wait()
        if trap.step is Step.COMMITTED_LATE:
            self._late = commit
        self._spring(trap)

    async def _relay_answers(self, conversation: Conversation) -> None:
        """Pass on what Postgres says."""
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                while True:
                    message = await _read(self._from_postgres)
                    moment = conversation.from_server(message)
                    if message.kind == COMMAND_COMPLETE:
                        self._executed.set()
                    if not self._withheld:
                        self._to_gateway.write(message.written())
                        await self._to_gateway.drain()
                    elif moment is Moment.COMMITTED:
                        self._has_committed()
        finally:
            self._settled.set()
            self._to_gateway.close()

    def _has_committed(self) -> None:
        self._settled.set()
        if self._trap is not None and self._trap.step is Step.COMMITTED:
            self._spring(self._trap)

    def _spring(self, trap: Trap) -> None:
        self._withheld = True
        if trap.ending is Ending.RESET:
            reset_now(self._to_gateway)
        elif trap.ending is Ending.CLOSE:
            self._to_gateway.close()
        trap.sprung.set_result(None)


async def _connect(url: URL) -> tuple[StreamReader, StreamWriter]:
    """Reach Postgres as asyncpg would: a host that is a path is the directory of its Unix socket."""
    host, port = url.host or url.query.get("host", "127.0.0.1"), int(url.port or str(url.query.get("port", 5432)))
    if str(host).startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}", limit=_LIMIT)
    return await asyncio.open_connection(str(host), port, limit=_LIMIT)


async def _read(reader: StreamReader, *, kind_bytes: int = 1) -> Message:
    """Read one message; raises `IncompleteReadError` at the connection's end."""
    kind = await reader.readexactly(kind_bytes)
    length = int.from_bytes(await reader.readexactly(4))
    return Message(kind=kind, body=await reader.readexactly(length - 4))
