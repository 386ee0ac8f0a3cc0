"""A worker cut off from the database while the provider answers it: what it learnt is kept, and nothing is doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import ordinary
from tests.support.chaos_proxy import BLACK_HOLE, CLEAR, ChaosProxy
from tests.support.fake_provider.conduct import Conduct, always
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import SILENT, Habits
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

WORKERS: Final = tuple(f"worker-{number}" for number in range(10 if FULL else 1))
"""Those that are cut off, in each of the two tests: in full 20 partitions in all."""

PARTITION_SECONDS: Final = 10.0 if FULL else 1.0
EACH: Final = 10 if FULL else 40
"""How many messages each of them is sending when it is cut off; it has no place for more."""

PLACES: Final = EACH + EACH // 3
"""A quarter of them is for one-time codes alone."""

MESSAGES: Final = EACH * len(WORKERS)
LEASE_SECONDS: Final = 8
SHORT_LEASES: Final = {
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": str(LEASE_SECONDS - 1),
    "GATEWAY_DISPATCH__LEASE_SECONDS": str(LEASE_SECONDS),
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "60",
}
"""They end within a partition, but no call ends before its worker is cut off."""

LONG_LEASES: Final = {
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "60",
    "GATEWAY_DISPATCH__LEASE_SECONDS": "90",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "90",
}
"""They outlast every partition."""

LATE: Final = (LEASE_SECONDS + 3.0, LEASE_SECONDS + (10.0 if FULL else 4.0))
"""When the reports come: after the lease and its rescue, and in full before the late results or after them."""

_RESCUED: Final = "SELECT count(*) FROM status_events WHERE reason = 'worker-lost'"


@pytest.fixture
def proxies(own_database_url: str) -> Iterator[dict[str, ChaosProxy]]:
    """What stands between each of these workers and the database."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(ChaosProxy.to_database(own_database_url)) for name in WORKERS}


def start(fleet: Fleet, proxies: Mapping[str, ChaosProxy]) -> None:
    """Start the API, and each worker behind its proxy."""
    fleet.start("api")
    for name, proxy in proxies.items():
        own = {"GATEWAY_DATABASE_URL": proxy.database_url(fleet.database_url)}
        fleet.start(name, GATEWAY_DISPATCH__CONCURRENCY=str(PLACES), **own)
    fleet.wait_until_ready()
    fleet.wait_until_live()


def part(proxies: Mapping[str, ChaosProxy]) -> None:
    """Cut all of them off at once, without a word."""
    for proxy in proxies.values():
        proxy.turn(BLACK_HOLE)


async def join(proxies: Mapping[str, ChaosProxy]) -> None:
    """End the partitions, one after the other."""
    for proxy in proxies.values():
        proxy.cut()
        proxy.turn(CLEAR)
        await asyncio.sleep(0.1)


async def test_results_that_cannot_be_written_are_kept_and_written_after_the_partition(
    own_database_url: str, proxies: dict[str, ChaosProxy], engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(MESSAGES)
    # Nobody but the answer tells what became of a message.
    with (
        FakeProvider(always(Conduct.HELD), habits=SILENT) as provider,
        Fleet(own_database_url, tmp_path, **LONG_LEASES, **provider.settings) as fleet,
    ):
        start(fleet, proxies)
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await provider.has_taken(MESSAGES)
        part(proxies)
        provider.let_go()
        await asyncio.sleep(PARTITION_SECONDS)
        await join(proxies)
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert {(m.status, m.attempts) for m in run.messages} == {(MessageStatus.SENT, 1)}
    # Of several workers, those that are back may see the lock of one that is only just coming back free.
    assert len(WORKERS) > 1 or not any(m.was(EventReason.WORKER_LOST) for m in run.messages)
    assert complaints == []


async def test_a_partition_that_outlasts_the_lease_leaves_the_reports_and_the_late_results_to_tell(
    own_database_url: str, proxies: dict[str, ChaosProxy], engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(MESSAGES, guarantees=tuple(DeliveryGuarantee))
    with (
        FakeProvider(always(Conduct.HELD), habits=Habits(statuses=("delivered",), delay_seconds=LATE)) as provider,
        Fleet(own_database_url, tmp_path, **SHORT_LEASES, **provider.settings) as fleet,
    ):
        start(fleet, proxies)
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await provider.has_taken(MESSAGES)
        part(proxies)
        healing_at = time.monotonic() + PARTITION_SECONDS
        provider.let_go()
        fleet.start("worker-heir")
        await until(engine, fleet, _RESCUED, MESSAGES, within_seconds=6 * LEASE_SECONDS)
        await asyncio.sleep(max(0.0, healing_at - time.monotonic()))
        await join(proxies)
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert {(m.status, m.attempts, m.possible_duplicate) for m in run.messages} == {(MessageStatus.DELIVERED, 1, False)}
    assert set(provider.log.taken().values()) == {1}
    assert complaints == []
