"""A provider account that throttles, is away or hangs: it is heeded or left, and nothing is lost or doubled by it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.services.administration import Administration
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import live, ordinary
from tests.support.fake_provider.conduct import THROTTLED, Asked, Conduct, Script, always
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.observation import count, until
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

WAITS: Final = {
    Conduct.THROTTLED_SECONDS: 2,
    Conduct.THROTTLED_DATE: 2,
    Conduct.THROTTLED_NEGATIVE: 1,
    Conduct.THROTTLED_ENORMOUS: 900,
    Conduct.THROTTLED_TEXT: 1,
}
"""How long a lane waits, in seconds, after an answer of each kind."""

RATE: Final = 20
"""Of each sender in the test of throttling, in segments per second."""

THROTTLES: Final = 3
"""So many requests are throttled at first."""

PROBES: Final = 2
"""So many find the provider still away; it has 6 tries for a message."""

IN_FLIGHT_SECONDS: Final = 1.5
"""By then all that was claimed before a circuit opened has gone out, or was given back."""

_HELD: Final = "SELECT count(*) FROM lanes WHERE not_before IS NOT NULL"
_PATIENT: Final = """
SELECT extract(epoch FROM not_before - now()) FROM lanes WHERE provider = 'enormous' AND slow_since = not_before
"""
_TRIED: Final = "SELECT coalesce(sum(tries), 0) FROM dispatch_queue"
_WAIT_IS_OVER: Final = "UPDATE lanes SET not_before = now(), slow_since = now() WHERE provider = 'enormous'"
_DUE_NOW: Final = "UPDATE dispatch_queue SET due_at = now() WHERE due_at > now() + interval '1 minute'"
_TROUBLES: Final = "SELECT count(*) FROM circuits"
_OPENINGS: Final = "SELECT coalesce(max(openings), 0) FROM circuits WHERE state = 'open'"
_CLOSED: Final = "SELECT count(*) FROM circuits WHERE state = 'closed' AND slow_since IS NOT NULL"
_STAYS_OPEN: Final = "UPDATE circuits SET open_until = now() + interval '1 minute' WHERE state = 'open'"
_OPEN_FOR_LONG: Final = "UPDATE circuits SET open_until = now() WHERE state = 'open'"


@pytest.fixture
def circuits_in_real_time() -> bool:
    """Here it is measured for how long a circuit stays open."""
    return True


async def execute(engine: Engine, *statements: str) -> None:
    """Change something behind the gateway's back, as passing time would."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def stays_open(engine: Engine) -> int:
    """Keep the circuit open until the test says that its time is over, and give how often it was opened by now."""
    await execute(engine, _STAYS_OPEN)
    await asyncio.sleep(IN_FLIGHT_SECONDS)
    await execute(engine, _STAYS_OPEN)  # and once more, for a trial may have been under way
    return await count(engine, _OPENINGS)


async def slow_since(engine: Engine) -> datetime:
    """Give when the one circuit closed."""
    async with engine.connect() as connection:
        moment: datetime = (await connection.execute(text("SELECT slow_since FROM circuits"))).scalar_one()
    return moment


def at_the_beginning(conduct: Conduct, *, times: int) -> Script:
    """Treat the first requests in one way, and all later ones properly."""
    seen = 0

    def choose(_asked: Asked) -> Conduct:
        nonlocal seen
        seen += 1
        return conduct if seen <= times else Conduct.PROPER

    return choose


def name_of(kind: Conduct) -> str:
    """Give what the provider account is called that throttles in this way."""
    return kind.value.removeprefix("throttled-")


@contextmanager
def throttling_accounts() -> Iterator[dict[Conduct, FakeProvider]]:
    """Run a provider for each kind of Retry-After."""
    with ExitStack() as stack:
        scripts = {kind: at_the_beginning(kind, times=THROTTLES) for kind in THROTTLED}
        yield {kind: stack.enter_context(FakeProvider(script)) for kind, script in scripts.items()}


async def add_senders(engine: Engine, tenant: str) -> list[str]:
    """Give an account a sender for each provider account."""
    admin = Administration(engine, {name_of(kind) for kind in THROTTLED})
    addresses = [f"+120255501{number:02}" for number, _ in enumerate(THROTTLED, 20)]
    for kind, address in zip(THROTTLED, addresses, strict=True):
        await admin.add_sender(account=tenant, address=address, provider=name_of(kind), rate=Decimal(RATE))
    return addresses


def most_in_slow_start(seconds: float) -> float:
    """Give how many segments go out at most in so many seconds of a slow start, what its bucket holds included."""
    return float((2**seconds - 1) / math.log(2) + 2**seconds)


def begun_gently(moments: Sequence[datetime], since: datetime) -> bool:
    """Whether no more went out after a moment than a slow start lets go, in each of its first seconds."""
    sent = [(moment - since).total_seconds() for moment in moments if moment > since]
    return all(sum(at <= second for at in sent) <= most_in_slow_start(second) for second in (1, 2, 3, 4, 5))


async def test_a_lane_waits_as_its_provider_asks_within_bounds_and_nothing_is_used_up_by_it(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    senders = await add_senders(engine, shop.name)
    plan = live(ordinary(200 if FULL else 75), senders=senders)
    with throttling_accounts() as accounts:
        settings: dict[str, str] = {}
        for kind, provider in accounts.items():
            settings |= provider.account_settings(name_of(kind), Evidence.WEBHOOK)
        with Fleet(own_database_url, tmp_path, **settings) as fleet:
            fleet.start("api", "worker-1", "worker-2")
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            await load.send(plan)
            await until(engine, fleet, _HELD, len(THROTTLED))
            patience = await count(engine, _PATIENT)
            tried = await count(engine, _TRIED)
            await until(engine, fleet, "SELECT count(*) FROM messages WHERE status = 'delivered'", len(plan) * 4 // 5)
            over = datetime.now(UTC)
            accounts[Conduct.THROTTLED_ENORMOUS].script = always(Conduct.PROPER)
            await execute(engine, _WAIT_IS_OVER, _DUE_NOW)
            run = await settled_with(engine, fleet, load, *accounts.values(), final=True)
            troubles = await count(engine, _TROUBLES)
            complaints = fleet.complaints()
    assert violations(run) == []
    assert {message.status for message in run.messages} == {MessageStatus.DELIVERED}
    assert 840 < patience <= WAITS[Conduct.THROTTLED_ENORMOUS]
    assert (tried, troubles) == (0, 0)
    for kind, provider in accounts.items():
        first = min(sent.at for sent in provider.log.sent if sent.conduct is kind)
        wait_over = over if kind is Conduct.THROTTLED_ENORMOUS else first + timedelta(seconds=WAITS[kind])
        # By then all has gone out that was under way when the first was throttled.
        assert not any(first + timedelta(seconds=1) < sent.at < wait_over for sent in provider.log.sent)
    assert complaints == []


async def test_of_an_outage_one_message_at_a_time_finds_the_end_and_traffic_comes_back_gently(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    """The time for which the circuit stays open is shortened: it ends when the test says so."""
    messages, quiet_seconds = (1_000, 3.0) if FULL else (120, 1.0)
    with (
        FakeProvider(always(Conduct.UNAVAILABLE)) as provider,
        Fleet(own_database_url, tmp_path, **provider.settings) as fleet,
    ):
        fleet.start("api", "worker-1", "worker-2")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(ordinary(messages))
        await until(engine, fleet, _OPENINGS, 1)
        probes = []
        for _ in range(PROBES):
            opened = await stays_open(engine)
            before = len(provider.log.sent)
            await asyncio.sleep(quiet_seconds)
            assert len(provider.log.sent) == before
            await execute(engine, _OPEN_FOR_LONG)
            await until(engine, fleet, _OPENINGS, opened + 1)
            await stays_open(engine)
            probes.append(len(provider.log.sent) - before)
        provider.script = always(Conduct.PROPER)
        before = len(provider.log.sent)
        await execute(engine, _OPEN_FOR_LONG)
        await until(engine, fleet, _CLOSED, 1)
        closed_at = await slow_since(engine)
        probes.append(sum(sent.at <= closed_at for sent in provider.log.sent[before:]))
        # Retries come at ten a second at least, and every try that failed before the circuit opened is followed by one.
        run = await settled_with(engine, fleet, load, provider, within_seconds=150, final=True)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert probes == [1] * (PROBES + 1)
    assert {message.status for message in run.messages} == {MessageStatus.DELIVERED}
    assert begun_gently([sent.at for sent in provider.log.sent], closed_at)
    assert complaints == []


async def test_a_provider_that_hangs_is_left_within_ten_seconds_though_a_call_may_take_twenty(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    messages, concurrency = (200, 10) if FULL else (60, 5)
    patient = {
        "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "20",
        "GATEWAY_DISPATCH__LEASE_SECONDS": "30",
        "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "60",
        "GATEWAY_DISPATCH__CONCURRENCY": str(concurrency),
    }
    with (
        FakeProvider(always(Conduct.HANG)) as provider,
        Fleet(own_database_url, tmp_path, **patient, **provider.settings) as fleet,
    ):
        fleet.start("api", "worker-1", "worker-2")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(ordinary(messages))
        await until(engine, fleet, _OPENINGS, 1, within_seconds=30)
        left_after = await count(engine, "SELECT extract(epoch FROM changed_at) * 1000 FROM circuits") / 1000
        await asyncio.sleep(2)
        hung = list(provider.log.sent)
        provider.script = always(Conduct.PROPER)
        await execute(engine, _OPEN_FOR_LONG)
        run = await settled_with(engine, fleet, load, provider, within_seconds=90, final=True)
        complaints = fleet.complaints()
    assert violations(run) == []
    assert len(hung) <= 2 * concurrency + 5
    assert left_after - hung[0].at.timestamp() < 10
    assert {message.status for message in run.messages} == {MessageStatus.DELIVERED}
    assert complaints == []
