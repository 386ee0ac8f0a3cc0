"""A process under lasting load keeps its memory, file descriptors and connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from app.store.engine import Engine, create_engine
from tests.conftest import FULL
from tests.support.gateway import basic, tenant
from tests.support.processes import Fleet

REQUESTS = 30_000 if FULL else 1_500
GROWTH_KIB = 12 * 1024
CONNECTIONS = 16
MESSAGE = {"from": "+15551234567", "to": "+15559876543", "body": "Hello"}


def resident_kib(pid: int) -> int:
    [line] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS")]
    return int(line.split()[1])


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def load(url: str, headers: dict[str, str], requests: int) -> set[int]:
    """Send messages and read lists, turn by turn, and give the statuses that came back."""
    remaining = iter(range(requests))
    seen: set[int] = set()

    async def client() -> None:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as session:
            for number in remaining:
                if number % 10:
                    seen.add((await session.post("/v1/messages", json=MESSAGE)).status_code)
                else:
                    seen.add((await session.get("/v1/messages?limit=20")).status_code)

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return seen


@pytest.mark.soak
@pytest.mark.smoke
async def test_the_api_does_not_grow_under_load(own_database_url: str, tmp_path: Path) -> None:
    engine: Engine = create_engine(own_database_url, application="tests")
    headers = basic((await tenant(engine)).test)
    await engine.dispose()
    with Fleet(own_database_url, tmp_path) as fleet:
        fleet.start("api")
        await asyncio.to_thread(fleet.wait_until_ready)
        pid = fleet.process("api").pid
        assert await load(fleet.api_url, headers, REQUESTS // 3) == {200, 202}
        before, files = resident_kib(pid), open_files(pid)
        assert await load(fleet.api_url, headers, REQUESTS) == {200, 202}
        assert resident_kib(pid) - before < GROWTH_KIB
        assert open_files(pid) <= files + CONNECTIONS
