"""F39: a long queue of bulk messages whose sends fill every worker's places costs a one-time code no second."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.domain.priority import Priority
from app.services.administration import Administration
from app.store.engine import Engine
from tests.bench.harness.client import percentile
from tests.bench.harness.provider_process import Provider, running_provider
from tests.support.backlog import queue_messages
from tests.support.gateway import FAST, Tenant, tenant
from tests.support.observation import count
from tests.support.processes import Fleet

BULK_SENDER: Final = "+12025550100"
CODE_SENDER: Final = "+12025550101"
BACKLOG: Final = 100_000
WAIT_SECONDS: Final = 1.0
ANSWERED_AFTER_SECONDS: Final = 0.075
"""What an ordinary provider takes: as long as a bulk message keeps its place."""

SLOW: Final = Decimal(10)
"""Segments per second of a sender that codes and bulk share: the next of them may go within a tenth of a second."""

_LEFT: Final = "SELECT count(*) FROM dispatch_queue WHERE priority = 2"


async def send_codes(fleet: Fleet, by: Tenant, *, sender: str, codes: int, each_seconds: float) -> dict[str, float]:
    """Ask for one-time codes, one after the other; give when each was asked for, by its id, on the monotonic clock."""
    asked: dict[str, float] = {}
    auth = (by.live.user, by.live.secret)
    async with httpx.AsyncClient(base_url=fleet.api_url, auth=auth, trust_env=False) as client:
        for number in range(codes):
            message = {"from": sender, "to": "+12065550123", "body": f"Your code is {number:06}.", "priority": "otp"}
            began = time.monotonic()
            answer = await client.post("/v1/messages", json=message)
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text
            asked[answer.json()["id"]] = began
            await asyncio.sleep(max(0.0, began + each_seconds - time.monotonic()))
    return asked


async def waits(provider: Provider, asked: dict[str, float]) -> list[float]:
    """Give the seconds from each request to the provider's having the code, the shortest first."""
    until = time.monotonic() + 30
    while None in (seen := provider.first_seen(list(asked))):
        assert time.monotonic() < until, f"{seen.count(None)} codes have not come"
        await asyncio.sleep(0.05)
    return sorted(at - began for at, began in zip(_known(seen), asked.values(), strict=True))


def _known(moments: Sequence[float | None]) -> list[float]:
    return [moment for moment in moments if moment is not None]


def start_workers(fleet: Fleet, provider: Provider, **settings: str) -> None:
    """Start two, which send to this provider."""
    fleet.start("worker-1", "worker-2", GATEWAY_SANDBOX__URL=provider.url, **settings)


async def test_codes_pass_a_queue_of_bulk_messages(own_database_url: str, engine: Engine, tmp_path: Path) -> None:
    await tenant(engine, "news", BULK_SENDER)
    bank = await tenant(engine, "bank", CODE_SENDER)
    await queue_messages(engine, sender=BULK_SENDER, messages=2_000, priority=Priority.BULK)
    with running_provider() as provider, Fleet(own_database_url, tmp_path) as fleet:
        provider.reset(latency_seconds=ANSWERED_AFTER_SECONDS)
        fleet.start("api")
        fleet.wait_until_ready()
        start_workers(fleet, provider, GATEWAY_DISPATCH__CONCURRENCY="8")
        while provider.requests() < 50:  # noqa: ASYNC110 - the provider is another process
            await asyncio.sleep(0.01)
        asked = await send_codes(fleet, bank, sender=CODE_SENDER, codes=10, each_seconds=0.1)
        await waits(provider, asked)
        # All of them are there, and most of what was queued long before is not.
        assert await count(engine, _LEFT) > 500
        assert fleet.complaints() == []


@pytest.mark.soak
@pytest.mark.parametrize(
    ("who", "sender", "rate", "codes"),
    [("bank", CODE_SENDER, FAST, 60), ("news", CODE_SENDER, FAST, 20), ("news", BULK_SENDER, SLOW, 20)],
    ids=["of-another-account", "of-another-sender", "of-the-same-slow-sender"],
)
async def test_codes_wait_no_second_behind_a_hundred_thousand_bulk_messages(
    own_database_url: str, engine: Engine, tmp_path: Path, who: str, sender: str, rate: Decimal, codes: int
) -> None:
    tenants = {name: await tenant(engine, name, sender=None) for name in ("news", "bank")}
    admin = Administration(engine, {"sandbox"})
    await admin.add_sender(account="news", address=BULK_SENDER, provider="sandbox", rate=rate)
    if sender != BULK_SENDER:
        await admin.add_sender(account=who, address=sender, provider="sandbox", rate=FAST)
    await queue_messages(engine, sender=BULK_SENDER, messages=BACKLOG, priority=Priority.BULK)
    with running_provider() as provider, Fleet(own_database_url, tmp_path) as fleet:
        provider.reset(latency_seconds=ANSWERED_AFTER_SECONDS)
        fleet.start("api")
        fleet.wait_until_ready()
        start_workers(fleet, provider)
        fleet.wait_until_live()
        await asyncio.sleep(2)
        asked = await send_codes(fleet, tenants[who], sender=sender, codes=codes, each_seconds=1)
        waited = await waits(provider, asked)
        left = await count(engine, _LEFT)
        complaints = fleet.complaints()
    p50, p99 = (percentile(waited, percent) for percent in (50, 99))
    sys.stdout.write(f"codes waited {p50:.3f} s p50, {p99:.3f} s p99 of {len(waited)}; {left} bulk messages left\n")
    assert p99 <= WAIT_SECONDS
    assert left > 0
    assert complaints == []
