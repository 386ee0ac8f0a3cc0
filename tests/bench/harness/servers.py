"""What is measured: an embedded Postgres with durable defaults, a migrated database, and one real API process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from app.embedded import EmbeddedPostgres, find_binaries
from app.store.databases import ensure_database
from app.store.engine import create_engine
from app.store.schema import migrate
from tests.bench.harness.client import Plan
from tests.bench.harness.client_process import Client, running_client
from tests.bench.harness.database import Database
from tests.bench.harness.pgbench import Rows
from tests.bench.harness.traffic import Kind, Traffic
from tests.support.gateway import SECRET_KEY, WEBHOOK_SECRET, Tenant, tenant
from tests.support.processes import Fleet

DATABASE: Final = "gateway"
SENDER: Final = "+12025550100"
_ACCOUNT: Final = "shop"
_UNLIMITED: Final = {"GATEWAY_API__REQUESTS_PER_SECOND": "1000000"}
"""What a load like this is refused for by default; everything else is as it comes."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The running servers, and who sends."""

    fleet: Fleet
    postgres: EmbeddedPostgres
    binaries: Path
    database: Database
    tenant: Tenant
    rows: Rows
    client: Client
    directory: Path

    @property
    def sockets(self) -> str:
        """The directory of Postgres's socket."""
        return str(make_url(self.database.url).query["host"])

    @property
    def api_pid(self) -> int:
        """The API's process."""
        return self.fleet.process("api").pid

    def plan(
        self,
        kind: Kind,
        *,
        connections: int,
        seconds: float,
        first: int = 0,
        ready: int = 0,
        requests: int | None = None,
    ) -> Plan:
        """Plan a load of this API by a live key of its account."""
        host, _, port = self.fleet.api_url.partition("//")[2].partition(":")
        wanted = Traffic(
            kind=kind,
            url=self.fleet.api_url,
            user=self.tenant.live.user,
            password=self.tenant.live.secret,
            sender=SENDER,
            first=first,
            ready=ready,
            secret_key=SECRET_KEY,
            webhook_secret=WEBHOOK_SECRET,
        )
        return Plan(
            host=host, port=int(port), connections=connections, seconds=seconds, requests=requests, traffic=wanted
        )


@contextmanager
def running_servers(place: Path | None) -> Iterator[Servers]:
    """Start everything in a directory of its own below `place`, by default the system's; remove it at the end."""
    binaries = find_binaries()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=place, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        # The server may run as another account, which has to reach its data.
        directory.chmod(0o755)
        with EmbeddedPostgres(directory=directory / "postgres", binaries=binaries) as postgres:
            url = postgres.url(DATABASE)
            sender = asyncio.run(_prepare(postgres.url("postgres"), url))
            rows = asyncio.run(_rows(url))
            with (
                running_client() as client,
                Fleet(
                    url,
                    directory,
                    **_UNLIMITED,
                ) as fleet,
            ):
                fleet.start("api")
                fleet.wait_until_ready()
                yield Servers(
                    fleet=fleet,
                    postgres=postgres,
                    binaries=binaries,
                    database=Database(url=url),
                    tenant=sender,
                    rows=rows,
                    client=client,
                    directory=directory,
                )


async def _prepare(server_url: str, url: str) -> Tenant:
    server = create_engine(server_url, application="bench")
    await ensure_database(server, DATABASE)
    await server.dispose()
    engine = create_engine(url, application="bench")
    await migrate(engine)
    made = await tenant(engine, _ACCOUNT, SENDER)
    await engine.dispose()
    return made


async def _rows(url: str) -> Rows:
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    try:
        account, lane = await connection.fetchrow("SELECT account_id, id FROM senders WHERE address = $1", SENDER)
    finally:
        await connection.close()
    return Rows(account=UUID(str(account)), sender=SENDER, lane=UUID(str(lane)))
