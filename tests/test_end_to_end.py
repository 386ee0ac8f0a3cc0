"""A thousand messages through real processes: every magic outcome as planned, nothing lost, nothing sent twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.sandbox.magic import Scenario
from app.store.engine import create_engine
from tests.support.batches import Planned, mixed, shortfalls
from tests.support.gateway import tenant
from tests.support.invariants import Run, violations
from tests.support.load import Load
from tests.support.observation import duplicates, settled
from tests.support.processes import Fleet

pytestmark = pytest.mark.soak


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The run, after everything came to rest."""

    batch: list[Planned]
    load: Load
    run: Run
    duplicates: list[dict[str, object]]
    listed: dict[str, str]
    """The status of each message, by its id, as the API lists them."""

    complaints: list[str]


async def _listed(load: Load) -> dict[str, str]:
    found: dict[str, str] = {}
    auth = (load.credentials.user, load.credentials.secret)
    async with httpx.AsyncClient(base_url=load.api_url, auth=auth, trust_env=False, timeout=20) as client:
        parameters = {"limit": "100"}
        while parameters:
            page = (await client.get("/v1/messages", params=parameters)).json()
            found |= {message["id"]: message["status"] for message in page["data"]}
            parameters = {"limit": "100", "cursor": page["next_cursor"]} if page["has_more"] else {}
    return found


@pytest.fixture
async def outcome(own_database_url: str, tmp_path: Path) -> AsyncIterator[Outcome]:
    engine = create_engine(own_database_url, application="tests")
    batch = mixed(1_000)
    shop = await tenant(engine)
    patience = {"GATEWAY_DATABASE__ACQUIRE_SECONDS": "15"}  # a slow machine is no reason for a 503 here
    with Fleet(own_database_url, tmp_path, **patience) as fleet:
        fleet.start("sandbox", "api", "worker")
        fleet.wait_until_ready()
        load = Load(api_url=fleet.api_url, credentials=shop.test)
        await load.send(batch, connections=16)
        run = await settled(engine, fleet, load, batch)
        yield Outcome(
            batch=batch,
            load=load,
            run=run,
            duplicates=await duplicates(fleet),
            listed=await _listed(load),
            complaints=fleet.complaints(),
        )
    await engine.dispose()


async def test_a_thousand_messages_of_every_outcome_end_as_planned_and_reach_the_handset_once(outcome: Outcome) -> None:
    run = outcome.run
    assert violations(run) == []
    assert shortfalls(run, outcome.batch) == []
    assert {planned.magic.scenario for planned in outcome.batch if planned.magic} == set(Scenario)
    assert len(run.messages) == len(run.acknowledged) == len(set(outcome.load.acknowledged.values())) == 1_000
    assert outcome.listed == {message.id: message.status for message in run.messages}
    assert outcome.load.statuses() == Counter({202: 1_000})
    assert outcome.duplicates == []
    assert outcome.complaints == []
