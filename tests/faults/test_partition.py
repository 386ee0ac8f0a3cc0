"""A worker cut off from the database while the provider answers it: what it learnt is kept, and nothing is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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

MESSAGES: Final = 40
LEASE_SECONDS: Final = 5
"""As in all hasty fleets."""

LATE: Final = (LEASE_SECONDS + 3.0, LEASE_SECONDS + 4.0)
"""When the reports come: after the lease and its rescue."""

_RESCUED: Final = "SELECT count(*) FROM status_events WHERE reason = 'worker-lost'"


@pytest.fixture
def proxy(own_database_url: str) -> Iterator[ChaosProxy]:
    """What stands between the first worker and the database."""
    with ChaosProxy.to_database(own_database_url) as running:
        yield running


async def all_taken(provider: FakeProvider, number: int) -> None:
    """Wait until the provider has taken so many."""
    async with asyncio.timeout(20):
        while provider.log.taken().total() < number:  # noqa: ASYNC110 - the event is in the provider's thread
            await asyncio.sleep(0.02)


async def test_results_that_cannot_be_written_are_kept_and_written_after_the_partition(
    own_database_url: str, proxy: ChaosProxy, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(MESSAGES)
    settings = {"GATEWAY_DISPATCH__LEASE_SECONDS": "30", "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "30"}
    # Nobody but the answer tells what became of a message.
    with (
        FakeProvider(always(Conduct.HELD), habits=SILENT) as provider,
        Fleet(own_database_url, tmp_path, **settings, **provider.settings) as fleet,
    ):
        fleet.start("api")
        fleet.start("worker", GATEWAY_DATABASE_URL=proxy.database_url(own_database_url))
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await all_taken(provider, MESSAGES)
        proxy.turn(BLACK_HOLE)
        provider.let_go()
        await asyncio.sleep(4 if FULL else 1)
        proxy.cut()
        proxy.turn(CLEAR)
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert {(m.status, m.attempts, m.was(EventReason.WORKER_LOST)) for m in run.messages} == {
        (MessageStatus.SENT, 1, False)
    }
    assert complaints == []


async def test_a_partition_that_outlasts_the_lease_leaves_the_reports_and_the_late_results_to_tell(
    own_database_url: str, proxy: ChaosProxy, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    batch = ordinary(MESSAGES, guarantees=tuple(DeliveryGuarantee))
    with (
        FakeProvider(always(Conduct.HELD), habits=Habits(statuses=("delivered",), delay_seconds=LATE)) as provider,
        Fleet(own_database_url, tmp_path, GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS="20", **provider.settings) as fleet,
    ):
        fleet.start("api")
        fleet.start("worker-1", GATEWAY_DATABASE_URL=proxy.database_url(own_database_url))
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch)
        await all_taken(provider, MESSAGES)
        proxy.turn(BLACK_HOLE)
        provider.let_go()
        fleet.start("worker-2")
        await until(engine, fleet, _RESCUED, MESSAGES, within_seconds=3 * LEASE_SECONDS)
        proxy.cut()
        proxy.turn(CLEAR)
        run = await settled_with(engine, fleet, load, provider)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert {(m.status, m.attempts, m.possible_duplicate) for m in run.messages} == {(MessageStatus.DELIVERED, 1, False)}
    assert set(provider.log.taken().values()) == {1}
    assert complaints == []
