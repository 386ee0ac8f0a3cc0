"""A Postgres server of a test's own, as durable as a real one, that can be killed, stopped, muted and started again.

Nothing here may be called while an event loop runs in the same thread.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.embedded import EmbeddedPostgres, find_binaries
from app.store.databases import ensure_database
from app.store.engine import create_engine
from app.store.schema import migrate
from tests.support.gateway import Tenant, tenant

_END_SECONDS: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Database:
    """A migrated database with an account in it."""

    url: str
    shop: Tenant


@dataclass(kw_only=True)
class OwnPostgres:
    """The running server."""

    server: EmbeddedPostgres
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def database(self) -> Database:
        """Make a new database, its schema and an account."""
        name = f"gateway_{next(self._numbers)}"
        url = self.server.url(name)
        return Database(url=url, shop=asyncio.run(_prepare(self.server.url("postgres"), name, url)))

    def end(self, by: signal.Signals) -> None:
        """Have it end: SIGKILL kills the postmaster, SIGQUIT is an immediate stop, without a checkpoint."""
        os.kill(self.server.process_id, by)
        deadline = time.monotonic() + _END_SECONDS
        while self.server.is_running:
            assert time.monotonic() < deadline, "Postgres does not end"
            time.sleep(0.005)

    def start(self) -> None:
        """Start it again, and wait until it takes connections."""
        self.server.start()

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Stop all its processes by SIGSTOP: connections stay open, the kernel takes new ones, and nothing answers."""
        postmaster = self.server.process_id
        os.kill(postmaster, signal.SIGSTOP)  # the first, or it would start more
        stopped = [postmaster, *_children(postmaster)]
        for process in stopped[1:]:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(stopped):
                os.kill(process, signal.SIGCONT)


@contextmanager
def own_postgres(directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[OwnPostgres]:
    """Run a server until the block ends."""
    binaries = find_binaries(os.environ.get("GATEWAY_PG_BIN"))
    with EmbeddedPostgres(directory=directory, binaries=binaries, durable=True, settings=settings) as server:
        yield OwnPostgres(server=server)


def _children(process: int) -> list[int]:
    threads = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


async def _prepare(server_url: str, name: str, url: str) -> Tenant:
    server = create_engine(server_url, application="tests")
    await ensure_database(server, name)
    await server.dispose()
    engine = create_engine(url, application="tests")
    await migrate(engine)
    shop = await tenant(engine)
    await engine.dispose()
    return shop
