"""Audits over the API: who may read them, what they show, and pages."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.api.examples import AUDITS
from app.api.paging import write_cursor
from app.store.audits import DayRange, claim_audit, keep_audit
from app.store.engine import Engine, transaction
from tests.support.gateway import SANDBOX, api_client, basic, ops_key

SHOWN: Final[dict[str, Any]] = AUDITS["data"][0]
RESULT: Final = {name: value for name, value in SHOWN.items() if name not in {"day", "made_at", "agrees"}}


@pytest.fixture
async def ops(engine: Engine) -> dict[str, str]:
    """Headers of an ops key."""
    return basic(await ops_key(engine))


async def keep(engine: Engine, *days: str) -> None:
    async with transaction(engine) as connection:
        for day in days:
            await keep_audit(connection, "sandbox", date.fromisoformat(day), RESULT)


async def test_an_audit_is_shown_with_what_differs(
    client: httpx.AsyncClient, ops: dict[str, str], engine: Engine
) -> None:
    await keep(engine, "2026-11-22")
    answer = await client.get("/v1/audits/sandbox", headers=ops)
    assert answer.status_code == 200
    [shown] = answer.json()["data"]
    assert shown.pop("made_at").endswith("Z")
    assert shown == {**RESULT, "day": "2026-11-22", "agrees": False}
    assert (answer.json()["provider"], answer.json()["listing"], answer.json()["has_more"]) == ("sandbox", False, False)


async def test_audits_come_latest_first_and_page_by_page(
    client: httpx.AsyncClient, ops: dict[str, str], engine: Engine
) -> None:
    await keep(engine, *(f"2026-11-{day:02}" for day in range(1, 8)))
    async with transaction(engine) as connection:
        assert await claim_audit(connection, "sandbox", date(2026, 11, 8), claim=date.resolution)
    target: str | None = "/v1/audits/sandbox?from=2026-11-02&to=2026-11-06&limit=2"
    pages = []
    while target is not None:
        answer = await client.get(target, headers=ops)
        pages.append([each["day"][-2:] for each in answer.json()["data"]])
        target = answer.links["next"]["url"] if "next" in answer.links else None
        assert answer.json()["has_more"] == (target is not None)
    assert pages == [["06", "05"], ["04", "03"], ["02"]]


async def test_a_cursor_fits_the_list_that_it_came_from_alone(
    client: httpx.AsyncClient, ops: dict[str, str], engine: Engine
) -> None:
    await keep(engine, "2026-11-01", "2026-11-02")
    first = await client.get("/v1/audits/sandbox?limit=1", headers=ops)
    cursor = first.json()["next_cursor"]
    answer = await client.get(f"/v1/audits/sandbox?limit=1&from=2026-11-01&cursor={cursor}", headers=ops)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


@pytest.mark.parametrize("place", [0, 2**31, 2**128 - 1])
async def test_a_forged_cursor_that_is_no_day_is_refused(
    client: httpx.AsyncClient, ops: dict[str, str], place: int
) -> None:
    cursor = write_cursor(UUID(int=place), DayRange(provider="sandbox"))
    answer = await client.get(f"/v1/audits/sandbox?cursor={cursor}", headers=ops)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


@pytest.mark.parametrize("query", ["from=yesterday", "to=1", "from=2026-11-22T00:00:00Z", "from=2026-13-01", "day=1"])
async def test_a_day_is_written_as_one(client: httpx.AsyncClient, ops: dict[str, str], query: str) -> None:
    answer = await client.get(f"/v1/audits/sandbox?{query}", headers=ops)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


async def test_audits_are_for_operators_and_reading_them_is_written_down(
    client: httpx.AsyncClient, ops: dict[str, str], live_key: dict[str, str], engine: Engine
) -> None:
    assert (await client.get("/v1/audits/sandbox")).status_code == 401
    assert (await client.get("/v1/audits/sandbox", headers=live_key)).status_code == 403
    assert (await client.get("/v1/audits/sandbox", headers=ops)).status_code == 200
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT action, detail FROM audit_events"))).all()
    assert [tuple(row) for row in rows] == [("audits.list", {"provider": "sandbox"})]


@pytest.mark.parametrize("provider", ["nobody", "%00", "..", "%F0%9F%98%80"])
async def test_a_provider_that_is_not_configured_has_none(
    client: httpx.AsyncClient, ops: dict[str, str], provider: str
) -> None:
    answer = await client.get(f"/v1/audits/{provider}", headers=ops)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("listing", [True, False])
async def test_whether_a_provider_lists_its_messages_is_said(
    shared_database_url: str, ops: dict[str, str], engine: Engine, listing: bool
) -> None:
    assert engine
    async with api_client(shared_database_url, sandbox={**SANDBOX, "records": listing}) as client:
        answer = await client.get("/v1/audits/sandbox", headers=ops)
    assert (answer.json()["listing"], answer.json()["data"]) == (listing, [])
