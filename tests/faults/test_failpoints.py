"""A worker killed after each of its steps, for each kind of evidence and both guarantees: nothing lost or doubled."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from app.domain.message import DeliveryGuarantee
from app.domain.status import FINAL
from app.store.engine import Engine
from tests.support.batches import Planned, live, ordinary
from tests.support.failpoints import STEPS, VARIABLE
from tests.support.fake_provider.conduct import Conduct, seeded
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import Habits
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.processes import Fleet
from tests.support.upstreams import NAMES, NEVER_TWICE, add_senders, settings_of, upstreams

pytestmark = pytest.mark.fault

PORTION: Final = 2 * len(NAMES)
"""One message for each account and guarantee."""

MOST_PORTIONS: Final = 60
PATIENT_PORTIONS: Final = 15
"""After so many all have died, if there was work for each."""

SEED: Final = 20_267
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
    """Plan more messages than it takes."""
    guarantees = (*[DeliveryGuarantee.AT_MOST_ONCE] * len(senders), *[DeliveryGuarantee.AT_LEAST_ONCE] * len(senders))
    return live(ordinary(PORTION * MOST_PORTIONS, guarantees=guarantees), senders=senders)


async def send_until_dead(fleet: Fleet, load: Load, batch: Sequence[Planned], names: Sequence[str]) -> list[str]:
    """Send one portion after the other until these workers have died; name the others that were started meanwhile.

    One that is to die over what another has left behind may outlive all others, when nothing of theirs is left. So more
    of those that die early are started after a while.
    """
    victims: list[str] = []
    for number in range(MOST_PORTIONS):
        await load.send(batch[PORTION * number : PORTION * (number + 1)], over_seconds=1)
        if all(fleet.process(name).exit_code is not None for name in names):
            break
        if number >= PATIENT_PORTIONS:
            victims.append(f"worker-victim-{number}")
            fleet.start(victims[-1], **{VARIABLE: "answered"})
    assert {name: fleet.process(name).exit_code for name in names} == dict.fromkeys(names, -signal.SIGKILL)
    return victims


async def test_a_worker_killed_after_any_of_its_steps_loses_nothing_and_doubles_nothing(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    with upstreams(
        list(NAMES), lambda _evidence: FakeProvider(seeded(SEED, {Conduct.CUT: 0.4}), habits=QUIET)
    ) as accounts:
        await add_senders(engine, shop.name, accounts)
        batch = plan([account.sender for account in accounts])
        providers = [account.provider for account in accounts]
        with Fleet(own_database_url, tmp_path, "tests.support.failpoints", **HASTE, **settings_of(accounts)) as fleet:
            fleet.start("api")
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            doomed = {f"worker-{step}": step for step in STEPS}
            for name, step in doomed.items():
                fleet.start(name, **{VARIABLE: step})
            victims = await send_until_dead(fleet, load, batch, list(doomed))
            for name in (*doomed, *victims):
                fleet.kill(name)
            fleet.start("worker-1", "worker-2")
            run = replace(await settled_with(engine, fleet, load, *providers, final=True), never_twice=NEVER_TWICE)
            complaints = fleet.complaints()
    assert violations(run) == []
    assert {message.id for message in run.messages} == run.acknowledged
    assert {message.status for message in run.messages} <= FINAL
    assert complaints == []
