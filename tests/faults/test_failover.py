"""A provider that is dead is left within seconds by what its pool sends, without a duplicate, and comes back gently."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.store.engine import Engine
from tests.support.batches import live, ordinary
from tests.support.fake_provider.conduct import Conduct, always
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import Habits
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.processes import Fleet, free_port
from tests.support.raw_server import hang, serve
from tests.support.two_providers import POOL, by_both, longest_wait, make_pool, settings_of, shares
from tests.transport.authority import issue

pytestmark = pytest.mark.fault

LEAVES_WITHIN_SECONDS: Final = 10.0
CONCURRENCY: Final = 32
SETTINGS: Final = {"GATEWAY_DISPATCH__CONCURRENCY": str(CONCURRENCY), "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "20"}
WORKERS: Final = ("worker-1", "worker-2")


@pytest.fixture
def circuits_in_real_time() -> bool:
    """Here it is measured how soon a provider is left, and how it comes back."""
    return True


def show(figures: str) -> None:
    """Show what was measured; `pytest -s` lets it through."""
    sys.stdout.write(f"{figures}\n")


@asynccontextmanager
async def nobody_listens() -> AsyncIterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@asynccontextmanager
async def no_such_name() -> AsyncIterator[str]:
    yield "http://provider.invalid"


@asynccontextmanager
async def wrong_certificate() -> AsyncIterator[str]:
    async with serve(hang, tls=issue().server) as server:
        yield server.url.removesuffix("/messages")


DEAD: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[str]]]] = {
    "refuses connections": nobody_listens,
    "has no address": no_such_name,
    "shows a certificate that nobody trusts": wrong_certificate,
}


@pytest.mark.parametrize("dead", DEAD)
async def test_a_provider_that_cannot_be_reached_is_left_within_seconds_and_nothing_is_doubled(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path, dead: str
) -> None:
    plan = live(ordinary(500), senders=[POOL])
    await make_pool(engine, shop.name)
    async with DEAD[dead]() as url:
        with FakeProvider() as b:
            to_a = b.account_settings("a", Evidence.WEBHOOK, url=url)
            with Fleet(own_database_url, tmp_path, **SETTINGS, **settings_of(b=b), **to_a) as fleet:
                fleet.start("api", *WORKERS)
                fleet.wait_until_ready()
                load = Load(api_url=fleet.api_url, credentials=shop.live)
                await load.send(plan, over_seconds=10)
                run = await settled_with(engine, fleet, load, b)
                complaints = fleet.complaints()
    moved = [message for message in run.messages if message.was(EventReason.FAILED_OVER)]
    show(f"{dead}: left within {longest_wait(run):.2f} s; {len(moved)} of {len(plan)} moved")
    assert violations(run) == []
    assert {message.status for message in run.messages} == {MessageStatus.DELIVERED}
    assert set(b.log.taken().values()) == {1}
    assert moved
    assert longest_wait(run) <= LEAVES_WITHIN_SECONDS
    assert complaints == []


async def test_a_provider_that_dies_under_load_costs_no_more_than_what_was_under_way(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    plan = live(ordinary(1_000), senders=[POOL])
    await make_pool(engine, shop.name)
    with FakeProvider() as b, ExitStack() as while_a_lives:
        a = while_a_lives.enter_context(FakeProvider(latency_seconds=(0.02, 0.1)))
        with Fleet(own_database_url, tmp_path, **SETTINGS, **settings_of(a=a, b=b)) as fleet:
            fleet.start("api", *WORKERS)
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.send(plan, over_seconds=10))
                await load.has_acknowledged(300)
                while_a_lives.close()
            run = await settled_with(engine, fleet, load, b)
            complaints = fleet.complaints()
    unsure = [message for message in run.messages if message.status is MessageStatus.UNCONFIRMED]
    show(f"killed under load: left within {longest_wait(run):.2f} s; {len(unsure)} unconfirmed")
    assert {m.status for m in run.messages} <= {MessageStatus.DELIVERED, MessageStatus.SENT, MessageStatus.UNCONFIRMED}
    assert by_both(a, b) == set()
    assert set((a.log.taken() + b.log.taken()).values()) == {1}
    assert all(not message.was(EventReason.FAILED_OVER) for message in unsure)
    assert len(unsure) <= len(WORKERS) * CONCURRENCY + 5
    assert longest_wait(run) <= LEAVES_WITHIN_SECONDS
    assert complaints == []


async def test_a_provider_that_hangs_is_left_long_before_its_calls_end_and_what_it_may_have_taken_stays_with_it(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    plan = live(ordinary(400), senders=[POOL])
    await make_pool(engine, shop.name)
    calls = {"GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "20", "GATEWAY_DISPATCH__LEASE_SECONDS": "25"}
    waits = {"GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "40", "GATEWAY_DISPATCH__CONCURRENCY": "64"}
    with (
        FakeProvider(always(Conduct.HANG)) as a,
        FakeProvider() as b,
        Fleet(own_database_url, tmp_path, **calls, **waits, **settings_of(a=a, b=b)) as fleet,
    ):
        fleet.start("api", *WORKERS)
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.live)
        await load.send(plan, over_seconds=20)
        run = await settled_with(engine, fleet, load, a, b)
        complaints = fleet.complaints()
    show(f"hangs: left within {longest_wait(run):.2f} s; {a.log.taken().total()} of {len(plan)} taken by it")
    assert violations(run) == []
    assert {message.status for message in run.messages} == {MessageStatus.DELIVERED}
    assert by_both(a, b) == set()
    assert a.log.taken().total() <= len(WORKERS) * 64 + 5
    assert longest_wait(run) <= LEAVES_WITHIN_SECONDS
    assert complaints == []


async def test_traffic_returns_gradually_to_a_provider_that_is_back(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    plan = live(ordinary(2_000), senders=[POOL])
    await make_pool(engine, shop.name)
    port = free_port()
    with FakeProvider() as b, ExitStack() as once_a_lives:
        a = FakeProvider(port=port)
        with Fleet(own_database_url, tmp_path, **SETTINGS, **settings_of(a=a, b=b)) as fleet:
            fleet.start("api", *WORKERS)
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            async with asyncio.TaskGroup() as group:
                group.create_task(load.send(plan, over_seconds=80))
                await asyncio.sleep(5)
                once_a_lives.enter_context(a)
            run = await settled_with(engine, fleet, load, a, b)
    seen = shares(a, b, each_seconds=5)
    show(f"of each 5 s, by the one that is back and by the other: {seen}")
    assert violations(run) == []
    assert {message.status for message in run.messages} == {MessageStatus.DELIVERED}
    assert by_both(a, b) == set()
    parts = [of_a / (of_a + of_b) for of_a, of_b in seen]
    assert parts[0] < 0.42, "a full switch: nearly half of it all goes its way where both are well"
    assert sum(parts[-4:-1]) > sum(parts[:3]) > 0, "it does not come back"
    assert max(parts) < 0.7


@pytest.mark.parametrize(
    ("late", "by_other", "end", "reason"),
    [
        ("delivered", "sent", MessageStatus.DELIVERED, None),
        ("undelivered", "sent", MessageStatus.SENT, EventReason.SUPERSEDED_ATTEMPT),
        ("delivered", "delivered", MessageStatus.DELIVERED, EventReason.DUPLICATE),
        ("failed", "delivered", MessageStatus.DELIVERED, EventReason.SUPERSEDED_ATTEMPT),
    ],
)
async def test_a_late_report_on_the_loser_of_a_failover_counts_only_if_it_is_good(
    own_database_url: str,
    engine: Engine,
    shop: Tenant,
    tmp_path: Path,
    late: str,
    by_other: str,
    end: MessageStatus,
    reason: EventReason | None,
) -> None:
    """The first provider refuses for want of credit, and sends all the same."""
    plan = live(ordinary(100), senders=[POOL])
    # So light is the other that it is chosen only where nobody else is left.
    await make_pool(engine, shop.name, weights={"a": 1.0, "b": 1e-6})
    with (
        FakeProvider(always(Conduct.DISOWNED), habits=Habits(statuses=(late,), delay_seconds=(4, 5))) as a,
        FakeProvider(habits=Habits(statuses=(by_other,), delay_seconds=(0, 0.1))) as b,
        Fleet(own_database_url, tmp_path, **SETTINGS, **settings_of(a=a, b=b)) as fleet,
    ):
        fleet.start("api", *WORKERS)
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.live)
        await load.send(plan, over_seconds=1)
        run = await settled_with(engine, fleet, load, a, b)
        complaints = fleet.complaints()
    assert set(b.log.taken().values()) == {1}
    assert len(b.log.taken()) == len(run.messages) == 100
    assert {(m.status, m.provider) for m in run.messages} == {(end, "b")}
    of_a = [event for m in run.messages for event in m.events if event.source == "provider" and event.attempt == 1]
    assert [(event.word, event.applied, event.reason) for event in of_a] == [(late, reason is None, reason)] * 100
    assert all(message.was(EventReason.FAILED_OVER) for message in run.messages)
    assert complaints == []
