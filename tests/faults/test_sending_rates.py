"""Twenty senders and four workers, one of them killed: nobody exceeds a limit, and next to nothing of one is wasted."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from app.store.engine import Engine
from tests.support.fake_provider.conduct import Conduct, seeded
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import SILENT
from tests.support.gateway import Tenant
from tests.support.lane_traffic import Traffic, add_lanes, random_traffic, twenty_lanes
from tests.support.processes import Fleet
from tests.support.rate_report import report

pytestmark = pytest.mark.fault

SECONDS: Final = 40.0
FASTER: Final = 3.0
USED_AT_LEAST: Final = 0.97
WORKERS: Final = ("worker-1", "worker-2", "worker-3", "worker-4")
MISCONDUCT: Final = {Conduct.UNAVAILABLE: 0.03, Conduct.CUT: 0.005}
"""What has messages sent again, and what leaves nobody knowing."""


async def kill_one(fleet: Fleet) -> None:
    """Kill a worker in the midst of the traffic; another takes its place a little later."""
    await asyncio.sleep(SECONDS / 2)
    fleet.kill("worker-2")
    await asyncio.sleep(SECONDS / 20)
    fleet.start("worker-5")


async def test_no_window_of_any_sender_exceeds_its_limits_and_what_they_allow_is_used(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    lanes = twenty_lanes(faster=FASTER, seconds=SECONDS)
    await add_lanes(engine, shop.name, lanes)
    settings = {"GATEWAY_DISPATCH__CONCURRENCY": "16", "GATEWAY_API__REQUESTS_PER_SECOND": "100000"}
    with (
        FakeProvider(seeded(5, MISCONDUCT), habits=SILENT, latency_seconds=(0.01, 0.1)) as provider,
        Fleet(own_database_url, tmp_path, **settings, **provider.settings) as fleet,
    ):
        fleet.start("api", *WORKERS)
        fleet.wait_until_ready()
        fleet.wait_until_live()
        traffic = Traffic(api_url=fleet.api_url, credentials=shop.live)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.send(random_traffic(lanes, seconds=SECONDS, seed=5)))
            group.create_task(kill_one(fleet))
        until = time.time()
        complaints = fleet.complaints()
        told = report(lanes, traffic, list(provider.log.sent), until=until)
    print(*told.lanes, f"used {told.used:.3f}, worst window: {told.worst}", sep="\n")  # noqa: T201 - what it is run for
    assert told.violations() == []
    assert told.used >= USED_AT_LEAST
    assert traffic.refused == {}
    assert complaints == []
