"""Messages over which workers die: set aside after three, or not resent any more, while everything else is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from app.domain.change import EventReason
from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.services.administration import Administration
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import Planned, live, ordinary
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_run import settled_with
from tests.support.gateway import FAST, Tenant
from tests.support.invariants import Message, violations
from tests.support.load import Load
from tests.support.observation import count
from tests.support.processes import Fleet
from tests.support.rigged_providers.poison import BLOCKS, EXITS, RAISES

pytestmark = pytest.mark.fault

SENDER: Final = "+12025550111"
HEALTHY: Final = 500 if FULL else 100
POISON: Final = {"raises": RAISES, "blocks": BLOCKS, "exits": EXITS}
SETTINGS: Final = {
    "GATEWAY_DISPATCH__LEASE_SECONDS": "2",
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "1",
    "GATEWAY_DISPATCH__INQUIRY_DELAYS_SECONDS": "[0.2, 0.5, 0.5, 0.5, 0.5, 0.5]",
    "GATEWAY_DISPATCH__SIGHTINGS_APART_SECONDS": "0.2",
    "GATEWAY_DISPATCH__RETRY_DELAYS_SECONDS": "[0.1, 0.1, 0.1, 0.1, 0.1]",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "4",
    "GATEWAY_DISPATCH__CONCURRENCY": "16",
}
NOBODY_KNOWS: Final = (MessageStatus.UNCONFIRMED, "outcome-unknown")
# A block that nobody notices is no crash, and the last try of either may have died with another one's worker.
ENDS: Final[dict[Evidence, dict[str, set[tuple[MessageStatus, str]]]]] = {
    Evidence.REFERENCE_SEARCH: {
        "exits": {(MessageStatus.FAILED, "poison")},
        "blocks": {(MessageStatus.FAILED, error) for error in ("poison", "provider-unavailable")},
        "raises": {(MessageStatus.FAILED, error) for error in ("unknown", "provider-unavailable")},
    },
    # What may have left is resent alone, and not resent any more once it has killed three.
    Evidence.IDEMPOTENCY_KEY: {
        "exits": {NOBODY_KNOWS},
        "blocks": {NOBODY_KNOWS, *((MessageStatus.FAILED, error) for error in ("poison", "provider-unavailable"))},
        "raises": {NOBODY_KNOWS, *((MessageStatus.FAILED, error) for error in ("unknown", "provider-unavailable"))},
    },
}
_OPEN: Final = "SELECT count(*) FROM messages WHERE status IN ('queued', 'sending')"


def batch() -> list[Planned]:
    """Plan healthy messages with one of each kind of poison among the first of them."""
    plan = live(ordinary(HEALTHY, guarantees=tuple(DeliveryGuarantee)), senders=[SENDER])
    for place, (reference, words) in enumerate(POISON.items(), 1):
        plan.insert(10 * place, replace(plan[0], reference=reference, words=words))
    return plan


def lost_workers(message: Message) -> int:
    """Count the workers that were lost while they had it."""
    return sum(event.reason == EventReason.WORKER_LOST for event in message.events)


async def restart_what_ends(engine: Engine, fleet: Fleet) -> int:
    """Start dead workers again until nothing is left to send; give how often one had died."""
    deaths = 0
    async with asyncio.timeout(90):
        while await count(engine, _OPEN):
            deaths += len(fleet.start_ended())
            await asyncio.sleep(0.1)
    return deaths + len(fleet.start_ended())


@pytest.mark.parametrize("evidence", ENDS)
async def test_poison_is_set_aside_after_three_workers_and_everything_else_is_sent(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path, evidence: Evidence
) -> None:
    await Administration(engine, {"poison"}).add_sender(account=shop.name, address=SENDER, provider="poison", rate=FAST)
    plan = batch()
    with FakeProvider(latency_seconds=(0.02, 0.1)) as provider:
        account = provider.account_settings("poison", evidence, adapter="poison")
        with Fleet(own_database_url, tmp_path, "tests.support.rigged", **SETTINGS, **account) as fleet:
            fleet.start("api", "worker-1", "worker-2")
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            await load.send(plan, over_seconds=1)
            deaths = await restart_what_ends(engine, fleet)
            run = replace(await settled_with(engine, fleet, load, provider), never_twice=frozenset({"poison"}))
    assert violations(run) == []
    ends = {message.reference: (message.status, message.error) for message in run.messages}
    ends_of_poison = {reference: ends.pop(reference) for reference in POISON}
    assert Counter(ends.values()) == {(MessageStatus.DELIVERED, None): HEALTHY}
    assert all(end in ENDS[evidence][reference] for reference, end in ends_of_poison.items()), ends_of_poison
    # Where it was claimed beside the one that blocks, that lost lease counts as a death, too.
    assert 1 <= deaths <= 3
    lost = {message.reference: lost_workers(message) for message in run.messages}
    assert lost.pop("exits") >= 3
    # Whatever went out beside one that exits and beside one that blocks; the next time these went out alone.
    assert max(lost[reference] for reference in ends) <= 2
    assert set(provider.log.taken().values()) == {1}
