"""Twenty senders and four workers, one of them killed: nobody exceeds a limit, and next to nothing of one is wasted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from app.store.engine import Engine
from tests.support.gateway import Tenant
from tests.support.lane_traffic import add_lanes, twenty_lanes
from tests.support.processes import Fleet
from tests.support.rate_run import run_rates

pytestmark = pytest.mark.fault

SECONDS: Final = 40.0
FASTER: Final = 3.0
USED_AT_LEAST: Final = 0.97


async def test_no_window_of_any_sender_exceeds_its_limits_and_what_they_allow_is_used(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    lanes = twenty_lanes(faster=FASTER, seconds=SECONDS)
    await add_lanes(engine, shop.name, lanes)
    with Fleet(own_database_url, tmp_path, GATEWAY_API__REQUESTS_PER_SECOND="100000") as fleet:
        fleet.start("api")
        fleet.wait_until_ready()
        told = await run_rates(fleet, shop.live, lanes, seconds=SECONDS)
        complaints = fleet.complaints()
    sys.stdout.write("\n".join([*map(str, told.lanes), f"used {told.used:.3f}, worst window: {told.worst}\n"]))
    assert told.violations() == []
    assert told.used >= USED_AT_LEAST
    assert complaints == []
