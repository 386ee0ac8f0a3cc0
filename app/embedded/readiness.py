"""Whether a server is ready, proved by a real connection and nothing less."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from app.embedded.failure import EmbeddedPostgresError
from app.embedded.sockets import PORT


def answers(socket_directory: Path) -> bool:
    """Whether a server takes connections at the socket in `socket_directory`. Lasts 5 seconds at most."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # a loop of its own: nobody's is touched
        return runner.run(_connects(socket_directory))


def refuse_inside_a_loop() -> None:
    """Raise EmbeddedPostgresError where an event loop runs in this thread: starting blocks, and needs its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return  # none runs
    raise EmbeddedPostgresError("the embedded PostgreSQL is started before the event loop runs, not inside it")


async def _connects(socket_directory: Path) -> bool:
    try:
        connection = await asyncpg.connect(
            host=str(socket_directory), port=PORT, user="postgres", database="postgres", ssl=False, timeout=5
        )
    except asyncpg.TooManyConnectionsError:
        return True  # it answers, and is busy
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True
