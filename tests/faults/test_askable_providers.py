"""Providers that answer badly and can be asked: every outcome is found out, and nothing is doubled by any guarantee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from app.domain.message import DeliveryGuarantee
from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.store.engine import Engine
from tests.conftest import FULL
from tests.support.batches import live, ordinary
from tests.support.fake_provider.conduct import UNCLEAR, Conduct, seeded
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import SILENT
from tests.support.fake_run import settled_with
from tests.support.gateway import Tenant
from tests.support.invariants import violations
from tests.support.load import Load
from tests.support.processes import Fleet
from tests.support.upstreams import ASKABLE, NAMES, NEVER_TWICE, add_senders, settings_of, upstreams

pytestmark = pytest.mark.fault

SEED: Final = 20_265
HASTE: Final = {
    "GATEWAY_DISPATCH__LEASE_SECONDS": "3",
    "GATEWAY_DISPATCH__SEND_DEADLINE_SECONDS": "1",
    "GATEWAY_DISPATCH__INQUIRY_DELAYS_SECONDS": "[0.2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]",
    "GATEWAY_DISPATCH__SIGHTINGS_APART_SECONDS": "0.5",
    "GATEWAY_DISPATCH__EVIDENCE_WAIT_SECONDS": "10",
}
UNANSWERED: Final[Mapping[Conduct, float]] = {
    **dict.fromkeys(UNCLEAR, 0.02),
    Conduct.LOST: 0.1,
    Conduct.HANG: 0.05,
    Conduct.DRIP: 0.05,
}


def provider_for(evidence: Evidence) -> FakeProvider:
    """Make a provider that never reports: whatever is known of a message was found out."""
    seed = SEED + len(evidence)
    return FakeProvider(seeded(seed, UNANSWERED), habits=SILENT, questions=seeded(seed, dict.fromkeys(UNCLEAR, 0.02)))


async def test_every_unknown_outcome_is_found_out_and_nothing_is_sent_twice(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    with upstreams(ASKABLE, provider_for) as accounts:
        await add_senders(engine, shop.name, accounts)
        plan = live(
            ordinary(120 if FULL else 60, guarantees=tuple(DeliveryGuarantee)),
            senders=[each.sender for each in accounts],
        )
        providers = [each.provider for each in accounts]
        with Fleet(own_database_url, tmp_path, **HASTE, **settings_of(accounts)) as fleet:
            fleet.start("api", "worker-1", "worker-2")
            fleet.wait_until_ready()
            load = Load(api_url=fleet.api_url, credentials=shop.live)
            await load.send(plan, over_seconds=2)
            run = replace(await settled_with(engine, fleet, load, *providers), never_twice=NEVER_TWICE)
            complaints = fleet.complaints()
    assert violations(run) == []
    assert len(run.acknowledged) == len(plan)
    assert {(m.provider, m.status, m.possible_duplicate) for m in run.messages} == {
        (NAMES[evidence], MessageStatus.SENT, False) for evidence in ASKABLE
    }
    taken = run.taken()
    assert {taken[message.id] for message in run.messages} == {1}
    met = {entry.conduct for provider in providers for entry in provider.log.sent}
    assert met >= ({*UNANSWERED} if FULL else {Conduct.LOST})
    assert complaints == []
