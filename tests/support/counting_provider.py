"""A provider on loopback that takes everything and counts it, and dispatchers that send to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from app.bootstrap import build_adapters
from app.domain.policy import LifecyclePolicy
from app.services.dispatch import Dispatcher
from app.services.submitting import DispatchConfig, Submitter
from app.services.webhooks import Adapters
from app.store.engine import Engine
from app.transport import Transport
from tests.support.gateway import PUBLIC_URL, SANDBOX, SECRET_KEY, settings_for
from tests.support.raw_server import RawServer, serve, written

_BODY = b'{"id": "p-1", "status": "queued"}'
TAKEN = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
"""Its answer to everything."""


@dataclass(frozen=True, kw_only=True)
class CountingProvider:
    """A provider that speaks the sandbox's API."""

    server: RawServer = field(repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """The sandbox's settings that lead here."""
        parts = urlsplit(self.server.url)
        return {**SANDBOX, "url": f"{parts.scheme}://{parts.netloc}"}

    def adapters(self, database_url: str) -> Adapters:
        """Give adapters that send here."""
        return build_adapters(settings_for(database_url, sandbox=self.settings))

    def taken(self) -> Counter[str]:
        """Count what came, by message."""
        bodies = (request.partition(b"\r\n\r\n")[2] for request in self.server.requests)
        return Counter(str(json.loads(body)["reference"]).partition(".")[0] for body in bodies)


@asynccontextmanager
async def counting_provider() -> AsyncIterator[CountingProvider]:
    """Run the provider until the block ends."""
    async with serve(written(TAKEN)) as server:
        yield CountingProvider(server=server)


def dispatch_config(*, lease_seconds: float = 30) -> DispatchConfig:
    """Give a dispatcher's times: two seconds for a send, and no wait for evidence."""
    return DispatchConfig(
        public_url=PUBLIC_URL,
        secret=SECRET_KEY.encode(),
        lease=timedelta(seconds=lease_seconds),
        send_deadline=timedelta(seconds=2),
        policy=LifecyclePolicy(evidence_wait=timedelta(0)),
    )


def dispatcher_of(
    engine: Engine, adapters: Adapters, transport: Transport, config: DispatchConfig | None = None
) -> Dispatcher:
    """Make a dispatcher with a submitter of its own."""
    times = config or dispatch_config()
    return Dispatcher(engine, adapters, Submitter(adapters, transport, times), times)
