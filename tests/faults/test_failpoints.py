"""A worker killed after each of its steps, for each kind of evidence and both guarantees: nothing lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from app.domain.message import DeliveryGuarantee
from app.domain.status import FINAL
from app.providers.sandbox import Evidence
from app.store.engine import Engine
from tests.support.batches import Planned, live, ordinary
from tests.support.failpoints import STEPS, VARIABLE
from tests.support.fake_provider.conduct import Conduct, always, at_first
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import Habits
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.processes import Fleet
from tests.support.upstreams import NAMES, NEVER_TWICE, add_senders, settings_of, upstreams

pytestmark = pytest.mark.fault

EACH: Final = 2 * len(NAMES)
"""One message for each account and guarantee."""

QUIET: Final = Habits(statuses=("delivered",), delay_seconds=(1.5, 2.0))
"""Reports that come after the worker has died, and before the wait for them is over."""

HASTE: Final = {
    "GATEWAY_DISPATCH__LEASE_SECONDS": "3",
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "1",
    "GATEWAY_DISPATCH__INQUIRY_DELAYS_SECONDS": "[0.2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]",
    "GATEWAY_DISPATCH__SIGHTINGS_APART_SECONDS": "0.5",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "4",
    "GATEWAY_DISPATCH__RECONCILE_DELAYS_SECONDS": "[1, 2, 2, 2, 2, 2]",
    "GATEWAY_DISPATCH__POISON_CRASHES": "100",
}


def plan(senders: Sequence[str]) -> list[Planned]:
    """Plan the messages of all steps."""
    guarantees = (*[DeliveryGuarantee.AT_MOST_ONCE] * len(senders), *[DeliveryGuarantee.AT_LEAST_ONCE] * len(senders))
    return live(ordinary(EACH * (len(STEPS) + 1), guarantees=guarantees), senders=senders)


async def die_at(fleet: Fleet, step: str) -> None:
    """Start a worker and wait until it has died at a step."""
    fleet.start("worker", **{VARIABLE: step})
    async with asyncio.timeout(30):
        while fleet.process("worker").exit_code is None:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.02)
    assert fleet.process("worker").exit_code == -9, fleet.process("worker").last_lines()


async def test_a_worker_killed_after_any_of_its_steps_loses_nothing_and_doubles_nothing(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    with upstreams(list(NAMES), lambda _evidence: FakeProvider(habits=QUIET)) as accounts:
        await add_senders(engine, shop.name, accounts)
        batch = plan([account.sender for account in accounts])
        providers = [account.provider for account in accounts]
        with Fleet(own_database_url, tmp_path, "tests.support.failpoints", **HASTE, **settings_of(accounts)) as fleet:
            fleet.start("api")
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            for number, step in enumerate(STEPS):
                for provider in providers:
                    provider.script = at_first(Conduct.CUT) if number % 2 else always(Conduct.PROPER)
                await load.send(batch[EACH * number : EACH * (number + 1)])
                await die_at(fleet, step)
            fleet.start("worker", "worker-2")
            await load.send(batch[-EACH:])
            run = replace(await settled_with(engine, fleet, load, *providers, final=True), never_twice=NEVER_TWICE)
            complaints = fleet.complaints()
    assert violations(run) == []
    assert len(run.acknowledged) == len(batch)
    assert {message.status for message in run.messages} <= FINAL
    asked = [account for account in accounts if account.evidence not in {Evidence.WEBHOOK, Evidence.NONE}]
    assert all(account.provider.log.asked or account.evidence is Evidence.IDEMPOTENCY_KEY for account in asked)
    assert complaints == []
