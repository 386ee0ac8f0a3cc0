"""Accepted messages, and dispatchers and report readers over one database, without any process of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.bootstrap import build_adapters
from app.domain.message import DeliveryGuarantee
from app.domain.policy import LifecyclePolicy
from app.domain.priority import Priority
from app.services.authentication import Authenticator
from app.services.dispatch import Dispatcher
from app.services.liveness import Liveness
from app.services.messages import Messages
from app.services.queue_caps import QueueCaps
from app.services.queue_figures import QueueFigures
from app.services.records import ProviderRecords
from app.services.reports import Reports
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.submitting import DispatchConfig, Submitter
from app.services.webhooks import Adapters, WebhookIntake
from app.store.engine import Engine
from app.transport import Transport
from tests.support.gateway import PUBLIC_URL, SECRET_KEY, settings_for, tenant


def plenty_of_room(engine: Engine) -> QueueCaps:
    """Caps that no test reaches."""
    return QueueCaps(QueueFigures(engine), cap=1_000_000, horizon_seconds=3_000_000)


Accept = Callable[..., Awaitable[UUID]]
State = Callable[[UUID], Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
async def transport() -> AsyncIterator[Transport]:
    async with Transport(deadline_seconds=2, connect_seconds=1) as made:
        yield made


@pytest.fixture
def config() -> DispatchConfig:
    """The times of a dispatcher that waits no time for evidence."""
    return DispatchConfig(
        public_url=PUBLIC_URL,
        secret=SECRET_KEY.encode(),
        lease=timedelta(seconds=30),
        send_deadline=timedelta(seconds=2),
        policy=LifecyclePolicy(evidence_wait=timedelta(0)),
    )


@pytest.fixture
def adapters(shared_database_url: str) -> Adapters:
    return build_adapters(settings_for(shared_database_url))


@pytest.fixture
def dispatcher(engine: Engine, transport: Transport, adapters: Adapters, config: DispatchConfig) -> Dispatcher:
    return Dispatcher(engine, adapters, Submitter(adapters, transport, config), config)


@pytest.fixture
def rescuer(engine: Engine, adapters: Adapters, config: DispatchConfig) -> Rescue:
    return Rescue(engine, adapters, Liveness(engine), config.policy)


@pytest.fixture
def resolver(engine: Engine, transport: Transport, adapters: Adapters, config: DispatchConfig) -> Resolver:
    submitter, records = Submitter(adapters, transport, config), ProviderRecords(adapters, transport)
    return Resolver(engine, adapters, submitter, records, config)


@pytest.fixture
def reports(engine: Engine, adapters: Adapters, config: DispatchConfig) -> Reports:
    return Reports(engine, adapters, config.policy)


@pytest.fixture
def intake(engine: Engine, shared_database_url: str) -> WebhookIntake:
    return WebhookIntake(
        engine,
        build_adapters(settings_for(shared_database_url)),
        secret=SECRET_KEY.encode(),
        unique_for=timedelta(days=3),
    )


@dataclass(kw_only=True)
class Asked:
    """A command with everything as most callers leave it."""

    sender: str | None = "+15551234567"
    recipient: str = "+15559876543"
    body: str = "Hello"
    client_reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    send_at: datetime | None = None
    expires_at: datetime | None = None
    validity_seconds: int | None = None
    delivery_guarantee: DeliveryGuarantee = DeliveryGuarantee.AT_MOST_ONCE
    max_segments: int = 6
    priority: Priority | None = None


@pytest.fixture
async def accept(engine: Engine) -> AsyncIterator[Accept]:
    """Accept a message of a test key and give its id."""
    account = await tenant(engine)
    caller = await Authenticator(engine).authenticate(account.test)
    messages = Messages(engine, engine, validity_seconds=3600, caps=plenty_of_room(engine))

    async def accepted(**change: Any) -> UUID:
        return (await messages.accept(caller, Asked(**change), None)).message.id

    yield accepted
    await messages.aclose()


@pytest.fixture
def state(engine: Engine) -> State:
    """Read what is stored of a message: status, events, attempts, and its queue row."""

    async def read(message_id: UUID) -> dict[str, Any]:
        async with engine.connect() as connection:
            rows = {
                name: [dict(row._mapping) for row in await connection.execute(text(query), {"id": message_id})]  # noqa: SLF001 - SQLAlchemy's documented name
                for name, query in _QUERIES.items()
            }
        events = [(e["source"], e["status"], e["applied"], e["reason"]) for e in rows["events"]]
        assert [e["sequence"] for e in rows["events"]] == list(range(1, len(events) + 1))
        [message] = rows["message"]
        return {**message, "events": events, "phases": [a["phase"] for a in rows["attempts"]], "queue": rows["queue"]}

    return read


_QUERIES = {
    "message": "SELECT status, error_code, attempts, possible_duplicate FROM messages WHERE id = :id",
    "events": "SELECT * FROM status_events WHERE message_id = :id ORDER BY sequence",
    "attempts": "SELECT * FROM attempts WHERE message_id = :id ORDER BY no",
    "queue": "SELECT work, tries, leased_until FROM dispatch_queue WHERE message_id = :id",
}
