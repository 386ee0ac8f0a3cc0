"""What a run is made of: two API processes behind a proxy, two workers, Postgres, and a provider of each kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.domain.message import DeliveryGuarantee
from app.store.engine import Engine, create_engine
from tests.faults.torture.accounts import make_provider
from tests.faults.torture.backstage import Backstage
from tests.faults.torture.schedule import SERVERS, WORKERS
from tests.support.balancer import Balancer
from tests.support.batches import Planned, live, ordinary
from tests.support.chaos_proxy import ChaosProxy
from tests.support.circuits import shorten_openings
from tests.support.load import Load
from tests.support.own_postgres import Database, OwnPostgres, own_postgres
from tests.support.processes import Fleet, free_port
from tests.support.upstreams import NAMES, Upstream, add_senders, settings_of, upstreams

HASTE: Final = {
    "GATEWAY_API__NOTICE_SECONDS": "0.4",
    "GATEWAY_DATABASE__POOL_SIZE": "6",
    "GATEWAY_DISPATCH__CONCURRENCY": "32",
    "GATEWAY_DISPATCH__CONNECT_SECONDS": "1",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "12",
    "GATEWAY_DISPATCH__INQUIRY_DELAYS_SECONDS": "[0.5, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]",
    "GATEWAY_DISPATCH__LEASE_SECONDS": "6",
    "GATEWAY_DISPATCH__RECONCILE_DELAYS_SECONDS": "[4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6]",
    "GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS": "[0.2, 0.5, 1, 2, 4]",
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "2",
    "GATEWAY_DISPATCH__SIGHTINGS_APART_SECONDS": "2",
    "GATEWAY_MESSAGES__VALIDITY_SECONDS": "600",
    # Here workers are killed, and it is no message's fault.
    "GATEWAY_DISPATCH__POISON_CRASHES": "100",
}
"""Waits of seconds instead of minutes, so that every message is final soon after the last fault."""

MESSAGES_PER_SECOND: Final = 16
_GLANCE_SECONDS: Final = 0.05
_CONNECTIONS: Final = 16
_PATIENCE_SECONDS: Final = 60.0
_SHORT_LIVED_EVERY: Final = 17
_SHORT_SECONDS: Final = 8
_AGAIN: Final = frozenset({502, 503})
"""A 502 is the proxy's own: what it had passed on to an API was not answered."""


@dataclass(kw_only=True)
class Site:
    """Everything that runs."""

    postgres: OwnPostgres
    database: Database
    accounts: list[Upstream]
    proxies: dict[str, ChaosProxy]
    """What stands between each worker and Postgres."""

    fleet: Fleet
    balancer: Balancer
    backstage: Backstage
    engine: Engine
    """For questions from backstage, past every proxy."""

    load: Load
    _ports: dict[str, int]

    def start(self, name: str) -> None:
        """Start one process, without waiting for it."""
        if name in self.proxies:
            url = self.proxies[name].database_url(self.database.url)
            self.fleet.start(name, GATEWAY_DATABASE_URL=url)
        else:
            self.fleet.start(name, GATEWAY_API__PORT=str(self._ports[name]))

    def is_up(self, name: str) -> bool:
        """Whether a process works: what still starts has nothing to lose."""
        output = self.fleet.process(name).own_output()
        return '"lock held"' in output if name in self.proxies else "Uvicorn running" in output

    def wait_until_up(self) -> None:
        """Wait until everything works, and the proxy knows it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.balancer.ready < len(self._ports) or not all(map(self.is_up, self.proxies)):
            self.fleet.check_alive()
            assert time.monotonic() < deadline, "not everything is up"
            time.sleep(_GLANCE_SECONDS)

    async def send(self, seconds: float) -> None:
        """Send a run's messages, each until it is answered; what could not be begun in time is left out."""
        self.load.last_begun_at = time.monotonic() + seconds
        plan = messages(round(seconds * MESSAGES_PER_SECOND), self.accounts)
        await self.load.send(plan, connections=_CONNECTIONS, over_seconds=seconds, patience_seconds=_PATIENCE_SECONDS)


def messages(number: int, accounts: list[Upstream]) -> list[Planned]:
    """Plan messages for every account and both guarantees; a few are worth sending for seconds only."""
    guarantees = (*[DeliveryGuarantee.AT_MOST_ONCE] * len(accounts), *[DeliveryGuarantee.AT_LEAST_ONCE] * len(accounts))
    plan = live(ordinary(number, guarantees=guarantees), senders=[account.sender for account in accounts])
    return [
        replace(planned, validity_seconds=_SHORT_SECONDS) if place % _SHORT_LIVED_EVERY == 0 else planned
        for place, planned in enumerate(plan)
    ]


@contextmanager
def site(directory: Path, seed: int) -> Iterator[Site]:
    """Build it all, start its processes, and end them with the block."""
    with ExitStack() as stack:
        enter = stack.enter_context
        postgres = enter(own_postgres(directory / "postgres"))
        database = postgres.database()
        accounts = enter(upstreams(list(NAMES), lambda evidence: make_provider(evidence, seed)))
        proxies = {name: enter(ChaosProxy.to_database(database.url)) for name in WORKERS}
        port, ports = free_port(), {name: free_port() for name in SERVERS}
        entrance = f"http://127.0.0.1:{port}"
        settings = {**HASTE, **settings_of(accounts), "GATEWAY_PUBLIC_URL": entrance}
        logs = directory / "logs"
        logs.mkdir()
        fleet = enter(Fleet(database.url, logs, **settings))
        backstage = enter(Backstage())
        engine = create_engine(database.url, application="tests")
        stack.callback(lambda: backstage.call(engine.dispose()))
        backstage.call(shorten_openings(engine))
        backstage.call(add_senders(engine, database.shop.name, accounts))
        balancer = Balancer([f"http://127.0.0.1:{each}" for each in ports.values()])
        backstage.start(_serve(balancer, port))
        load = Load(api_url=entrance, credentials=database.shop.live, again=_AGAIN, asked_twice=0.05)
        made = Site(
            postgres=postgres,
            database=database,
            accounts=accounts,
            proxies=proxies,
            fleet=fleet,
            balancer=balancer,
            backstage=backstage,
            engine=engine,
            load=load,
            _ports=ports,
        )
        for name in (*SERVERS, *WORKERS):
            made.start(name)
        yield made


async def _serve(balancer: Balancer, port: int) -> None:
    async with balancer.serving(port):
        await asyncio.Event().wait()
