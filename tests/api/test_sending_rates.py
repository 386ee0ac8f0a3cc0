"""The usual rates over the API: who sets them, and that lanes follow at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, insert, select, text

from app.domain.credentials import KeyMode, Scope
from app.domain.sender import SenderType
from app.services.administration import Administration
from app.services.editing import OPERATOR
from app.services.sender_administration import SenderAdministration
from app.store.engine import Engine
from app.store.sending_tables import sending_rates
from tests.support.gateway import Tenant, basic, ops_key, tenant

GRANTED = {"rate": 10, "source": "our provider, by e-mail"}


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway whose rates may be changed."""

    client: httpx.AsyncClient
    engine: Engine
    shop: Tenant
    admin: dict[str, str]

    async def put(self, path: str, body: dict[str, Any], key: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.put(f"/v1/sending-rates/{path}", headers=key or self.admin, json=body)

    async def lanes(self) -> dict[str, tuple[float, int, int | None]]:
        """The limits in force, by sender."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                text("SELECT s.address, l.rate, l.burst, l.daily_cap FROM lanes AS l JOIN senders AS s ON s.id = l.id")
            )
            return {row.address: (row.rate, row.burst, row.daily_cap) for row in rows}


@pytest.fixture
async def site(engine: Engine, shared_client: httpx.AsyncClient) -> AsyncIterator[Site]:
    """Other tests share the database: its rates are put back."""
    shop, administration = await tenant(engine, sender=None), Administration(engine, {"sandbox"})
    await administration.add_sender(account=shop.name, address="+12025550100", provider="sandbox", rate=None)
    made = await administration.create_key(account=None, mode=KeyMode.LIVE, scopes=[Scope.ADMIN])
    async with engine.connect() as connection:
        rates = (await connection.execute(select(sending_rates))).mappings().all()
    yield Site(client=shared_client, engine=engine, shop=shop, admin=basic(made.credentials))
    async with engine.begin() as connection:
        await connection.execute(delete(sending_rates))
        await connection.execute(insert(sending_rates), [dict(rate) for rate in rates])


async def test_every_type_has_a_usual_rate_and_each_says_who_says_so(site: Site) -> None:
    answer = await site.client.get("/v1/sending-rates", headers=site.admin)
    rates = {(each["number_type"], each["campaign_class"]): each for each in answer.json()["data"]}
    assert {kind for kind, campaign_class in rates if campaign_class is None} == {*SenderType, "test"}
    assert {campaign_class for _, campaign_class in rates} - {None} == set("ABCDEFGKNPSTWXYZ")
    assert all(each["source"] and each["date"] >= "2026" for each in rates.values())
    assert {key: (each["rate"], each["burst"]) for key, each in rates.items() if key[1] in {None, "A", "T", "W"}} == {
        ("10dlc", None): (1.0, 1),
        ("10dlc", "A"): (75.0, 75),
        ("10dlc", "T"): (1.25, 2),
        ("10dlc", "W"): (0.25, 1),
        ("alphanumeric", None): (1.0, 1),
        ("long_code", None): (1.0, 1),
        ("short_code", None): (100.0, 100),
        ("test", None): (100_000.0, 100_000),
        ("toll_free", None): (3.0, 3),
    }


async def test_a_new_rate_is_in_force_at_once_for_whoever_has_none_of_its_own(site: Site) -> None:
    senders = SenderAdministration(site.engine, {"sandbox"})
    for address, values in (
        ("+18335550101", {}),
        ("+18335550102", {"rate": 7}),
        ("+18335550103", {"burst": 4, "daily_cap": 90}),
    ):
        await senders.add(OPERATOR, site.shop.name, address, {"provider": "sandbox", **values})
    answer = await site.put("toll_free", {**GRANTED, "daily_cap": 5000})
    today = datetime.now(UTC).date().isoformat()
    assert answer.json() == {
        "number_type": "toll_free",
        "campaign_class": None,
        "rate": 10.0,
        "burst": 10,
        "daily_cap": 5000,
        "source": "our provider, by e-mail",
        "date": today,
    }
    assert await site.lanes() == {
        "+12025550100": (1.0, 1, None),
        "+18335550101": (10.0, 10, 5000),
        "+18335550102": (7.0, 7, 5000),
        "+18335550103": (10.0, 4, 90),
    }


async def test_a_class_has_a_rate_of_its_own_and_a_new_one_may_be_added(site: Site) -> None:
    senders = SenderAdministration(site.engine, {"sandbox"})
    assert (await site.put("10dlc/Q", {"rate": 0.5, "burst": 3, "source": "TCR", "date": "2026-11-22"})).json() == {
        "number_type": "10dlc",
        "campaign_class": "Q",
        "rate": 0.5,
        "burst": 3,
        "daily_cap": None,
        "source": "TCR",
        "date": "2026-11-22",
    }
    await senders.change_named(OPERATOR, site.shop.name, "+12025550100", {"campaign_class": "Q"})
    assert await site.lanes() == {"+12025550100": (0.5, 3, None)}
    await site.put("10dlc", GRANTED)
    assert await site.lanes() == {"+12025550100": (0.5, 3, None)}
    await site.put("10dlc/Q", GRANTED)
    assert await site.lanes() == {"+12025550100": (10.0, 10, None)}


async def test_test_messages_have_a_rate_that_can_be_changed(site: Site) -> None:
    async with site.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO lanes (id, account_id, provider, rate, burst) "
                "SELECT id, id, 'sandbox', 100000, 100000 FROM accounts"
            )
        )
    await site.put("test", GRANTED)
    async with site.engine.connect() as connection:
        found = await connection.execute(text("SELECT rate, burst FROM lanes WHERE id = account_id"))
        assert tuple(found.one()) == (10.0, 10)
    assert await site.lanes() == {"+12025550100": (1.0, 1, None)}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rate": 1},
        {"source": "x"},
        {"rate": 0, "source": "x"},
        {"rate": None, "source": "x"},
        {"rate": 1, "source": " "},
        {"rate": 1, "source": "a\nb"},
        {"rate": 1, "source": "x", "burst": 0},
        {"rate": 1, "source": "x", "date": "yesterday"},
        {"rate": 1, "source": "x", "date": "2026-13-01"},
        {"rate": 1, "source": "x", "date": 20261122},
        {"rate": 1, "source": "x", "dated": "2026-11-22"},
    ],
)
async def test_what_is_no_rate_is_refused_and_changes_nothing(site: Site, body: dict[str, Any]) -> None:
    before = (await site.client.get("/v1/sending-rates", headers=site.admin)).json()
    answer = await site.put("toll_free", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert (await site.client.get("/v1/sending-rates", headers=site.admin)).json() == before


@pytest.mark.parametrize("path", ["pigeon", "toll_free/A", "10dlc/t", "10dlc/TT", "10dlc/1", "test/A", "%00"])
async def test_a_type_or_class_that_there_is_not_is_not_found(site: Site, path: str) -> None:
    answer = await site.put(path, GRANTED)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_rates_are_for_operators_and_changes_are_written_down(site: Site) -> None:
    ops = basic(await ops_key(site.engine))
    own = await Administration(site.engine, ()).create_key(
        account=site.shop.name, mode=KeyMode.LIVE, scopes=[Scope.ADMIN]
    )
    for key in (basic(site.shop.live), basic(own.credentials)):
        assert (await site.client.get("/v1/sending-rates", headers=key)).status_code == 403
        assert (await site.put("toll_free", GRANTED, key)).status_code == 403
    assert (await site.put("toll_free", GRANTED, ops)).status_code == 403
    assert (await site.client.get("/v1/sending-rates", headers=ops)).status_code == 200
    assert (await site.put("10dlc/T", GRANTED)).status_code == 200
    async with site.engine.connect() as connection:
        rows = await connection.execute(text("SELECT action, detail FROM audit_events ORDER BY id"))
        written = [tuple(row) for row in rows]
    told = {"number_type": "10dlc", "campaign_class": "T", "burst": 10, "daily_cap": None, **GRANTED}
    assert written == [("sending_rates.list", {}), ("sending_rates.put", told)]
