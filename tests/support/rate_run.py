"""One run of many senders over four workers and a provider that misbehaves a little; one worker is killed in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from app.domain.credentials import Credentials
from tests.support.fake_provider.conduct import Conduct, seeded
from tests.support.fake_provider.server import FakeProvider
from tests.support.fake_provider.webhooks import SILENT
from tests.support.lane_traffic import Lane, Traffic, random_traffic
from tests.support.processes import Fleet
from tests.support.rate_report import RateReport, report

SEED: Final = 5
_WORKERS: Final = ("worker-1", "worker-2", "worker-3", "worker-4")
_ANSWERED_AFTER: Final = (0.01, 0.1)
_MISCONDUCT: Final[Mapping[Conduct, float]] = {Conduct.UNAVAILABLE: 0.03, Conduct.CUT: 0.005}
"""What has messages sent again, and what leaves nobody knowing."""


async def run_rates(fleet: Fleet, credentials: Credentials, lanes: Sequence[Lane], *, seconds: float) -> RateReport:
    """Send random traffic from these senders, which are there, and judge what the provider saw.

    The API of the fleet runs. The workers are started for this, and killed at its end.
    """
    with FakeProvider(seeded(SEED, _MISCONDUCT), habits=SILENT, latency_seconds=_ANSWERED_AFTER) as provider:
        fleet.start(*_WORKERS, **provider.settings, GATEWAY_DISPATCH__CONCURRENCY="16")
        fleet.wait_until_live()
        traffic = Traffic(api_url=fleet.api_url, credentials=credentials)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.send(random_traffic(lanes, seconds=seconds, seed=SEED)))
            group.create_task(_kill_one(fleet, provider, after_seconds=seconds / 2))
        until = time.time()
        told = report(lanes, traffic, list(provider.log.sent), until=until)
        fleet.check_alive()
        for name in (_WORKERS[0], *_WORKERS[2:], "worker-5"):
            fleet.kill(name)
    # A sender that has reached its daily cap takes no more than it comes to within its horizon.
    capped = {lane.address for lane in lanes if lane.allowed.daily_cap is not None}
    expected = {(address, "queue-full") for address in capped}
    if refused := {what: count for what, count in traffic.refused.items() if what not in expected}:
        raise AssertionError(f"not accepted: {refused}")
    return told


async def _kill_one(fleet: Fleet, provider: FakeProvider, *, after_seconds: float) -> None:
    """Kill a worker in the midst of the traffic; another takes its place."""
    await asyncio.sleep(after_seconds)
    fleet.kill(_WORKERS[1])
    fleet.start("worker-5", **provider.settings, GATEWAY_DISPATCH__CONCURRENCY="16")
